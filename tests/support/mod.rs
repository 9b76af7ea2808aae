//! The support of the black-box tests and the demo, in three parts from outside to inside:
//!
//! * [`endpoint`]: a strict OAuth token endpoint on a loopback port of its own.
//!   `Endpoint::start()`, `.register(Client::new("id"))`, `.sign_in("id")` gives [`Tokens`];
//!   `.url()`, `.requests()`, `.wait_for_requests(n)`, `.wait_for_answers(n)`, `.is_live(token)`,
//!   `.reuses()`, `.hold()` (answers wait until the guard is dropped), `.set_latency(..)`,
//!   `.set_keep_alive(..)`. The faults of an endpoint are data: `.script(Who, [Step, ..])`,
//!   `.always(Who, Step)`, `.on_next_connection(Fault)`.
//! * [`project`]: a temporary project directory, removed on drop. `Project::new()`,
//!   `.write_token(&TokenFile::egress("atlassian", "atlassian").tokens(&tokens).expires_in(2700))`,
//!   `.no_auth_server("currenttime")`, `.server(..)`, `.write(..)`, `.read_token(..)`, `.config(..)`,
//!   `.mode(..)`, `.stamp(..)` (has a file been rewritten?), `.leftovers()`.
//! * [`daemon`]: the real program in that directory. `Program::new(&project).arg("--interval").arg("1")`
//!   then `.once()` gives a [`Finished`] (status, output, log) or `.start()` a [`Daemon`]:
//!   `.wait_for_log("text")`, `.wait_until("what", || ..)`, `.signal(Signal::Term)`, `.wait()`.
//!
//! Every wait ends after [`DEADLINE`] with a panic that shows the log. No wait is a blind sleep:
//! events of the endpoint have a condition variable, and files and processes are polled every [`POLL`].

#![allow(dead_code, unused_imports, reason = "each test file uses its own part of the support")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

pub(crate) mod browser;
pub(crate) mod daemon;
pub(crate) mod due;
pub(crate) mod endpoint;
pub(crate) mod internals;
pub(crate) mod jwe;
pub(crate) mod messages;
pub(crate) mod project;
pub(crate) mod soak;
pub(crate) mod token_file;
pub(crate) mod trace;

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use daemon::{Daemon, Finished, Program, Signal};
pub(crate) use due::{Due, due};
pub(crate) use endpoint::{
    Answer, Client, ClientAuth, Decision, Delivery, DeviceAnswer, End, Endpoint, Fault, Framing, Hold,
    Outcome, Recorded, SignIns, Step, Tokens, Who, query_of,
};
pub(crate) use project::{Project, Stamp};
pub(crate) use token_file::TokenFile;

/// The longest wait before the test fails. Far above the time of a loaded two-core machine, far below a test runner's
/// own limit.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How often files and processes are checked.
pub(crate) const POLL: Duration = Duration::from_millis(5);

/// Polls `condition` until it holds; `false` when [`DEADLINE`] passed first.
pub(crate) fn holds_in_time(condition: impl FnMut() -> bool) -> bool {
    holds_within(DEADLINE, condition)
}

/// Polls `condition` until it holds; `false` when `limit` passed first. For long waits by design, such as the program's
/// own timeouts.
pub(crate) fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// Seconds since 1970, now.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    i64::try_from(since.as_secs()).expect("the clock stands before the year 292 billion")
}

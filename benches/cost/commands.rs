//! The cost of a start: one cycle, and the commands that only read.

use crate::figures::{Samples, Unit, row, timed, title};
use crate::programs::{Programs, run};
use crate::projects::{Kind, fresh};

pub(crate) fn measure(programs: &Programs) {
    title("commands (beside an empty program)");
    for files in [2, 10_000] {
        let project = fresh(files, Kind::Services);
        // So that there is a status to tell of, and the configurations stand.
        run(programs.once(&project, &[]));
        let cases: [(&str, &[&str], &str); 5] = [
            ("--once", &["--once", "--log-level", "ERROR"], "4 ms"),
            ("headers", &["headers", "server-000001"], "2x"),
            ("token", &["token", "server-000001"], "2x"),
            ("status", &["status"], "2x"),
            ("check", &["check"], "2x"),
        ];
        for (name, arguments, goal) in cases {
            let goal = if files == 2 { goal } else { "-" };
            let command = || programs.quiet(&project, arguments);
            // `check` of a directory without a daemon fails, as it should.
            let ours = || timed(|| _ = command().status().expect("it starts"));
            let (ours, bare) =
                Samples::both(Unit::Time, ours, || timed(|| run(programs.floor(&["nothing"]))));
            row(&format!("{name}, {files} tokens"), &ours, Some(("empty", &bare)), goal);
            let faults = Samples::new(Unit::Count, vec![Programs::faults(command())]);
            let bare = Samples::new(Unit::Count, vec![Programs::faults(programs.floor(&["nothing"]))]);
            row(&format!("{name}, {files} tokens, page faults (once)"), &faults, Some(("empty", &bare)), "-");
            if programs.counts_instructions {
                let count = Samples::new(Unit::Instructions, vec![Programs::instructions(&command())]);
                row(&format!("{name}, {files} tokens, instructions (once)"), &count, None, "-");
            }
            if programs.counts_calls {
                let calls = Programs::calls(&command(), &project).all;
                let count = Samples::new(Unit::Count, vec![calls]);
                row(&format!("{name}, {files} tokens, system calls (once)"), &count, None, "-");
            }
        }
    }
}

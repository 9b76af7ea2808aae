//! Reads a trace of system calls (`strace -f -ttt -T`) for the window in which a kill loses a refresh token. The window
//! begins with the last byte of the answer and ends with the fsync that stores the token.

use std::time::Duration;

/// One line of strace: `TID TIME CALL(ARGUMENTS) = RESULT <DURATION>`.
pub(crate) struct Call<'a> {
    thread: &'a str,
    at: Duration,
    pub name: &'a str,
    rest: &'a str,
}

pub(crate) fn calls(trace: &str) -> Vec<Call<'_>> {
    let parse = |line: &'_ str| -> Option<(usize, usize, usize)> {
        let first = line.find(' ')?;
        let second = line[first..].trim_start();
        let second_at = line.len() - second.len();
        let third = second.find(' ')?;
        Some((first, second_at, second_at + third))
    };
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((first, second, third)) = parse(line) else { continue };
        let Ok(seconds) = line[second..third].parse::<f64>() else { continue };
        let what = line[third..].trim_start();
        let name = match what.strip_prefix("<... ") {
            Some(resumed) => resumed.split(' ').next().unwrap_or_default(),
            None => what.split('(').next().unwrap_or_default(),
        };
        calls.push(Call { thread: &line[..first], at: Duration::from_secs_f64(seconds), name, rest: what });
    }
    calls
}

impl Call<'_> {
    /// The duration: the last part of the line.
    pub(crate) fn duration(&self) -> Duration {
        let text = self.rest.rsplit('<').next().and_then(|text| text.strip_suffix('>'));
        text.and_then(|text| text.parse().ok()).map_or(Duration::ZERO, Duration::from_secs_f64)
    }

    /// When the call returned. The second half of a call that another thread's call cut in two bears that time.
    pub(crate) fn ended(&self) -> Duration {
        if self.rest.starts_with("<...") { self.at } else { self.at + self.duration() }
    }
}

/// The calls of the refreshing thread from the last byte received to the fsync of the new token.
pub(crate) fn window<'a>(calls: &'a [Call<'a>]) -> Vec<&'a Call<'a>> {
    let stored = calls.iter().position(|call| call.name == "pwrite64" && call.rest.contains("\"{"));
    let stored = stored.expect("an answer is written");
    let thread = calls[stored].thread;
    let own = |range: &'a [Call<'a>]| range.iter().filter(move |call| call.thread == thread);
    let received = own(&calls[..stored]).rfind(|call| {
        let result = call.rest.rsplit(" = ").next().unwrap_or_default();
        call.name == "recvfrom" && result.chars().next().is_some_and(|digit| ('1'..='9').contains(&digit))
    });
    let received = received.expect("an answer is received");
    let mut within = Vec::new();
    for call in own(calls).skip_while(|call| !std::ptr::eq(*call, received)) {
        within.push(call);
        if call.name == "fsync" && !call.rest.contains("unfinished") {
            return within;
        }
    }
    panic!("the new token was never synced");
}

/// The widths of the window in some runs.
#[derive(Default)]
pub(crate) struct Windows {
    /// Until the new token is written: a kill can lose the token.
    pub writing: Vec<Duration>,
    /// Until the fsync returns: a power loss can lose the token.
    pub whole: Vec<Duration>,
    /// The fsync alone.
    pub syncing: Vec<Duration>,
}

impl Windows {
    pub(crate) fn take(&mut self, calls: &[Call<'_>]) {
        let within = window(calls);
        let received = within[0].ended();
        let written = within.iter().find(|call| call.name == "pwrite64").expect("the answer is written");
        self.writing.push(written.ended().saturating_sub(received));
        self.whole.push(within[within.len() - 1].ended().saturating_sub(received));
        self.syncing.push(within[within.len() - 1].duration());
    }
}

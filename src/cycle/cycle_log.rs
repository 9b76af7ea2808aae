//! The log of a cycle: the lines that are worth writing, and each problem once.
//!
//! A cycle without events is one line. Other lines are held back until an event, and then written in their order. A
//! problem is logged when it appears, changes or ends, and not at every check in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use log::Level;

use super::token_line::TokenLine;
use crate::ordered;
use crate::status::login_command;
use crate::tokens::name::stem;

/// The subject of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// Tokens.
    Refresh,
    /// Configurations.
    Config,
}

/// The subjects of problems with one file or setting. Each is logged and ended for itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Topic {
    /// A file cannot be read or used.
    Contents,
    /// A file has an oddity.
    Oddity,
    /// A refresh that is not due yet lacks a fact.
    Means,
    /// A token is not fresh.
    Freshness,
    /// A token has expired before it could be refreshed.
    Expiry,
    /// A token expires, and only a person can renew it.
    Ending,
    /// Other users may read a file.
    Readers,
    /// The secrets of a file are not sealed.
    AtRest,
    /// A file cannot be written.
    Writing,
    /// A configuration leaves out a service, or assumes a value.
    Entries,
}

impl Topic {
    const fn subject(self) -> Subject {
        match self {
            Self::Contents
            | Self::Oddity
            | Self::Means
            | Self::Freshness
            | Self::Expiry
            | Self::Ending
            | Self::Readers
            | Self::AtRest => Subject::Refresh,
            Self::Writing | Self::Entries => Subject::Config,
        }
    }

    /// The words for the end of a problem; `None`: another line tells the end.
    const fn end(self) -> Option<&'static str> {
        match self {
            Self::Contents => Some("readable again"),
            Self::Oddity | Self::Entries | Self::AtRest => Some("in order again"),
            Self::Means => Some("can be refreshed now"),
            Self::Freshness => Some("refreshed again"),
            Self::Ending => Some("renewed"),
            Self::Writing => Some("written again"),
            Self::Readers => Some("closed to others now"),
            Self::Expiry => None,
        }
    }

    /// Whether the line about the end must repeat the problem.
    const fn is_one_of_many(self) -> bool {
        matches!(self, Self::Oddity | Self::Entries | Self::Ending | Self::Means | Self::AtRest)
    }

    /// Whether the problem is about a file that may be gone.
    const fn is_of_file(self) -> bool {
        matches!(
            self,
            Self::Contents | Self::Oddity | Self::Means | Self::Freshness | Self::Ending | Self::Readers
        )
    }
}

impl Subject {
    const fn target(self) -> &'static str {
        match self {
            Self::Refresh => "REFRESH",
            Self::Config => "CONFIG",
        }
    }
}

/// The log over all cycles of the process.
#[derive(Default)]
pub(crate) struct CycleLog {
    /// The project root, for commands that a person may type.
    project: PathBuf,
    held_back: Vec<UnsaidLine>,
    eventful: bool,
    problems: BTreeMap<(String, Topic), SaidProblem>,
    /// The lines and problems of the present recording.
    recording: Option<Vec<Recorded>>,
}

/// A line that is written only in an eventful cycle.
enum UnsaidLine {
    Line(Subject, String),
    Token(TokenLine),
}

/// A line or a problem, to be repeated in a cycle with the same inputs.
pub(crate) enum Recorded {
    /// A line without a problem.
    Line(Subject, String),
    /// A problem.
    Problem { about: String, topic: Topic, level: Level, message: String, detail: String },
}

impl Recorded {
    /// Whether a file could not be written.
    pub(crate) fn is_unwritten(&self) -> bool {
        matches!(self, Self::Problem { topic: Topic::Writing, level: Level::Error, .. })
    }
}

struct SaidProblem {
    message: String,
    level: Level,
    mentioned: bool,
}

impl CycleLog {
    pub(crate) fn of(root: &Path) -> Self {
        Self { project: root.to_owned(), ..Self::default() }
    }

    /// The command for a new sign-in of a token file, for the end of a line.
    pub(crate) fn login_command(&self, file: &str) -> String {
        login_command(stem(file), &self.project)
    }

    /// Begins a cycle. All lines of an `eventful` cycle are written at once, and so are all lines at DEBUG.
    pub(crate) fn begin(&mut self, eventful: bool) {
        self.held_back.clear();
        self.eventful = eventful || log::log_enabled!(Level::Debug);
        for problem in self.problems.values_mut() {
            problem.mentioned = false;
        }
    }

    /// Logs a line without a problem.
    pub(crate) fn say(&mut self, subject: Subject, line: impl Into<String>) {
        let line = line.into();
        if let Some(recording) = &mut self.recording {
            recording.push(Recorded::Line(subject, line.clone()));
        }
        if self.eventful {
            log::info!(target: subject.target(), "{line}");
        } else {
            self.held_back.push(UnsaidLine::Line(subject, line));
        }
    }

    /// Logs a line about a token without an action.
    pub(crate) fn say_of_token(&mut self, line: TokenLine) {
        if self.eventful {
            log::info!(target: Subject::Refresh.target(), "{line}");
        } else {
            self.held_back.push(UnsaidLine::Token(line));
        }
    }

    /// Makes the cycle eventful, and writes the lines that were held back.
    pub(crate) fn something_happened(&mut self) {
        self.eventful = true;
        for held_back in self.held_back.drain(..) {
            match held_back {
                UnsaidLine::Line(subject, line) => log::info!(target: subject.target(), "{line}"),
                UnsaidLine::Token(line) => log::info!(target: Subject::Refresh.target(), "{line}"),
            }
        }
    }

    pub(crate) fn is_eventful(&self) -> bool {
        self.eventful
    }

    /// Logs a problem with `about` (a file or a setting) where the problem is new or its message has changed. `detail`
    /// (the time of the next attempt) is logged too, but does not make the problem new. Returns whether a line was
    /// written.
    pub(crate) fn problem(
        &mut self,
        about: &str,
        topic: Topic,
        level: Level,
        message: &str,
        detail: &str,
    ) -> bool {
        if let Some(recording) = &mut self.recording {
            let [about, message, detail] = [about, message, detail].map(str::to_owned);
            recording.push(Recorded::Problem { about, topic, level, message, detail });
        }
        let subject = topic.subject();
        let known = self.problems.get(&(about.to_owned(), topic));
        let new = known.is_none_or(|known| known.message != message);
        if new {
            log::log!(target: subject.target(), level, "{about}: {message}{detail}");
        } else {
            log::debug!(target: subject.target(), "{about}: still: {message}{detail}");
        }
        let problem = SaidProblem { message: message.to_owned(), level, mentioned: true };
        self.problems.insert((about.to_owned(), topic), problem);
        new
    }

    /// Begins a recording of lines and problems.
    pub(crate) fn record(&mut self) {
        self.recording = Some(Vec::new());
    }

    /// Ends the recording and returns it.
    pub(crate) fn recorded(&mut self) -> Vec<Recorded> {
        self.recording.take().unwrap_or_default()
    }

    /// Logs a recording of another cycle.
    pub(crate) fn repeat(&mut self, recorded: &[Recorded]) {
        for said in recorded {
            match said {
                Recorded::Line(subject, line) => self.say(*subject, line.as_str()),
                Recorded::Problem { about, topic, level, message, detail } => {
                    self.problem(about, *topic, *level, message, detail);
                }
            }
        }
    }

    /// Ends the problems of `about`, although they were mentioned in this cycle.
    pub(crate) fn solved(&mut self, about: &str, topics: &[Topic]) {
        for topic in topics {
            if let Some(problem) = self.problems.get_mut(&(about.to_owned(), *topic)) {
                problem.mentioned = false;
            }
        }
    }

    /// Keeps a problem of `about` without a new line.
    pub(crate) fn keep_problem(&mut self, about: &str, topic: Topic) {
        if let Some(problem) = self.problems.get_mut(&(about.to_owned(), topic)) {
            problem.mentioned = true;
        }
    }

    /// The files that cannot be written in this cycle, with the reasons.
    pub(crate) fn unwritten(&self) -> BTreeMap<String, String> {
        let writing = self
            .problems
            .iter()
            .filter(|((_, topic), problem)| *topic == Topic::Writing && problem.mentioned);
        ordered::map(writing.map(|((about, _), problem)| (about.clone(), problem.message.clone())))
    }

    /// How many of these are errors, and not files that are left to their owner.
    pub(crate) fn write_errors(&self) -> usize {
        let is_error = |((_, topic), problem): &(&(String, Topic), &SaidProblem)| {
            *topic == Topic::Writing && problem.mentioned && problem.level == Level::Error
        };
        self.problems.iter().filter(is_error).count()
    }

    /// Ends a cycle. Problems that were not mentioned in it have ended. `is_gone` tells whether a file is gone.
    pub(crate) fn end(&mut self, is_gone: &dyn Fn(&str) -> bool) {
        // A line for every token: not kept until the next cycle.
        self.held_back = Vec::new();
        let mut gone = BTreeSet::new();
        ordered::retain(&mut self.problems, |(about, topic), problem| {
            let target = topic.subject().target();
            match topic.end() {
                _ if problem.mentioned => {}
                // A file that is gone gets one line for all its problems.
                Some(_) if gone.contains(about) => {}
                Some(_) if topic.is_of_file() && is_gone(about) => {
                    log::info!(target: target, "{about}: is gone");
                    gone.insert(about.clone());
                }
                Some(end) if topic.is_one_of_many() => {
                    log::info!(target: target, "{about}: {end} (it was: {})", problem.message);
                }
                Some(end) => log::info!(target: target, "{about}: {end}"),
                None => {}
            }
            problem.mentioned
        });
    }
}

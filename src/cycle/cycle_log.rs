//! How a cycle is told: which lines are worth saying, and each problem once.
//!
//! An idle cycle is one line. The lines of a cycle are held back until something happens in it, then
//! said in their order. A problem is said when it appears, when it changes and when it ends, and not
//! at every check in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use log::Level;

use super::token_line::TokenLine;
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

/// What a problem is about, beside a file or setting: each is said and ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Topic {
    /// That a file cannot be read or used.
    Contents,
    /// What is odd about a file.
    Oddity,
    /// What lacks for a refresh that is not due yet.
    Means,
    /// That a token is not fresh.
    Freshness,
    /// That a token has expired before it could be refreshed.
    Expiry,
    /// That a token ends and only a person can renew it.
    Ending,
    /// Who may read a file.
    Readers,
    /// That its secrets are not sealed.
    AtRest,
    /// That something cannot be written.
    Writing,
    /// What a configuration leaves out or assumes.
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

    /// What is said when a problem is over; `None`: another line says it.
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

    /// Whether a line about its end must say what it was.
    const fn is_one_of_many(self) -> bool {
        matches!(self, Self::Oddity | Self::Entries | Self::Ending | Self::Means | Self::AtRest)
    }

    /// Whether it is about a file that may be gone.
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

/// What has been said, over all cycles of the process.
#[derive(Default)]
pub(crate) struct CycleLog {
    /// The project root, for commands that a person may type.
    project: PathBuf,
    held_back: Vec<UnsaidLine>,
    eventful: bool,
    problems: BTreeMap<(String, Topic), SaidProblem>,
    /// What is said, while it is recorded.
    recording: Option<Vec<Recorded>>,
}

/// A line that is said when something happens in the cycle.
enum UnsaidLine {
    Line(Subject, String),
    Token(TokenLine),
}

/// Something that was said, for another cycle in which it is the same.
pub(crate) enum Recorded {
    /// A line of the normal course of events.
    Line(Subject, String),
    /// A problem.
    Problem { about: String, topic: Topic, level: Level, message: String, detail: String },
}

impl Recorded {
    /// Whether it says that something could not be written.
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
    /// For the project at `root`.
    pub(crate) fn of(root: &Path) -> Self {
        Self { project: root.to_owned(), ..Self::default() }
    }

    /// The command that signs in again for a token file, with which a line ends that says to sign in again.
    pub(crate) fn login_command(&self, file: &str) -> String {
        login_command(stem(file), &self.project)
    }

    /// Begins a cycle; `eventful` says at once that all of it is worth telling, as does a log that is
    /// to show everything.
    pub(crate) fn begin(&mut self, eventful: bool) {
        self.held_back.clear();
        self.eventful = eventful || log::log_enabled!(Level::Debug);
        for problem in self.problems.values_mut() {
            problem.mentioned = false;
        }
    }

    /// A line of the normal course of events.
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

    /// The same of a token with which nothing is done.
    pub(crate) fn say_of_token(&mut self, line: TokenLine) {
        if self.eventful {
            log::info!(target: Subject::Refresh.target(), "{line}");
        } else {
            self.held_back.push(UnsaidLine::Token(line));
        }
    }

    /// From here on, and including what was held back, the cycle is worth telling.
    pub(crate) fn something_happened(&mut self) {
        self.eventful = true;
        for held_back in self.held_back.drain(..) {
            match held_back {
                UnsaidLine::Line(subject, line) => log::info!(target: subject.target(), "{line}"),
                UnsaidLine::Token(line) => log::info!(target: Subject::Refresh.target(), "{line}"),
            }
        }
    }

    /// Whether the cycle was worth telling so far.
    pub(crate) fn is_eventful(&self) -> bool {
        self.eventful
    }

    /// Something is wrong with `about` (a file, a setting): said when it is new or another message
    /// than before. `detail` (when it is tried again) is said with it and does not make it new. Returns
    /// whether it was said now.
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

    /// Records what is said from here on.
    pub(crate) fn record(&mut self) {
        self.recording = Some(Vec::new());
    }

    /// Returns what was recorded.
    pub(crate) fn recorded(&mut self) -> Vec<Recorded> {
        self.recording.take().unwrap_or_default()
    }

    /// Says again what was recorded in another cycle.
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

    /// Whatever was said of `about` is over, although it was mentioned in this cycle.
    pub(crate) fn solved(&mut self, about: &str, topics: &[Topic]) {
        for topic in topics {
            if let Some(problem) = self.problems.get_mut(&(about.to_owned(), *topic)) {
                problem.mentioned = false;
            }
        }
    }

    /// Whatever was said of `about` before still holds; nothing new is to be said of it.
    pub(crate) fn keep_problem(&mut self, about: &str, topic: Topic) {
        if let Some(problem) = self.problems.get_mut(&(about.to_owned(), topic)) {
            problem.mentioned = true;
        }
    }

    /// What cannot be written in this cycle, and why.
    pub(crate) fn unwritten(&self) -> BTreeMap<String, String> {
        let writing = self
            .problems
            .iter()
            .filter(|((_, topic), problem)| *topic == Topic::Writing && problem.mentioned);
        writing.map(|((about, _), problem)| (about.clone(), problem.message.clone())).collect()
    }

    /// How many of these are errors, and not only left to their owner.
    pub(crate) fn write_errors(&self) -> usize {
        let is_error = |((_, topic), problem): &(&(String, Topic), &SaidProblem)| {
            *topic == Topic::Writing && problem.mentioned && problem.level == Level::Error
        };
        self.problems.iter().filter(is_error).count()
    }

    /// Ends a cycle: problems that were not mentioned in it are over. `is_gone` says of a file that it is not there any
    /// more.
    pub(crate) fn end(&mut self, is_gone: &dyn Fn(&str) -> bool) {
        let mut gone = BTreeSet::new();
        self.problems.retain(|(about, topic), problem| {
            let target = topic.subject().target();
            match topic.end() {
                _ if problem.mentioned => {}
                // Once, whatever was wrong with it.
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

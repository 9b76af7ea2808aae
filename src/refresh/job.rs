//! A job takes the locks of one chain and sends at most one request. Any further work is another job.

use std::time::{Duration, Instant};

use super::report::Reports;
use super::storing::Storing;
use crate::files::Stamp;
use crate::secret::Fingerprint;

/// How often a chain that has become another one is locked anew in one cycle.
const CHAIN_ATTEMPTS: u8 = 3;

#[derive(Debug)]
pub(crate) enum Job {
    /// Refresh the due members of a chain.
    Refresh(Chain),
    /// Give an old copy the current refresh token, which another file holds.
    Repair {
        /// The copy's name.
        copy: String,
        /// The newest successor of the copy's refresh token.
        newest: Fingerprint,
    },
}

/// All files that hold one refresh token; a file without a refresh token is a chain alone.
#[derive(Debug)]
pub(crate) struct Chain {
    pub files: Vec<ChainFile>,
    /// The refresh token that the files held when they were read.
    pub token: Option<Fingerprint>,
    /// The origin of the endpoint that the request goes to, as far as it is known before.
    pub endpoint: Option<String>,
    /// How often the chain may still become another one.
    pub(super) attempts: u8,
    /// When the refresh token is sent again after its answer was lost.
    pub(super) again: Option<Instant>,
    /// The line of the log for a request; logged only when the request is sent.
    pub announcement: Option<String>,
}

/// One file of a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ChainFile {
    pub name: String,
    /// The state of the file when the cycle read it; `None` where the cycle has not read it.
    pub stamp: Option<Stamp>,
    /// Whether this chain of jobs has renewed the file's access token already.
    pub(super) served: bool,
}

/// The result of a job.
#[derive(Default)]
pub(crate) struct Done {
    pub reports: Reports,
    /// Answers that are not in their files yet. Storing must be tried again until it succeeds.
    pub held: Vec<Storing>,
    /// The jobs to do next.
    pub then: Vec<Job>,
}

impl Chain {
    /// The chain as the scan saw it.
    pub(crate) fn new(files: impl IntoIterator<Item = (String, Stamp)>, token: Option<Fingerprint>) -> Self {
        let file = |(name, stamp)| ChainFile { name, stamp: Some(stamp), served: false };
        let files = files.into_iter().map(file).collect();
        Self { files, token, endpoint: None, attempts: CHAIN_ATTEMPTS, again: None, announcement: None }
    }

    /// The files called `names`, which hold `token` now. The known earlier state of each file is kept.
    pub(super) fn now(&self, names: Vec<String>, token: Option<Fingerprint>) -> Self {
        let file = |name: String| match self.file(&name) {
            Some(file) => ChainFile::clone(file),
            None => ChainFile { name, stamp: None, served: false },
        };
        let files = names.into_iter().map(file).collect();
        let (endpoint, announcement) = (self.endpoint.clone(), self.announcement.clone());
        Self { files, token, endpoint, attempts: self.attempts.saturating_sub(1), again: None, announcement }
    }

    /// The same chain, whose refresh token is sent again after `delay`.
    pub(super) fn again_after(&self, delay: Duration) -> Self {
        let again = Some(Instant::now() + delay);
        let (files, endpoint) = (self.files.clone(), self.endpoint.clone());
        Self { files, endpoint, again, announcement: None, ..*self }
    }

    /// A chain of which only the names of its files are known.
    pub(super) fn unseen(names: Vec<String>, token: Fingerprint) -> Self {
        let file = |name| ChainFile { name, stamp: None, served: false };
        Self {
            files: names.into_iter().map(file).collect(),
            token: Some(token),
            endpoint: None,
            attempts: CHAIN_ATTEMPTS,
            again: None,
            announcement: None,
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.files.iter().map(|file| file.name.clone()).collect()
    }

    pub(super) fn file(&self, name: &str) -> Option<&ChainFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

impl Job {
    /// Whether the job sends a request whose first answer was lost.
    pub(crate) fn sends_again(&self) -> bool {
        matches!(self, Self::Refresh(Chain { again: Some(_), .. }))
    }

    /// The origin of the endpoint that gets the request, if known.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Refresh(chain) => chain.endpoint.as_deref(),
            Self::Repair { .. } => None,
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Refresh(chain) => chain.names(),
            Self::Repair { copy, .. } => vec![copy.clone()],
        }
    }
}

impl From<Reports> for Done {
    fn from(reports: Reports) -> Self {
        Self { reports, ..Self::default() }
    }
}

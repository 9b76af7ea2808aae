//! The contents of the status file: one JSON document with a version, keyed by file name. The program can always make
//! the file again, so an unreadable one counts as missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::credential::CredentialState;
use super::outage::Outage;
use crate::clock::Timestamp;
use crate::json::read_objects;
use crate::secret::Fingerprint;

/// The version of the format. A file of another version counts as missing.
pub(super) const VERSION: u32 = 1;

/// How long the record of a file outlives the file: a restored backup must still be recognised as an old copy.
const REMEMBER_GONE: Duration = Duration::from_hours(30 * 24);

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct StatusFile {
    /// [`VERSION`].
    pub version: u32,
    /// The daemon that wrote last, and its settings.
    #[serde(default)]
    pub daemon: Option<DaemonRecord>,
    /// The last cycle of any process. A file of its own holds the record; earlier versions wrote it here.
    #[serde(default, skip_serializing)]
    pub cycle: Option<CycleRecord>,
    /// The record of the `--on-refresh` command.
    #[serde(default)]
    pub hook: HookRecord,
    /// The record of the `--on-trouble` command.
    #[serde(default)]
    pub trouble_hook: HookRecord,
    /// Token endpoints in trouble, by scheme, host and port.
    #[serde(default)]
    pub endpoints: BTreeMap<String, Outage>,
    /// The record of each token file.
    #[serde(default, deserialize_with = "in_bulk")]
    pub files: BTreeMap<String, Arc<CredentialState>>,
    /// The record of each client's file, by the client's name, `=` and the file.
    #[serde(default)]
    pub clients: BTreeMap<String, ClientRecord>,
}

/// A running process and its settings, with lengths in seconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DaemonRecord {
    /// The process id.
    pub pid: u32,
    /// The time of the start.
    pub started: Timestamp,
    /// `--interval`
    pub interval: u64,
    /// `--buffer`
    pub buffer: u64,
    /// `--registry-url`
    pub registry_url: Option<String>,
    /// `--servers-dir`
    pub servers_dir: String,
    /// `--providers`, where the file exists.
    #[serde(default)]
    pub providers: Option<String>,
    /// Whether `AUTH_PROVIDER` is `keycloak`, so that the assistants' own machine token is the gateway's.
    #[serde(default)]
    pub keycloak: bool,
    /// Whether a single cycle of `--once` wrote this, where no daemon ran.
    #[serde(default)]
    pub once: bool,
    /// The key id of the key that seals, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_key: Option<Fingerprint>,
}

/// The entries in a client's file and the files for it. A later cycle can change and remove them.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct ClientRecord {
    /// The time of the last change.
    pub updated: Timestamp,
    /// The program's own entries: name and address.
    pub entries: BTreeMap<String, String>,
    /// The names of the token files that the entries refer to.
    #[serde(default)]
    pub side_files: BTreeSet<String>,
    /// The users' own members of entries that are gone, by entry and name, in JSON notation. The values hold no text.
    #[serde(default)]
    pub users_own: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct CycleRecord {
    /// The end of the cycle.
    pub ended: Timestamp,
    /// The number of token files.
    pub tokens: usize,
    /// The number of tokens that were due and are not fresh.
    pub failing: usize,
    /// How many token files there were before all of them vanished; 0 where a file is there.
    #[serde(default)]
    pub vanished: usize,
    /// Files other than token files that could not be written, each with the reason.
    #[serde(default)]
    pub unwritten: BTreeMap<String, String>,
    /// Token files for which no request can be made, each with the fact that lacks.
    #[serde(default)]
    pub unresolved: BTreeMap<String, String>,
    /// By the name of a file for shells beside a token file: the access token that both held.
    #[serde(default)]
    pub twins: BTreeMap<String, Fingerprint>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HookKind {
    /// `--on-refresh`, which is told of changed tokens.
    Refresh,
    /// `--on-trouble`, which is told of tokens that need a person.
    Trouble,
}

impl HookKind {
    /// The option that names the command.
    pub(crate) const fn option(self) -> &'static str {
        match self {
            Self::Refresh => "--on-refresh",
            Self::Trouble => "--on-trouble",
        }
    }
}

/// How soon a token needs a person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Urgency {
    /// Within a day.
    Soon,
    /// Now.
    Now,
}

/// The record of one of the user's commands.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HookRecord {
    /// The time of the last change. Of two records the newer one counts.
    pub updated: Timestamp,
    /// The files that the command has not been told of yet.
    pub waiting: BTreeSet<String>,
    /// The files that need a person, each with its urgency when a run was ordered. No second run is ordered for them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ordered: BTreeMap<String, Urgency>,
    /// Failures in a row.
    pub failures: u32,
    /// The time of the first of these failures.
    pub since: Timestamp,
    /// The message of the last failure.
    pub error: Option<String>,
    /// The time of the next attempt.
    pub next_attempt: Option<Timestamp>,
}

impl Default for StatusFile {
    fn default() -> Self {
        Self {
            version: VERSION,
            daemon: None,
            cycle: None,
            hook: HookRecord::default(),
            trouble_hook: HookRecord::default(),
            endpoints: BTreeMap::new(),
            files: BTreeMap::new(),
            clients: BTreeMap::new(),
        }
    }
}

/// Reads a map as a whole. One that grows entry by entry has half-empty nodes, and a search for each entry.
fn in_bulk<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Arc<CredentialState>>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, Arc<CredentialState>)>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("the records of token files by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    from.deserialize_map(Entries).map(packed)
}

/// The map of these entries, whose nodes are full.
pub(super) fn packed(entries: Vec<(String, Arc<CredentialState>)>) -> BTreeMap<String, Arc<CredentialState>> {
    entries.into_iter().collect()
}

impl StatusFile {
    /// Reads a document. A document of another version, or none, counts as empty.
    pub(super) fn parse(text: &str) -> Self {
        read_objects(text).ok().filter(|file: &Self| file.version == VERSION).unwrap_or_default()
    }

    /// Takes over the newer parts of `other`: per file and client the newer record, and the later cycle. A file's
    /// record keeps the replaced tokens of the older one.
    pub(super) fn merge(&mut self, other: Self) {
        if self.files.is_empty() {
            self.files = other.files;
        } else {
            for (name, state) in other.files {
                self.merge_state(name, state);
            }
        }
        for (name, record) in other.clients {
            if self.clients.get(&name).is_none_or(|ours| ours.updated < record.updated) {
                self.clients.insert(name, record);
            }
        }
        self.merge_cycle(other.cycle);
        if other.hook.updated > self.hook.updated {
            self.hook = other.hook;
        }
        if other.trouble_hook.updated > self.trouble_hook.updated {
            self.trouble_hook = other.trouble_hook;
        }
        if self.daemon.is_none() {
            self.daemon = other.daemon;
        }
    }

    /// Takes over the newer parts of another record of the file `name`.
    pub(super) fn merge_state(&mut self, name: String, mut state: Arc<CredentialState>) {
        match self.files.get_mut(&name) {
            Some(ours) if ours.updated >= state.updated => Arc::make_mut(ours).inherit(&state),
            Some(ours) => {
                Arc::make_mut(&mut state).inherit(ours);
                *ours = state;
            }
            None => drop(self.files.insert(name, state)),
        }
    }

    /// Takes over another cycle that ended later.
    pub(super) fn merge_cycle(&mut self, other: Option<CycleRecord>) {
        if other.as_ref().map(|cycle| cycle.ended) > self.cycle.as_ref().map(|cycle| cycle.ended) {
            self.cycle = other;
        }
    }

    /// Removes records of files that are gone for a month: the document must not grow without end. Returns whether
    /// there was one.
    pub(super) fn forget_gone(&mut self, present: &[String], now: Timestamp) -> bool {
        let is_kept = |(name, state): &(&String, &Arc<CredentialState>)| {
            present.binary_search(name).is_ok() || now.since(state.updated) < REMEMBER_GONE
        };
        let kept = self.files.iter().filter(is_kept).count();
        let any = kept < self.files.len();
        if any {
            let all = std::mem::take(&mut self.files).into_iter();
            self.files = packed(all.filter(|(name, state)| is_kept(&(name, state))).collect());
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(updated: i64) -> Arc<CredentialState> {
        Arc::new(CredentialState { updated: Timestamp::from_millis(updated), ..CredentialState::default() })
    }

    #[test]
    fn the_newer_record_of_each_file_wins() {
        let mut ours = StatusFile::default();
        ours.files.insert("a".to_owned(), at(5));
        ours.files.insert("b".to_owned(), at(5));
        let mut theirs = StatusFile::default();
        theirs.files.insert("a".to_owned(), at(9));
        theirs.files.insert("b".to_owned(), at(2));
        theirs.files.insert("c".to_owned(), at(1));
        ours.merge(theirs);
        let updated: Vec<i64> = ours.files.values().map(|state| state.updated.as_millis()).collect();
        assert_eq!(updated, [9, 5, 1]);
    }

    #[test]
    fn the_newer_record_of_each_client_wins() {
        let file = |clients: &[(&str, i64)]| StatusFile {
            clients: clients
                .iter()
                .map(|&(name, updated)| {
                    (
                        name.to_owned(),
                        ClientRecord { updated: Timestamp::from_millis(updated), ..ClientRecord::default() },
                    )
                })
                .collect(),
            ..StatusFile::default()
        };
        let mut ours = file(&[("a=/a", 5), ("b=/b", 5)]);
        ours.merge(file(&[("a=/a", 9), ("b=/b", 2), ("c=/c", 1)]));
        assert_eq!(ours, file(&[("a=/a", 9), ("b=/b", 5), ("c=/c", 1)]));
    }

    #[test]
    fn the_newer_word_about_the_hook_wins() {
        let of = |updated| StatusFile {
            hook: HookRecord {
                updated: Timestamp::from_millis(updated),
                failures: 1,
                ..HookRecord::default()
            },
            ..StatusFile::default()
        };
        let mut ours = of(5);
        ours.merge(of(4));
        assert_eq!(ours, of(5));
        ours.merge(of(6));
        assert_eq!(ours, of(6));
    }

    #[test]
    fn what_is_not_ours_counts_as_empty() {
        for text in ["", "[]", "{\"version\":99}", "{\"version\":1,\"files\":7}"] {
            assert_eq!(StatusFile::parse(text), StatusFile::default());
        }
    }

    #[test]
    fn a_file_that_is_gone_is_forgotten_after_a_month() {
        let now = Timestamp::from_millis(0) + REMEMBER_GONE * 2;
        let mut file = StatusFile::default();
        file.files.insert("here".to_owned(), at(0));
        file.files.insert("gone".to_owned(), at(0));
        file.files.insert("lately".to_owned(), at(now.as_millis() - 1000));
        file.forget_gone(&["here".to_owned()], now);
        assert_eq!(file.files.keys().collect::<Vec<_>>(), ["here", "lately"]);
    }
}

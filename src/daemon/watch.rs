//! Notices changes by the metadata of both directories, of `.env` and of the files that the cycles know. No file is
//! opened, but an `.env` that is just written. A sign-in that is written in place changes no directory.

use std::path::Path;

use crate::clock::Timestamp;
use crate::cycle::Cycles;
use crate::files::{Inode, LastRead, Stamp, read_order};
use crate::secret::Fingerprint;
use crate::settings::Settings;

/// The changes since the last look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Changed {
    Nothing,
    /// Token files or server files.
    Tokens,
    /// `.env`
    EnvFile,
}

/// The state of all watched files at one moment.
#[derive(Debug)]
pub(super) struct Watch {
    directories: [Option<Stamp>; 2],
    /// The state when the settings were last read, not at the last look. A cycle that begins for another reason must
    /// not hide a change of `.env`.
    env_file: Option<EnvFile>,
}

/// `.env` as the settings were read from it.
#[derive(Clone, Copy, Debug)]
struct EnvFile {
    read: LastRead,
    /// The contents; `None` where they cannot be read, or are other than those of the settings.
    text: Option<Fingerprint>,
}

impl Watch {
    /// The state of a process that has just read its settings, before the first look.
    pub(super) fn new(settings: &Settings) -> Self {
        let mut env_file = EnvFile::now(&settings.env_file);
        if settings.environment.is_outdated() {
            env_file = env_file.map(|file| EnvFile { text: None, ..file });
        }
        Self { directories: [None, None], env_file }
    }

    /// Takes the state of `.env` before it is read again.
    pub(super) fn env_file_is_read(&mut self, settings: &Settings) {
        self.env_file = EnvFile::now(&settings.env_file);
    }

    /// Takes the state of the directories before a cycle reads them.
    pub(super) fn before(&self, settings: &Settings) -> Self {
        Self { directories: directories(settings), env_file: self.env_file }
    }

    /// The state after a cycle that listed `names`. The cycle's own writes are no changes, but a name that appeared
    /// during the cycle is one.
    pub(super) fn after(mut self, settings: &Settings, names: &[String]) -> Self {
        let now = directories(settings);
        if now != self.directories && crate::cycle::listed_names(settings) == names {
            self.directories[0] = now[0];
        }
        self
    }

    /// The change since this state was taken.
    pub(super) fn changed(&self, settings: &Settings, cycles: &Cycles) -> Changed {
        let known = self.env_file.map(|file| file.read.found().stamp);
        let has_other_text = |file: EnvFile| file.read.is_young() && file.text != text(&settings.env_file);
        if Stamp::at(&settings.env_file) != known || self.env_file.is_some_and(has_other_text) {
            Changed::EnvFile
        } else if directories(settings) != self.directories || cycles.is_outdated() {
            Changed::Tokens
        } else {
            Changed::Nothing
        }
    }
}

impl EnvFile {
    /// The file at this moment. Where it is young, its contents are compared later: a program may write it, and write
    /// it again within one tick of the file system's clock.
    fn now(path: &Path) -> Option<Self> {
        let read = LastRead::new(Inode::at(path)?, Timestamp::now());
        Some(Self { read, text: read.is_young().then(|| text(path)).flatten() })
    }
}

fn text(path: &Path) -> Option<Fingerprint> {
    read_order(path).ok().map(|text| Fingerprint::of(text.as_bytes()))
}

fn directories(settings: &Settings) -> [Option<Stamp>; 2] {
    [Stamp::at(&settings.tokens_dir), Stamp::at(&settings.servers_dir)]
}

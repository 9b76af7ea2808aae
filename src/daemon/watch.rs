//! Notices changes by the metadata of both directories, of `.env` and of the files that the cycles know. No file is
//! opened. A sign-in that is written in place changes no directory.

use crate::cycle::Cycles;
use crate::files::Stamp;
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
    env_file: Option<Stamp>,
}

impl Watch {
    /// The state of a process that has just read its settings, before the first look.
    pub(super) fn new(settings: &Settings) -> Self {
        Self { directories: [None, None], env_file: Stamp::at(&settings.env_file) }
    }

    /// Takes the state of `.env` before it is read again.
    pub(super) fn env_file_is_read(&mut self, settings: &Settings) {
        self.env_file = Stamp::at(&settings.env_file);
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
        if Stamp::at(&settings.env_file) != self.env_file {
            Changed::EnvFile
        } else if directories(settings) != self.directories || cycles.is_outdated() {
            Changed::Tokens
        } else {
            Changed::Nothing
        }
    }
}

fn directories(settings: &Settings) -> [Option<Stamp>; 2] {
    [Stamp::at(&settings.tokens_dir), Stamp::at(&settings.servers_dir)]
}

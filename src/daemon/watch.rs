//! Noticing changes without opening anything: the metadata of the two directories, of `.env` and of
//! the files that the cycles know. A sign-in that is written in place changes no directory.

use crate::cycle::Cycles;
use crate::files::Stamp;
use crate::settings::Settings;

/// What has changed since the last look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Changed {
    /// Nothing.
    Nothing,
    /// Token files or server files.
    Tokens,
    /// `.env`
    EnvFile,
}

/// The state of everything that is watched at one moment.
#[derive(Debug)]
pub(super) struct Watch {
    directories: [Option<Stamp>; 2],
    /// As it was when the settings were last read, not at the last look: a cycle that begins for another
    /// reason must not hide that `.env` has changed.
    env_file: Option<Stamp>,
}

impl Watch {
    /// The state of a process whose settings have just been read, before its first look.
    pub(super) fn new(settings: &Settings) -> Self {
        Self { directories: [None, None], env_file: Stamp::at(&settings.env_file) }
    }

    /// Notes the state of `.env`, before it is read again.
    pub(super) fn env_file_is_read(&mut self, settings: &Settings) {
        self.env_file = Stamp::at(&settings.env_file);
    }

    /// Looks at the directories, before a cycle reads them.
    pub(super) fn before(&self, settings: &Settings) -> Self {
        Self { directories: directories(settings), env_file: self.env_file }
    }

    /// After a cycle that listed `names`: what the cycle itself wrote is no change, a name that appeared during it is
    /// one.
    pub(super) fn after(mut self, settings: &Settings, names: &[String]) -> Self {
        let now = directories(settings);
        if now != self.directories && crate::cycle::listed_names(settings) == names {
            self.directories[0] = now[0];
        }
        self
    }

    /// What is different now.
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

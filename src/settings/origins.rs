//! The source of each setting, for a log at DEBUG.

use super::Settings;
use super::sources::Origins;
use crate::cli::{Flag, Options, flag, flags_with_variable};

/// Options whose values are commands. A command may hold secrets, which no log may show.
const COMMANDS: [&Flag; 3] = [flag("on-refresh"), flag("on-trouble"), flag("key-command")];

impl Settings {
    /// A line for each option that has a value: `--interval: "180" (TOKEN_REFRESH_INTERVAL)`.
    pub(crate) fn origins(&self, options: &Options) -> Vec<String> {
        let sources = Origins { options, environment: &self.environment };
        let of = |flag: &'static Flag| {
            let (value, place) = sources.origin(flag)?;
            let hidden = COMMANDS.iter().any(|command| command.long == flag.long);
            let value = if hidden { "a command".to_owned() } else { value };
            Some(format!("--{}: {value} ({place})", flag.long))
        };
        flags_with_variable().filter_map(of).collect()
    }
}

//! The source of each setting, for a log at DEBUG.

use super::environment::Environment;
use super::sources::Origins;
use crate::cli::{Flag, Options, flag, flags_with_variable};

/// Options whose values are commands. A command may hold secrets, which no log may show.
const COMMANDS: [&Flag; 2] = [flag("on-refresh"), flag("on-trouble")];

/// A line for each option that has a value: `--interval: "180" (TOKEN_REFRESH_INTERVAL)`.
pub(super) fn origins(options: &Options, environment: &Environment) -> Vec<String> {
    let sources = Origins { options, environment };
    let of = |flag: &'static Flag| {
        let (value, place) = sources.origin(flag)?;
        let hidden = COMMANDS.iter().any(|command| command.long == flag.long);
        let value = if hidden { "a command".to_owned() } else { value };
        Some(format!("--{}: {value} ({place})", flag.long))
    };
    flags_with_variable().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{CommandLine, parse};

    #[test]
    fn each_setting_names_its_place_and_no_command_is_shown() {
        let line = ["--interval", "180", "--on-refresh", "curl -H hunter2"].map(Into::into);
        let Ok(CommandLine::Run(invocation)) = parse(line) else { panic!() };
        let environment = Environment::new([("LOG_LEVEL".into(), "DEBUG".into())]);
        let lines = origins(&invocation.options, &environment);
        for expected in [
            "--interval: \"180\" (the command line)",
            "--buffer: \"3600\" (the default)",
            "--log-level: \"DEBUG\" (LOG_LEVEL)",
            "--on-refresh: a command (the command line)",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected} is missing in {lines:?}");
        }
        assert!(!lines.iter().any(|line| line.contains("--metrics-file") || line.contains("hunter2")));
    }
}

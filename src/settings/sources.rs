//! The sources of a value, and the order in which they count.

use std::ffi::OsStr;

use crate::cli::{Flag, Options, shown};

use super::environment::{Environment, Variable};
use super::invalid::Invalid;
use super::values::Fault;

/// Turns a rule for text into a rule for the system's strings.
pub(super) fn text<T>(meaning: impl Fn(&str) -> Result<T, Fault>) -> impl Fn(&OsStr) -> Result<T, Fault> {
    move |value| value.to_str().ok_or(Fault::from("is not UTF-8")).and_then(&meaning)
}

/// The sources of values.
pub(super) struct Origins<'a> {
    pub options: &'a Options,
    pub environment: &'a Environment,
}

/// A value and its place. The place is put into words for an error alone.
#[derive(Clone)]
struct Given<'a> {
    value: &'a OsStr,
    flag: &'static Flag,
    place: ValuePlace,
}

/// The place of a value.
#[derive(Clone)]
enum ValuePlace {
    /// The command line.
    CommandLine,
    /// The variable of this name. The text before it is empty or names a line of a file: `/p/.env line 3: `.
    Variable(&'static str, String),
    /// The table of the flags.
    Default,
}

impl<'a> Origins<'a> {
    /// The value of a setting that has a default.
    pub(super) fn value<T>(
        &self,
        flag: &'static Flag,
        meaning: impl Fn(&OsStr) -> Result<T, Fault>,
    ) -> Result<T, Invalid> {
        self.optional(flag, meaning)?.ok_or_else(|| missing(flag))
    }

    /// The value of a setting that may be missing.
    pub(super) fn optional<T>(
        &self,
        flag: &'static Flag,
        meaning: impl Fn(&OsStr) -> Result<T, Fault>,
    ) -> Result<Option<T>, Invalid> {
        let given = self.first(flag);
        given.map(|given| meaning(given.value).map_err(|fault| given.fault(&fault))).transpose()
    }

    /// The values of a setting that may be repeated. Its variable lists them with commas.
    pub(super) fn list<T>(
        &self,
        flag: &'static Flag,
        meaning: impl Fn(&OsStr) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Invalid> {
        let given = self.each(flag);
        given.into_iter().map(|given| meaning(given.value).map_err(|fault| given.fault(&fault))).collect()
    }

    fn first(&self, flag: &'static Flag) -> Option<Given<'a>> {
        self.option(flag).next().or_else(|| self.variable(flag)).or_else(|| default(flag))
    }

    fn each(&self, flag: &'static Flag) -> Vec<Given<'a>> {
        let mut given: Vec<Given> = self.option(flag).collect();
        if given.is_empty() {
            given.extend(self.variable(flag).into_iter().flat_map(Given::split));
        }
        given
    }

    /// Whether an option or a variable names the value.
    pub(super) fn is_given(&self, flag: &'static Flag) -> bool {
        self.option(flag).next().is_some() || self.variable(flag).is_some()
    }

    /// The value that counts, as it may be shown, and the place of the value.
    pub(super) fn origin(&self, flag: &'static Flag) -> Option<(String, String)> {
        let line = self.option(flag).next().map(|given| (given.value, "the command line".to_owned()));
        let variable = || self.variable(flag).map(|given| (given.value, given.name()));
        let default = || default(flag).map(|given| (given.value, "the default".to_owned()));
        let (value, place) = line.or_else(variable).or_else(default)?;
        Some((shown(value), place))
    }

    fn option(&self, flag: &'static Flag) -> impl Iterator<Item = Given<'a>> + use<'a> {
        self.options.values(flag).map(move |value| Given { value, flag, place: ValuePlace::CommandLine })
    }

    fn variable(&self, flag: &'static Flag) -> Option<Given<'a>> {
        let variable = flag.variable?;
        let found = if flag.in_env_file {
            self.environment.find(variable)?
        } else {
            Variable { value: self.environment.of_process_only(variable)?, place: String::new() }
        };
        Some(Given { value: found.value, flag, place: ValuePlace::Variable(variable, found.place) })
    }
}

fn missing(flag: &'static Flag) -> Invalid {
    Invalid::whole(format!("--{}", flag.long), "must be given; see token-refresher --help")
}

fn default(flag: &'static Flag) -> Option<Given<'static>> {
    flag.default.map(|value| Given { value: OsStr::new(value), flag, place: ValuePlace::Default })
}

impl Given<'_> {
    /// `--interval`, `TOKEN_REFRESH_INTERVAL` or `/p/.env line 3: TOKEN_REFRESH_INTERVAL`.
    fn name(&self) -> String {
        match &self.place {
            ValuePlace::CommandLine | ValuePlace::Default => format!("--{}", self.flag.long),
            ValuePlace::Variable(variable, before) => format!("{before}{variable}"),
        }
    }

    /// The value to try instead, in the form of the place.
    fn example(&self) -> Option<String> {
        let example = self.flag.example?;
        match &self.place {
            ValuePlace::CommandLine => Some(format!("--{} {example}", self.flag.long)),
            ValuePlace::Variable(variable, _) => Some(format!("{variable}={example}")),
            ValuePlace::Default => None,
        }
    }

    fn fault(&self, fault: &str) -> Invalid {
        let remedy = self.example().map(|example| format!("; try {example}")).unwrap_or_default();
        Invalid { place: self.name(), value: Some(shown(self.value)), why: format!("{fault}{remedy}") }
    }

    /// The parts between commas. Empty parts are left out: a list may end with a comma.
    fn split(self) -> Vec<Self> {
        // A list that is not UTF-8 is left whole, and the rule for its values refuses it.
        let Some(text) = self.value.to_str() else { return vec![self] };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| Self { value: OsStr::new(part), ..self.clone() }).collect()
    }
}

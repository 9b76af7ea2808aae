//! The environment variables: those of the process, and below them those of `.env`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::is_pipe;
use crate::ordered;
use crate::secret::Secret;

use super::dotenv::{self, Assignment, Dotenv};
use super::invalid::Invalid;
use super::notices;

/// Two layers of variables. Nothing is ever written to the process's own environment: children would inherit secrets
/// from it. An empty variable counts as unset, since `NAME=${NAME:-}` in a compose file leaves an empty one.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    /// The variables by name. A map would cost each start more than the lookups that follow.
    ///
    /// Shared with the layers over other states of the file.
    process: Arc<Vec<(OsString, OsString)>>,
    file: BTreeMap<String, Assigned>,
    /// The file of the second layer, for messages.
    path: PathBuf,
}

#[derive(Clone, PartialEq, Eq)]
struct Assigned {
    line: usize,
    value: Secret,
}

pub(crate) struct Variable<'a> {
    /// Never empty.
    pub value: &'a OsStr,
    /// Goes before the variable's name in a message: `/srv/project/.env line 3: `, or nothing for the process's own.
    pub place: String,
}

impl Environment {
    /// The variables of the process alone.
    pub(crate) fn of_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// Takes these variables for those of the process.
    pub(crate) fn new(process: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut process: Vec<_> = process.into_iter().collect();
        ordered::sort(&mut process, |(one, _), (other, _)| one.cmp(other));
        Self { process: Arc::new(process), ..Self::default() }
    }

    /// Replaces `HOME` of the process, after root became another user: the old one is root's.
    pub(crate) fn set_home(&mut self, home: Option<&Path>) {
        let variables = Arc::make_mut(&mut self.process);
        variables.retain(|(name, _)| name != "HOME");
        if let Some(home) = home {
            let place = variables.partition_point(|(name, _)| name.as_os_str() < OsStr::new("HOME"));
            variables.insert(place, ("HOME".into(), home.into()));
        }
    }

    /// The value of `name` in the process's own environment, which no file of the project can set.
    pub(crate) fn of_process_only(&self, name: &str) -> Option<&OsStr> {
        let name = OsStr::new(name);
        // Of several variables with one name the last one counts.
        let end = self.process.partition_point(|(known, _)| known.as_os_str() <= name);
        let (known, value) = self.process[..end].last()?;
        (known == name && !value.is_empty()).then_some(value)
    }

    /// The process's own variables whose names are `wanted`, for a command.
    pub(crate) fn of_process_where(&self, wanted: impl Fn(&str) -> bool) -> Vec<(OsString, OsString)> {
        let is_wanted = |name: &OsString| name.to_str().is_some_and(&wanted);
        self.process.iter().filter(|(name, _)| is_wanted(name)).cloned().collect()
    }

    /// The process's own variables over the `.env` file at `path`, which replaces an earlier file. Returns the
    /// warnings about that file and about the names in both. See [`dotenv::read`] for `named`.
    pub(super) fn with_file(&self, path: &Path, named: bool) -> Result<(Self, Vec<String>), Invalid> {
        let Dotenv { assignments, mut warnings } = dotenv::read(path, named)?;
        let environment = self.over(path.to_owned(), assignments);
        let assigned = environment.file.iter().map(|(name, assigned)| (name.as_str(), assigned.line));
        warnings.extend(notices::of_file(path, assigned));
        warnings.extend(notices::of_process(self.process.iter().map(|(name, _)| name)));
        Ok((environment, warnings))
    }

    /// Whether the file has other assignments by now. A pipe gives its text only once, and never changes.
    pub(crate) fn is_outdated(&self) -> bool {
        let found = if is_pipe(&self.path) { None } else { dotenv::read(&self.path, false).ok() };
        found.is_some_and(|found| self.over(self.path.clone(), found.assignments).file != self.file)
    }

    /// The last of several assignments to a name counts.
    fn over(&self, path: PathBuf, assignments: Vec<Assignment>) -> Self {
        let assigned = |Assignment { line, name, value }| (name, Assigned { line, value });
        let file = ordered::map(assignments.into_iter().map(assigned));
        Self { process: Arc::clone(&self.process), file, path }
    }

    /// The value of `name` as text, for client credentials and for the rows of providers. A value that is not UTF-8
    /// counts as unset: no client id or secret is anything else. A `name` that no variable can have counts as unset
    /// too: rows make names from members of token files.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        self.find(name).filter(|_| is_name).and_then(|found| found.value.to_str()).map(str::to_owned)
    }

    /// The numbers up to `last` for which a variable of this name is set, `#` being the number. A hundred lookups for
    /// each token file would be most of what a cycle costs.
    pub(crate) fn numbered(&self, name: &str, last: u8) -> BTreeSet<u8> {
        let (before, after) = name.split_once('#').unwrap_or((name, ""));
        let number = |name: &str| {
            let digits = name.strip_prefix(before)?.strip_suffix(after)?;
            let number = digits.parse().ok()?;
            // 01 is another name than 1.
            (number <= last && !digits.starts_with(['0', '+'])).then_some(number)
        };
        let from = self.process.partition_point(|(name, _)| name.as_os_str() < OsStr::new(before));
        let process = self.process[from..].iter().map(|(name, _)| name.to_str().unwrap_or(before));
        let file = self.file.range(before.to_owned()..).map(|(name, _)| name.as_str());
        let begins = |name: &&str| name.starts_with(before);
        ordered::set(process.take_while(begins).chain(file.take_while(begins)).filter_map(number))
    }

    /// The value of `name` with its place, the process's own variables first.
    pub(crate) fn find(&self, name: &str) -> Option<Variable<'_>> {
        if let Some(value) = self.of_process_only(name) {
            return Some(Variable { value, place: String::new() });
        }
        let assigned = self.file.get(name).filter(|assigned| !assigned.value.expose().is_empty())?;
        let place = format!("{} line {}: ", self.path.display(), assigned.line);
        Some(Variable { value: OsStr::new(assigned.value.expose()), place })
    }
}

/// Prints the number of variables and not their values, which may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Environment({} of the process, {} of .env)", self.process.len(), self.file.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn environment(process: &[(&str, &str)], file: &[(&str, &str)]) -> Environment {
        let assignments = file.iter().enumerate().map(|(row, (name, value))| Assignment {
            line: row + 1,
            name: (*name).to_owned(),
            value: Secret::new(*value),
        });
        Environment::new(process.iter().map(|(name, value)| (name.into(), value.into())))
            .over(PathBuf::from("/p/.env"), assignments.collect())
    }

    #[test]
    fn numbered_variables_are_found_without_asking_for_each_number() {
        let process =
            [("ID_1", "a"), ("ID_100", "b"), ("ID_101", "c"), ("ID_02", "d"), ("ID_+3", "e"), ("ID_", "f")];
        let environment =
            environment(&process, &[("ID_2", "a"), ("ID_1", "b"), ("ID_1X", "c"), ("IE_3", "d")]);
        assert_eq!(environment.numbered("ID_#", 100).into_iter().collect::<Vec<_>>(), [1, 2, 100]);
        assert_eq!(environment.numbered("ID_#X", 100).into_iter().collect::<Vec<_>>(), [1]);
    }

    /// Rows of providers name variables, and bash exports functions under names that are no variable's.
    #[test]
    fn a_row_reads_no_variable_that_is_not_named_like_one() {
        let odd = ["BASH_FUNC_x%%", "a.b", "A-B", "A B", "Ä"];
        let environment = environment(&odd.map(|name| (name, "1")), &odd.map(|name| (name, "1")));
        assert_eq!(odd.map(|name| environment.get(name)), [const { None }; 5]);
    }

    #[test]
    fn a_variable_is_found_among_others() {
        let mut environment = environment(&[("B", "1"), ("HOME", "/root"), ("A", "2"), ("B", "3")], &[]);
        let found = |environment: &Environment, name| environment.get(name);
        assert_eq!(found(&environment, "A").as_deref(), Some("2"));
        assert_eq!(found(&environment, "B").as_deref(), Some("3"), "the last of two counts");
        for absent in ["", "AA", "C", "Z"] {
            assert_eq!(found(&environment, absent), None, "{absent}");
        }
        environment.set_home(Some(Path::new("/home/me")));
        assert_eq!(environment.of_process_only("HOME"), Some(OsStr::new("/home/me")));
        environment.set_home(None);
        assert_eq!(environment.of_process_only("HOME"), None);
        assert_eq!(found(&environment, "A").as_deref(), Some("2"));
    }

    #[test]
    fn the_process_wins_over_the_file_and_nothing_counts_as_unset() {
        for (process, file, expected) in [
            (vec![], vec![], None),
            (vec![("A", "1")], vec![], Some("1")),
            (vec![], vec![("A", "2")], Some("2")),
            (vec![("A", "1")], vec![("A", "2")], Some("1")),
            (vec![("A", "")], vec![("A", "2")], Some("2")),
            (vec![("A", "")], vec![("A", "")], None),
            (vec![], vec![("A", "2"), ("A", "3")], Some("3")),
            (vec![("a", "1")], vec![("AA", "2")], None),
        ] {
            assert_eq!(environment(&process, &file).get("A").as_deref(), expected, "{process:?} {file:?}");
        }
    }

    #[test]
    fn a_value_knows_its_place() {
        let environment = environment(&[("A", "1")], &[("A", "2"), ("B", "3")]);
        assert_eq!(environment.find("A").map(|found| found.place).as_deref(), Some(""));
        assert_eq!(environment.find("B").map(|found| found.place).as_deref(), Some("/p/.env line 2: "));
    }

    #[test]
    fn bytes_that_are_no_text_are_for_paths_only() {
        let bytes = OsString::from_vec(vec![b'/', 0xff]);
        let environment = Environment::new([("A".into(), bytes.clone())]);
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.find("A").map(|found| found.value), Some(bytes.as_os_str()));
    }

    #[test]
    fn debug_shows_no_value() {
        let text = format!("{:?}", environment(&[("A", "hunter2")], &[("B", "hunter3")]));
        assert!(!text.contains("hunter"), "{text}");
    }
}

//! Files that come with the program, for a person who has the program alone (`cargo install`): the manual of the files
//! and the systemd units. The units start the program from its present place.

use std::env;

/// The manual of token-refresher-files(5).
pub(super) fn manual() -> String {
    include_str!("../../../docs/token-refresher-files.5").to_owned()
}

/// The unit for the whole machine.
pub(super) fn unit() -> String {
    started(include_str!("../../../token-refresher.service"))
}

/// The unit of one user.
pub(super) fn user_unit() -> String {
    started(include_str!("../../../examples/token-refresher.user.service"))
}

/// The unit with this program's own path, where the path is known and needs no quotes.
fn started(unit: &str) -> String {
    let own = env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok());
    let fits =
        |path: &String| path.chars().all(|letter| letter.is_alphanumeric() || "/._-+".contains(letter));
    match own.filter(fits) {
        Some(path) => {
            unit.replace("ExecStart=/usr/local/bin/token-refresher ", &format!("ExecStart={path} "))
        }
        None => unit.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_starts_this_program() {
        let own = env::current_exe().unwrap();
        for unit in [unit(), user_unit()] {
            let line = format!("ExecStart={} --log-file", own.display());
            assert!(unit.lines().any(|found| found.starts_with(&line)), "{unit}");
        }
    }
}

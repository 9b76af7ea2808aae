//! The files for shells that other tools make beside token files: `agent-NAME.env` with `export ACCESS_TOKEN="..."`. A
//! shell that reads one must find the present token.
//!
//! Only a token that this program saw in both files is replaced. Another token is its owner's choice.

use std::collections::BTreeMap;

use log::Level;
use zeroize::Zeroizing;

use super::cycle_log::{CycleLog, Subject, Topic};
use super::scan::{Credential, TokenScan};
use crate::files::{Directory, read_private, reason, replace_text};
use crate::secret::{Fingerprint, Secret};
use crate::state::Store;
use crate::tokens::directory::{read_document, real};
use crate::tokens::spelled::file_in;

/// By the name of a file for shells: the access token of both files when they last agreed.
pub(super) type InStep = BTreeMap<String, Fingerprint>;

/// Updates every file for shells. `memory` has the records of earlier cycles.
pub(super) fn keep(tokens: &Directory, scan: &TokenScan, memory: &Store, log: &mut CycleLog) -> InStep {
    let before = memory.cycle().map(|cycle| cycle.twins).unwrap_or_default();
    let mut now = InStep::new();
    for (token, twin) in scan.tokens.iter().filter_map(|token| Some((token, token.twin.as_ref()?))) {
        match keep_one(tokens, token, twin, before.get(twin).copied(), log) {
            Ok(agreed) => now.extend(agreed.map(|agreed| (twin.clone(), agreed))),
            Err(why) => {
                log.problem(
                    twin,
                    Topic::Writing,
                    Level::Error,
                    &format!("cannot be kept in step: {why}"),
                    "",
                );
                now.extend(before.get(twin).map(|agreed| (twin.clone(), *agreed)));
            }
        }
    }
    now
}

/// Updates one file. Returns the token on which both files then agree, if any.
fn keep_one(
    tokens: &Directory,
    token: &Credential,
    twin: &str,
    before: Option<Fingerprint>,
    log: &mut CycleLog,
) -> Result<Option<Fingerprint>, String> {
    // Another line tells of a token file that cannot be read now.
    let Ok((document, _)) = read_document(&token.source.real) else { return Ok(before) };
    let Some(access) = document.access_token() else { return Ok(before) };
    let Some(file) = real(&file_in(tokens, twin)).map_err(|why| why.to_string())? else { return Ok(None) };
    let (text, _) = read_private(&file).map_err(|why| why.to_string())?;
    let known = [token.access_hash, before];
    let change = exchange(&text, &access, |present| known.contains(&Some(present)));
    if let Some(changed) = &change.text {
        if !access.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) {
            return Err("the new token holds a letter that a shell would take for its own".to_owned());
        }
        replace_text(&file, changed).map_err(|error| reason(&error))?;
        log.something_happened();
        log.say(Subject::Config, format!("{twin}: holds the new access token"));
    }
    Ok(change.agrees.then(|| access.fingerprint()))
}

/// The new text of a file for shells.
struct TwinText {
    /// Whether the new text holds the present token.
    agrees: bool,
    /// The text, where it differs from the old one.
    text: Option<Zeroizing<String>>,
}

/// Puts `access` in the place of each `ACCESS_TOKEN` that `is_ours`.
fn exchange(text: &str, access: &Secret, is_ours: impl Fn(Fingerprint) -> bool) -> TwinText {
    let current = access.fingerprint();
    // The buffer has room for every line, so that no copy is left behind.
    let lines = text.split_inclusive('\n').count();
    let mut changed = Zeroizing::new(String::with_capacity(text.len() + lines * access.expose().len()));
    let (mut agrees, mut differs) = (false, false);
    for line in text.split_inclusive('\n') {
        let found =
            value(line).map(|(before, value, after)| (before, Fingerprint::of(value.as_bytes()), after));
        match found {
            Some((before, present, after)) if present != current && is_ours(present) => {
                (agrees, differs) = (true, true);
                for part in [before, access.expose(), after] {
                    changed.push_str(part);
                }
            }
            found => {
                agrees |= found.is_some_and(|(_, present, _)| present == current);
                changed.push_str(line);
            }
        }
    }
    TwinText { agrees, text: differs.then_some(changed) }
}

/// The value of `ACCESS_TOKEN` in a line for shells, without its quotes, with the text before and after it.
fn value(line: &str) -> Option<(&str, &str, &str)> {
    let code = line.trim_start();
    let assignment = code.strip_prefix("export ").map_or(code, str::trim_start);
    let quoted = assignment.strip_prefix("ACCESS_TOKEN=")?;
    let quote = quoted.chars().next().filter(|letter| matches!(letter, '"' | '\''));
    let inside = &quoted[quote.map_or(0, char::len_utf8)..];
    let end = match quote {
        Some(quote) => inside.find(quote)?,
        None => inside.find(|letter: char| letter.is_whitespace() || letter == ';').unwrap_or(inside.len()),
    };
    let start = line.len() - inside.len();
    Some((&line[..start], &inside[..end], &inside[end..])).filter(|(_, value, _)| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_each_spelling_of_a_shell() {
        for (line, value_of) in [
            ("export ACCESS_TOKEN=\"old\"\n", Some("old")),
            ("export ACCESS_TOKEN='old'\r\n", Some("old")),
            ("  export  ACCESS_TOKEN=old # it\n", Some("old")),
            ("ACCESS_TOKEN=old; export ACCESS_TOKEN", Some("old")),
            ("export ACCESS_TOKEN=\n", None),
            ("export ACCESS_TOKEN=\"old\n", None),
            ("# export ACCESS_TOKEN=old\n", None),
            ("export MY_ACCESS_TOKEN=old\n", None),
            ("export REFRESH_TOKEN=old\n", None),
        ] {
            assert_eq!(value(line).map(|(_, value, _)| value), value_of, "{line:?}");
            let Some((before, inside, after)) = value(line) else { continue };
            assert_eq!(format!("{before}{inside}{after}"), line);
        }
    }

    #[test]
    fn only_our_own_old_token_is_replaced() {
        let new = Secret::new("new");
        let of = |text: &str| exchange(text, &new, |present| present == Fingerprint::of(b"old"));
        let done = of("# x\nexport ACCESS_TOKEN=\"old\"\nexport A=1\n");
        assert!(
            done.agrees && done.text.unwrap().as_str() == "# x\nexport ACCESS_TOKEN=\"new\"\nexport A=1\n"
        );
        let theirs = of("export ACCESS_TOKEN=theirs\n");
        assert!(!theirs.agrees && theirs.text.is_none());
        let same = of("export ACCESS_TOKEN=new\n");
        assert!(same.agrees && same.text.is_none());
    }
}

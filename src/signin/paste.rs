//! The address that a person pastes: the last address of the browser, which could not open the redirect.

use super::event::Event;
use super::redirect::{Expected, Verdict, judge};

/// Reads one line; `None` for a blank one. An address may be in quotes, and without the part before its query.
pub(super) fn read(line: &str, expected: &Expected) -> Option<Event> {
    let line = line.trim().trim_matches(['"', '\'', '<', '>']);
    if line.is_empty() {
        return None;
    }
    let address = line.split('#').next().unwrap_or_default();
    let query = match address.split_once('?') {
        Some((_, query)) => query,
        None if address.contains("://") || !address.contains('=') => {
            return Some(Event::NotAnAddress(
                "that is not the whole address: it has no ? with a code behind it",
            ));
        }
        None => address,
    };
    let names = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    if names("code_challenge") {
        let why = "that is the address to open; paste the one that the browser went to at the end";
        return Some(Event::NotAnAddress(why));
    }
    Some(match judge(query, expected) {
        Verdict::NoRedirect => Event::NotAnAddress("that address has no code in it"),
        verdict => Event::Redirect(verdict),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Secret;

    #[test]
    fn what_people_paste() {
        let expected = Expected { state: "st".to_owned(), issuer: None, iss_promised: false };
        let code = || Some(Event::Redirect(Verdict::Code(Secret::new("c"))));
        for (line, is) in [
            ("http://127.0.0.1:1/callback?code=c&state=st", Some(code())),
            ("  \"http://127.0.0.1:1/callback?code=c&state=st\"\r", Some(code())),
            ("http://127.0.0.1:1/callback?code=c&state=st#_=_", Some(code())),
            ("?code=c&state=st", Some(code())),
            ("code=c&state=st", Some(code())),
            (
                "http://127.0.0.1:1/callback?code=c&state=of-another",
                Some(Some(Event::Redirect(Verdict::OtherState))),
            ),
            (" \t", Some(None)),
            ("http://127.0.0.1:1/callback", None),
            ("c", None),
            ("https://idp.example/authorize?state=st&code_challenge=x", None),
            ("https://idp.example/?state=st", None),
        ] {
            let found = read(line, &expected);
            match is {
                Some(is) => assert_eq!(found, is, "{line}"),
                None => assert!(matches!(found, Some(Event::NotAnAddress(_))), "{line}: {found:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in any::<String>()) {
            read(&line, &Expected { state: "st".to_owned(), issuer: None, iss_promised: false });
        }
    }
}

//! Typed text in a form that errors may repeat.

use std::ffi::OsStr;

/// Typed text in an error: in quotes, on one line, cut at 80 letters. The password of a URL is left out, since errors
/// end up in logs.
pub(crate) fn shown(typed: &OsStr) -> String {
    let text = typed.to_string_lossy();
    let mut text = match text.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => {
            format!("{scheme}://...@{}", rest.rsplit('@').next().unwrap_or_default())
        }
        _ => text.into_owned(),
    };
    if let Some((end, _)) = text.char_indices().nth(80) {
        text.truncate(end);
        text.push_str("...");
    }
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_shown_safely() {
        for (typed, expected) in [
            ("abc", "\"abc\""),
            ("a\nb\u{1b}", "\"a\\nb\\u{1b}\""),
            ("https://me:hunter2@host/x", "\"https://...@host/x\""),
            ("https://me:hunt@er2@host", "\"https://...@host\""),
        ] {
            assert_eq!(shown(OsStr::new(typed)), expected);
        }
        assert_eq!(shown(OsStr::new(&"é".repeat(500))), format!("\"{}...\"", "é".repeat(80)));
    }
}

//! The members of an answer, whatever its encoding.
//!
//! JSON members are kept as text. A member that is not used is never decoded: its odd number or broken escape does not
//! cost a token. Of two members with one name the last counts, as in the parsers with which providers test.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::encode::form_decode;
use crate::ordered;

pub(super) enum ResponseBody<'a> {
    /// A JSON object.
    Json(BTreeMap<Cow<'a, str>, &'a RawValue>),
    /// Form-encoded pairs.
    Form(BTreeMap<String, String>),
}

/// One member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ResponseValue {
    Text(String),
    /// A number, in the spelling of the answer.
    Number(String),
    True,
    False,
    Null,
    /// An object, an array, or text that is not Unicode.
    Other,
}

impl<'a> ResponseBody<'a> {
    /// Reads a body. `None` where the body is neither a whole JSON object nor form-encoded. A form needs a fitting
    /// content type and a marked end.
    pub(super) fn read(body: &'a [u8], content_type: &str, end_is_marked: bool) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
        if text.starts_with('{') {
            return serde_json::from_str(text).ok().map(Self::Json);
        }
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // The older form of GitHub and Salesforce; golang/oauth2 accepts text/plain for it too.
        let is_form = matches!(media_type.as_str(), "application/x-www-form-urlencoded" | "text/plain" | "");
        // A form that is cut anywhere still reads well: only a marked end shows that it is whole.
        (is_form && end_is_marked && !text.is_empty()).then(|| Self::Form(pairs(text)))
    }

    /// The member at a dotted path.
    pub(super) fn find(&self, path: &str) -> Option<ResponseValue> {
        match self {
            Self::Json(members) => at_path(members, path).map(item),
            Self::Form(pairs) => pairs.get(path).cloned().map(ResponseValue::Text),
        }
    }

    /// The text at the first of the paths that holds some.
    pub(super) fn text<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Option<String> {
        paths.into_iter().find_map(|path| match self.find(path) {
            Some(ResponseValue::Text(text)) if !text.trim().is_empty() => Some(text),
            _ => None,
        })
    }

    /// The JSON text of a member of the outermost object.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        match self {
            Self::Json(members) => members.get(name).map(|raw| raw.get().to_owned()),
            Self::Form(pairs) => pairs.get(name).and_then(|text| serde_json::to_string(text).ok()),
        }
    }
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((form_decode(name)?, form_decode(value)?))
    };
    ordered::map(text.split('&').filter_map(pair))
}

fn at_path<'a>(members: &BTreeMap<Cow<'a, str>, &'a RawValue>, path: &str) -> Option<&'a RawValue> {
    // A dot always separates two names: no known provider has a name with a dot.
    match path.split_once('.') {
        None => members.get(path).copied(),
        Some((first, rest)) => {
            let inner: BTreeMap<Cow<'a, str>, &'a RawValue> =
                serde_json::from_str(members.get(first)?.get()).ok()?;
            at_path(&inner, rest)
        }
    }
}

fn item(raw: &RawValue) -> ResponseValue {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_or(ResponseValue::Other, ResponseValue::Text),
        Some(b't') => ResponseValue::True,
        Some(b'f') => ResponseValue::False,
        Some(b'n') => ResponseValue::Null,
        Some(b'-' | b'0'..=b'9') => ResponseValue::Number(text.to_owned()),
        _ => ResponseValue::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

    #[test]
    fn what_is_a_document() {
        for (body, content_type, marked, is_document) in [
            ("{}", "text/html", false, true),
            ("\u{feff} {\"a\": 1} \n", "application/json", false, true),
            ("{\"a\": \"b\"", "application/json", true, false),
            ("{\"a\": 1} x", "application/json", true, false),
            ("[]", "application/json", true, false),
            ("null", "application/json", true, false),
            ("", FORM, true, false),
            ("a=b", FORM, true, true),
            ("a=b", FORM, false, false),
            ("a=b", "text/plain", true, true),
            ("<html a=b>", "text/html", true, false),
            ("a=b", "application/json", true, false),
        ] {
            let read = ResponseBody::read(body.as_bytes(), content_type, marked);
            assert_eq!(read.is_some(), is_document, "{body} {content_type} {marked}");
        }
        assert!(ResponseBody::read(b"{\"a\": \"\xff\"}", "application/json", true).is_none());
    }

    #[test]
    fn members_of_every_kind() {
        let body = r#"{"t": "a\nb", "n": 1e400, "y": true, "f": false, "z": null, "o": {"i": {"d": "deep"}},
            "broken": "\ud800", "twice": "first", "twice": "last", "esc\u0061pe": "found"}"#;
        let document = ResponseBody::read(body.as_bytes(), "", true).unwrap();
        let text = |text: &str| Some(ResponseValue::Text(text.to_owned()));
        for (path, item) in [
            ("t", text("a\nb")),
            ("n", Some(ResponseValue::Number("1e400".to_owned()))),
            ("y", Some(ResponseValue::True)),
            ("f", Some(ResponseValue::False)),
            ("z", Some(ResponseValue::Null)),
            ("o", Some(ResponseValue::Other)),
            ("o.i.d", text("deep")),
            ("o.i.x", None),
            ("t.x", None),
            ("broken", Some(ResponseValue::Other)),
            ("twice", text("last")),
            ("escape", text("found")),
            ("", None),
        ] {
            assert_eq!(document.find(path), item, "{path}");
        }
        assert_eq!(document.raw("n").as_deref(), Some("1e400"));
        let form = ResponseBody::read(b"a=1+2&b=%22&c&a=%33", FORM, true).unwrap();
        assert_eq!((form.find("a"), form.find("c")), (text("3"), None));
        assert_eq!(form.raw("b").as_deref(), Some(r#""\"""#));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in any::<Vec<u8>>(), content_type in any::<String>(), marked in any::<bool>()) {
            if let Some(document) = ResponseBody::read(&body, &content_type, marked) {
                document.find("a.b");
            }
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = "[".repeat(200_000);
        assert!(ResponseBody::read(format!("{{\"a\":{deep}}}").as_bytes(), "", true).is_none());
        let body = format!("{{\"a\":{deep}{}}}", "]".repeat(200_000));
        assert_eq!(
            ResponseBody::read(body.as_bytes(), "", true).unwrap().find("a"),
            Some(ResponseValue::Other)
        );
    }
}

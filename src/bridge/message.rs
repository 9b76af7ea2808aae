//! The parts of a JSON-RPC message that decide its way. The bytes of the message stay as they are.
//!
//! Only the members at the top are read; all deeper ones are skipped. Of two members with one name the last one counts,
//! as for most readers.

use std::borrow::Cow;

use memchr::memchr2;
use serde_json::value::RawValue;

use crate::json::{as_text, each_member};

/// The id of a request, in the spelling of its sender.
#[derive(Clone, Debug)]
pub(super) struct Id(Box<str>);

impl Id {
    /// The id that this JSON text spells.
    pub(super) fn new(json: &str) -> Self {
        Self(json.into())
    }

    /// The JSON text of the id.
    pub(super) fn as_json(&self) -> &str {
        &self.0
    }

    fn of(value: &RawValue) -> Option<Self> {
        let text = value.get();
        let is_id = matches!(text.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9'));
        is_id.then(|| Self(text.into()))
    }

    /// The value of the id, since peers spell texts and large numbers anew.
    fn meaning(&self) -> Meaning<'_> {
        if let Some(text) = as_text(&self.0) {
            return Meaning::Text(text);
        }
        self.0.parse().map_or(Meaning::Other(&self.0), Meaning::Number)
    }
}

#[derive(PartialEq)]
enum Meaning<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Other(&'a str),
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.meaning() == other.meaning()
    }
}

/// A message.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// A message that needs an answer.
    Request(Request<'a>),
    /// A message that needs none.
    Notification(Notification<'a>),
    Answer(RpcAnswer<'a>),
    /// Several messages in an array.
    Batch(Vec<Message<'a>>),
}

#[derive(Debug)]
pub(super) struct Request<'a> {
    pub id: Id,
    pub method: Cow<'a, str>,
    pub params: Option<&'a RawValue>,
}

#[derive(Debug)]
pub(super) struct Notification<'a> {
    pub method: Cow<'a, str>,
    pub params: Option<&'a RawValue>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct RpcAnswer<'a> {
    /// The id of the request; `None` where the sender could not tell it.
    pub id: Option<Id>,
    pub result: Option<&'a RawValue>,
    /// Why there is no result.
    pub error: Option<&'a RawValue>,
}

/// Why a text is no message.
#[derive(Debug, PartialEq)]
pub(super) enum NotAMessage {
    /// The text is not JSON.
    Syntax,
    /// The text is JSON and no JSON-RPC message; with the id, if there is one.
    Invalid(Option<Id>),
}

/// Reads one message.
pub(super) fn read(bytes: &[u8]) -> Result<Message<'_>, NotAMessage> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotAMessage::Syntax)?;
    if text.trim_start().starts_with('[') {
        let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| NotAMessage::Syntax)?;
        if parts.is_empty() {
            return Err(NotAMessage::Invalid(None));
        }
        return parts.into_iter().map(|part| one(part.get())).collect::<Result<_, _>>().map(Message::Batch);
    }
    one(text)
}

fn one(text: &str) -> Result<Message<'_>, NotAMessage> {
    let (mut id, mut method, mut params, mut result, mut error) = (None, None, None, None, None);
    let parsed = each_member(text, |name, value| match name {
        "id" => id = Some(value),
        "method" => method = Some(value),
        "params" => params = Some(value),
        "result" => result = Some(value),
        "error" => error = Some(value),
        _ => {}
    });
    parsed.map_err(|error| match error.classify() {
        serde_json::error::Category::Data => NotAMessage::Invalid(None),
        _ => NotAMessage::Syntax,
    })?;
    let named_id = id.is_some_and(|id: &RawValue| id.get() != "null");
    let id = id.and_then(Id::of);
    match method.map(RawValue::get) {
        Some(method) => match (as_text(method), id, named_id) {
            (Some(method), Some(id), _) => Ok(Message::Request(Request { id, method, params })),
            (Some(method), None, false) => Ok(Message::Notification(Notification { method, params })),
            (_, id, _) => Err(NotAMessage::Invalid(id)),
        },
        None if result.is_some() || error.is_some() => Ok(Message::Answer(RpcAnswer { id, result, error })),
        None => Err(NotAMessage::Invalid(id)),
    }
}

/// The member of `value` with this name, for members below the top.
pub(super) fn member<'a>(value: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let mut last = None;
    each_member(value.get(), |key, value| {
        if key == name {
            last = Some(value);
        }
    })
    .ok()?;
    last
}

/// The text that a value spells, if it is one.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    as_text(value.get())
}

/// The number that a value spells, if it is a whole one.
pub(super) fn whole_number(value: &RawValue) -> Option<i64> {
    value.get().parse().ok()
}

/// Puts the message on one line: line ends between its members become blanks.
pub(super) fn on_one_line(message: &mut [u8]) {
    let mut rest = message;
    while let Some(at) = memchr2(b'\n', b'\r', rest) {
        rest[at] = b' ';
        rest = &mut rest[at + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The kind of a message, in a short form.
    fn kind(text: &str) -> String {
        match read(text.as_bytes()) {
            Ok(message) => shown(&message),
            Err(NotAMessage::Syntax) => "syntax".to_owned(),
            Err(NotAMessage::Invalid(id)) => format!("invalid {}", id.as_ref().map_or("-", Id::as_json)),
        }
    }

    fn shown(message: &Message<'_>) -> String {
        match message {
            Message::Request(request) => format!("request {} {}", request.id.as_json(), request.method),
            Message::Notification(notification) => format!("notification {}", notification.method),
            Message::Answer(answer) => {
                let outcome = if answer.error.is_some() { "error" } else { "result" };
                format!("{outcome} {}", answer.id.as_ref().map_or("-", Id::as_json))
            }
            Message::Batch(parts) => parts.iter().map(shown).collect::<Vec<_>>().join(", "),
        }
    }

    #[test]
    fn each_kind_of_message_is_told_from_the_others() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "request 1 ping"),
            (r#" {"method":"a\/b","id":"x\u0041"} "#, r#"request "x\u0041" a/b"#),
            (r#"{"method":"m","params":{"id":[[]]}}"#, "notification m"),
            (r#"{"method":"m","id":null}"#, "notification m"),
            (
                r#"{"id":12345678901234567890,"result":{},"extra":[1,{"a":1,"a":2}]}"#,
                "result 12345678901234567890",
            ),
            (r#"{"id":null,"error":{"code":1}}"#, "error -"),
            (r#"{"id":1,"id":2,"method":"m"}"#, "request 2 m"),
            (r#"[{"id":1,"method":"m"},{"method":"n"}]"#, "request 1 m, notification n"),
            ("[]", "invalid -"),
            ("[1]", "invalid -"),
            ("7", "invalid -"),
            ("{}", "invalid -"),
            (r#"{"id":4}"#, "invalid 4"),
            (r#"{"id":4,"method":7}"#, "invalid 4"),
            (r#"{"id":{},"method":"m"}"#, "invalid -"),
            (r#"{"id":1,"method":"m""#, "syntax"),
            (r#"{"id":1,"method":"m"} x"#, "syntax"),
            ("hello", "syntax"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
        assert_eq!(read(b"{\"method\":\"\xff\"}").unwrap_err(), NotAMessage::Syntax);
    }

    #[test]
    fn ids_are_the_same_when_they_mean_the_same() {
        let id = |text: &str| Id(text.into());
        assert_eq!(id("1"), id("1.0"));
        assert_eq!(id("\"A\""), id("\"\\u0041\""));
        assert_eq!(id("12345678901234567890"), id("12345678901234567000"), "as JavaScript writes it");
        for (one, other) in [("1", "\"1\""), ("1", "2"), ("\"a\"", "\"A\"")] {
            assert_ne!(id(one), id(other));
        }
    }

    #[test]
    fn a_hundred_thousand_levels_are_skipped_without_a_stack() {
        let text = format!("{{\"id\":1,\"result\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(kind(&text), "result 1");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\{\\}\\[\\]\":,\\\\a-z0-9 ]{0,60}|\\PC{0,40}") {
            let _ = read(text.as_bytes());
        }
    }
}

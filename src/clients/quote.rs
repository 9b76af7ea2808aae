//! Texts inside other texts: quoted strings and an object of headers.

use super::notation::Fixed;
use super::service::{Header, HeaderValue, Service};
use crate::json::{escape, quote};
use crate::secret::{Secret, SecretText};

/// Appends `value` in double quotes.
pub(super) fn push_quoted(text: &mut SecretText, value: &str) {
    quote(value, &mut |block| text.push(block));
}

/// Appends a header's value in double quotes.
pub(super) fn push_header_value(text: &mut SecretText, value: &HeaderValue) {
    quote_header_value(value, &mut |piece| text.push(piece.text()));
}

/// A piece of a quoted text.
#[derive(Clone, Copy)]
enum QuotedPiece<'a> {
    /// A text in which a text around it escapes quotes and backslashes.
    Text(&'a str),
    /// A token without a character that is ever escaped.
    Token(&'a str),
}

impl<'a> QuotedPiece<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Text(text) | Self::Token(text) => text,
        }
    }
}

fn quote_header_value(value: &HeaderValue, push: &mut dyn FnMut(QuotedPiece)) {
    push(QuotedPiece::Text("\""));
    match value {
        HeaderValue::Bearer(token) if token.is_b64token() => {
            push(QuotedPiece::Text("Bearer "));
            push(QuotedPiece::Token(token.expose()));
        }
        value => {
            value
                .parts()
                .into_iter()
                .for_each(|part| escape(part, &mut |block| push(QuotedPiece::Text(block))));
        }
    }
    push(QuotedPiece::Text("\""));
}

/// Appends a member's fixed value, which JSON, TOML and YAML write alike.
pub(super) fn push_fixed(text: &mut SecretText, fixed: Fixed) {
    match fixed {
        Fixed::Flag(value) => text.push(if value { "true" } else { "false" }),
        Fixed::Names(names) => push_words(text, names.iter().copied()),
    }
}

/// Appends a list of words on one line, which the three notations write alike.
pub(super) fn push_words<'a>(text: &mut SecretText, words: impl Iterator<Item = &'a str>) {
    text.push("[");
    for (index, word) in words.enumerate() {
        text.push(if index == 0 { "" } else { ", " });
        push_quoted(text, word);
    }
    text.push("]");
}

/// Appends names and values in quotes. `first` comes before the first name, `next` before each other name, and `joint`
/// before each value.
pub(super) fn push_pairs<'a>(
    text: &mut SecretText,
    pairs: impl Iterator<Item = (&'a str, Secret)>,
    [first, next, joint]: [&str; 3],
) {
    for (index, (name, value)) in pairs.enumerate() {
        text.push(if index == 0 { first } else { next });
        push_quoted(text, name);
        text.push(joint);
        push_quoted(text, value.expose());
    }
}

/// Appends headers as a JSON object in double quotes.
pub(super) fn push_quoted_headers(text: &mut SecretText, headers: &mut dyn Iterator<Item = Header>) {
    text.push("\"");
    headers_object(headers, &mut |piece| match piece {
        QuotedPiece::Text(part) => escape(part, &mut |block| text.push(block)),
        QuotedPiece::Token(token) => text.push(token),
    });
    text.push("\"");
}

/// Hands over headers as a JSON object on one line, piece by piece; `{}` for none. As in Python's `json.dumps`, a space
/// follows each colon and comma.
fn headers_object(headers: &mut dyn Iterator<Item = Header>, push: &mut dyn FnMut(QuotedPiece)) {
    push(QuotedPiece::Text("{"));
    for (index, header) in headers.enumerate() {
        push(QuotedPiece::Text(if index == 0 { "" } else { ", " }));
        quote(header.name, &mut |block| push(QuotedPiece::Text(block)));
        push(QuotedPiece::Text(": "));
        quote_header_value(&header.value, push);
    }
    push(QuotedPiece::Text("}"));
}

/// All headers of a request to the service as one JSON object, for `token-refresher headers SERVER`. claude-code's
/// `headersHelper` and codex's `http_headers_helper` read this object.
pub(crate) fn headers_json(service: &Service) -> Secret {
    let mut text = SecretText::default();
    headers_object(&mut service.headers(), &mut |piece| text.push(piece.text()));
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::McpTransport;

    #[test]
    fn headers_are_one_json_object() {
        let mut service = Service {
            name: "a".to_owned(),
            url: "https://gateway.example/a/mcp".to_owned(),
            transport: McpTransport::StreamableHttp,
            authorization: Some(Secret::new("tok\"en")),
            extra: vec![Header { name: "X-Client-Id", value: HeaderValue::Plain("id".into()) }],
            behind_gateway: true,
        };
        let json = r#"{"Authorization": "Bearer tok\"en", "X-Client-Id": "id"}"#;
        assert_eq!(headers_json(&service).expose(), json);
        (service.authorization, service.extra) = (None, Vec::new());
        assert_eq!(headers_json(&service).expose(), "{}");
    }
}

//! Percent-encoding, form bodies, JSON bodies and Basic credentials.
//!
//! A buffer in which a secret grows is reserved before the first byte: a buffer that grows leaves a copy behind that is
//! never wiped.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::json;
use crate::secret::Secret;

/// All characters but RFC 3986's unreserved ones. A blank is `%20` and not `+`: form decoders and plain
/// percent-decoders read it alike, and Basic credentials (RFC 6749 2.3.1) meet both kinds.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn percent_encode(text: &str) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(String::with_capacity(3 * text.len()));
    encoded.extend(utf8_percent_encode(text, RESERVED));
    encoded
}

/// The text of a form-encoded part. `+` is a blank, and a broken escape is kept. `None` where the result is not UTF-8.
pub(crate) fn form_decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

/// An `application/x-www-form-urlencoded` body.
pub(super) fn form(parameters: &[(&str, &str)]) -> Zeroizing<String> {
    let mut body = reserved(parameters, 3);
    for (index, (name, value)) in parameters.iter().enumerate() {
        if index > 0 {
            body.push('&');
        }
        body.extend(utf8_percent_encode(name, RESERVED));
        body.push('=');
        body.extend(utf8_percent_encode(value, RESERVED));
    }
    body
}

/// A JSON object of strings.
pub(super) fn json(parameters: &[(&str, &str)]) -> Zeroizing<String> {
    let mut body = reserved(parameters, 6);
    body.push('{');
    for (index, (name, value)) in parameters.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        json::quote(name, &mut |block| body.push_str(block));
        body.push(':');
        json::quote(value, &mut |block| body.push_str(block));
    }
    body.push('}');
    body
}

/// An empty buffer with room for all parameters. One byte may become `growth` bytes.
fn reserved(parameters: &[(&str, &str)], growth: usize) -> Zeroizing<String> {
    let bytes: usize = parameters.iter().map(|(name, value)| growth * (name.len() + value.len()) + 6).sum();
    Zeroizing::new(String::with_capacity(bytes + 2))
}

/// The value of an Authorization header. The parts are encoded already, or deliberately not.
pub(super) fn basic(user: &str, password: &str) -> Secret {
    let mut pair = Zeroizing::new(String::with_capacity(user.len() + password.len() + 1));
    for part in [user, ":", password] {
        pair.push_str(part);
    }
    let mut value = String::with_capacity(8 + pair.len().div_ceil(3) * 4);
    value.push_str("Basic ");
    STANDARD.encode_string(pair.as_bytes(), &mut value);
    Secret::new(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_unreserved_characters_stay() {
        for (text, encoded) in [
            ("abc-XYZ_0.9~", "abc-XYZ_0.9~"),
            ("a b", "a%20b"),
            ("a+b:c/d=e&f%", "a%2Bb%3Ac%2Fd%3De%26f%25"),
            ("ü", "%C3%BC"),
            ("", ""),
        ] {
            assert_eq!(*percent_encode(text), encoded);
        }
    }

    #[test]
    fn decoding_is_lenient() {
        for (text, decoded) in
            [("a+b%20c", "a b c"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%41%", "A%")]
        {
            assert_eq!(form_decode(text).as_deref(), Some(decoded), "{text}");
        }
        assert_eq!(form_decode("%ff"), None);
    }

    #[test]
    fn bodies() {
        let parameters = [("grant_type", "refresh_token"), ("refresh_token", "1//a b\"\\\n")];
        assert_eq!(*form(&parameters), "grant_type=refresh_token&refresh_token=1%2F%2Fa%20b%22%5C%0A");
        assert_eq!(
            *json(&parameters),
            r#"{"grant_type":"refresh_token","refresh_token":"1//a b\"\\\u000a"}"#
        );
        assert_eq!(*json(&[]), "{}");
    }

    #[test]
    fn basic_credentials() {
        // RFC 7617 section 2.
        assert_eq!(basic("Aladdin", "open sesame").expose(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    proptest! {
        #[test]
        fn encoded_text_decodes_to_itself(text in any::<String>()) {
            prop_assert_eq!(form_decode(&percent_encode(&text)), Some(text));
        }

        #[test]
        fn decoding_never_panics(text in any::<String>()) {
            form_decode(&text);
        }

        #[test]
        fn a_json_body_is_read_as_it_was_meant(name in any::<String>(), value in any::<String>()) {
            let body = json(&[(&name, &value)]);
            let read: std::collections::BTreeMap<String, String> = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(read, std::collections::BTreeMap::from([(name, value)]));
        }
    }
}

//! Percent-encoding, form bodies, JSON bodies and Basic credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::json;
use crate::secret::Secret;

/// Everything but RFC 3986's unreserved characters becomes `%XX`. A blank is `%20` and not `+`: that
/// is what form decoders and plain percent-decoders both read as a blank, and Basic credentials
/// (RFC 6749 2.3.1) meet both kinds.
pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 4);
    push_encoded(&mut encoded, text);
    encoded
}

fn push_encoded(encoded: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// The reverse, for form-encoded answers: `+` is a blank, a broken escape stands for itself.
/// `None` where the result is not UTF-8.
pub(super) fn form_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = || Some(hex(*bytes.get(at + 1)?)? << 4 | hex(*bytes.get(at + 2)?)?);
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                if let Some(value) = escape() {
                    decoded.push(value);
                    at += 2;
                } else {
                    decoded.push(b'%');
                }
            }
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// An `application/x-www-form-urlencoded` body.
pub(super) fn form(parameters: &[(&str, &str)]) -> Zeroizing<String> {
    let mut body = Zeroizing::new(String::new());
    for (name, value) in parameters {
        if !body.is_empty() {
            body.push('&');
        }
        push_encoded(&mut body, name);
        body.push('=');
        push_encoded(&mut body, value);
    }
    body
}

/// A JSON object of strings.
pub(super) fn json(parameters: &[(&str, &str)]) -> Zeroizing<String> {
    let mut body = Zeroizing::new(String::from("{"));
    for (name, value) in parameters {
        if body.len() > 1 {
            body.push(',');
        }
        json::quote(name, |block| body.push_str(block));
        body.push(':');
        json::quote(value, |block| body.push_str(block));
    }
    body.push('}');
    body
}

/// The value of an Authorization header. The parts are encoded already, or deliberately not.
pub(super) fn basic(user: &str, password: &str) -> Secret {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
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
            assert_eq!(percent_encode(text), encoded);
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

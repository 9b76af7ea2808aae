//! Texts inside other texts: quoted strings, a headers object, a shell command.

use zeroize::Zeroizing;

use super::service::{Header, Service};
use super::table::Fixed;
use crate::secret::Secret;

/// Appends `value` in double quotes, with the escapes that JSON, YAML and TOML share. Written here
/// rather than by `serde_json` so that no copy of a token is left in memory that nobody wipes.
pub(super) fn push_quoted(text: &mut String, value: &str) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            // Delete too: TOML wants it escaped.
            control if control.is_ascii_control() => {
                text.push_str("\\u00");
                for nibble in [control as u32 >> 4, control as u32 & 15] {
                    // cannot fail: a nibble is a hexadecimal digit
                    text.push(char::from_digit(nibble, 16).unwrap_or('0'));
                }
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

/// Appends a member's fixed value, which the three notations write alike.
pub(super) fn push_fixed(text: &mut String, fixed: Fixed) {
    match fixed {
        Fixed::Flag(value) => text.push_str(if value { "true" } else { "false" }),
        Fixed::Names(names) => {
            text.push('[');
            for (index, name) in names.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                push_quoted(text, name);
            }
            text.push(']');
        }
    }
}

/// Headers as a JSON object on one line, with a space after each colon and comma as Python's
/// `json.dumps` writes it; `{}` when there are none.
pub(super) fn headers_text(headers: impl Iterator<Item = Header>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::from("{"));
    for (index, header) in headers.enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        push_quoted(&mut text, header.name);
        text.push_str(": ");
        push_quoted(&mut text, header.value.to_text().expose());
    }
    text.push('}');
    text
}

/// What `token-refresher headers SERVER` prints: every header of a request to the service, as one
/// JSON object (claude-code's `headersHelper` and codex's `http_headers_helper` both read that).
pub(crate) fn headers_json(service: &Service) -> Secret {
    Secret::new(std::mem::take(&mut *headers_text(service.headers())))
}

/// A command for a POSIX shell that hands over `words` as they are.
pub(super) fn shell_command(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    quoted.join(" ")
}

fn shell_word(word: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(harmless) {
        word.to_owned()
    } else {
        // Nothing is special between single quotes but the single quote itself.
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::service::Value;
    use crate::servers::Transport;

    #[test]
    fn a_shell_gets_every_word_as_it_is() {
        let words = [
            "/opt/my tools/token-refresher",
            "it's",
            "",
            "a$HOME",
            "`id`",
            "x\"y\\z",
            "*",
            "~",
            "ü",
            "plain-1.2",
        ];
        let script = format!("for word in {}; do printf '%s\\n' \"$word\"; done", shell_command(&words));
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words.join("\n") + "\n");
        assert_eq!(
            shell_command(&["/usr/bin/x", "headers", "sre-gateway"]),
            "/usr/bin/x headers sre-gateway"
        );
    }

    #[test]
    fn headers_are_one_json_object() {
        let mut service = Service {
            name: "a".to_owned(),
            url: "https://gateway.example/a/mcp".to_owned(),
            transport: Transport::StreamableHttp,
            authorization: Some(Secret::new("tok\"en")),
            extra: vec![Header { name: "X-Client-Id", value: Value::Plain("id".to_owned()) }],
        };
        let json = r#"{"Authorization": "Bearer tok\"en", "X-Client-Id": "id"}"#;
        assert_eq!(headers_json(&service).expose(), json);
        (service.authorization, service.extra) = (None, Vec::new());
        assert_eq!(headers_json(&service).expose(), "{}");
    }
}

//! The challenge of a protected server: `WWW-Authenticate` of a 401 (RFC 9110 11.6.1, RFC 9728 5.1).
//!
//! A server may send several headers, and several challenges in one header. Only `Bearer` counts here.

/// The parameters of a Bearer challenge.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Challenge {
    /// The address of the protected resource's metadata.
    pub resource_metadata: Option<String>,
    /// The scopes that the request needs.
    pub scope: Option<String>,
}

/// The first Bearer challenge of these header values.
pub(crate) fn bearer<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Challenge> {
    headers.into_iter().find_map(|header| {
        let mut found = None;
        let mut rest = header;
        while let Some((piece, after)) = piece(rest) {
            rest = after;
            match piece {
                Piece::Scheme(_) if found.is_some() => break,
                Piece::Scheme(scheme) => {
                    found = scheme.eq_ignore_ascii_case("bearer").then(Challenge::default);
                }
                Piece::Parameter(name, value) => {
                    let Some(challenge) = found.as_mut() else { continue };
                    let value = Some(value).filter(|value| !value.trim().is_empty());
                    match name.to_ascii_lowercase().as_str() {
                        "resource_metadata" => challenge.resource_metadata = value,
                        "scope" => challenge.scope = value,
                        _ => {}
                    }
                }
            }
        }
        found
    })
}

/// A piece of a header value.
enum Piece<'a> {
    /// The name of a scheme, with which a challenge begins.
    Scheme(&'a str),
    /// A parameter of the present challenge.
    Parameter(&'a str, String),
}

/// The next piece of `text`, and the rest behind it.
fn piece(text: &str) -> Option<(Piece<'_>, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let end = text.find([' ', '\t', ',', '=']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if word.is_empty() {
        // A stray `=` belongs to no parameter.
        return text.strip_prefix('=').and_then(piece);
    }
    let Some(value) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else {
        return Some((Piece::Scheme(word), rest));
    };
    let value = value.trim_start_matches([' ', '\t']);
    let (value, rest) = if let Some(quoted) = value.strip_prefix('"') {
        unquoted(quoted)
    } else {
        let end = value.find([' ', '\t', ',']).unwrap_or(value.len());
        (value[..end].to_owned(), &value[end..])
    };
    Some((Piece::Parameter(word, value), rest))
}

/// The text of a quoted string, and the rest behind its closing quote.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(header: &str) -> Option<(Option<String>, Option<String>)> {
        bearer([header]).map(|challenge| (challenge.resource_metadata, challenge.scope))
    }

    #[test]
    fn the_bearer_challenge_is_found() {
        let found = |metadata: Option<&str>, scope: Option<&str>| {
            Some((metadata.map(str::to_owned), scope.map(str::to_owned)))
        };
        for (header, expected) in [
            ("Bearer", found(None, None)),
            ("bearer resource_metadata=\"https://a/m\"", found(Some("https://a/m"), None)),
            (
                "Bearer error=\"invalid_token\", resource_metadata = \"https://a/m\" , scope=\"read write\"",
                found(Some("https://a/m"), Some("read write")),
            ),
            ("Basic realm=\"x, Bearer scope=y\", Bearer scope=one", found(None, Some("one"))),
            ("Bearer scope=one, Basic scope=two", found(None, Some("one"))),
            ("Negotiate abc==, Bearer SCOPE=\"a\\\"b\"", found(None, Some("a\"b"))),
            ("Bearer scope=\"\"", found(None, None)),
            (
                "Bearer error=\"insufficient_scope\", xscope=\"no\", scope=\"files:write\"",
                found(None, Some("files:write")),
            ),
            ("Bearer error_description=\"the scope is small\"", found(None, None)),
            ("Basic realm=x", None),
            ("", None),
            ("Bearer scope=\"never closed", found(None, Some("never closed"))),
        ] {
            assert_eq!(of(header), expected, "{header}");
        }
        let two = ["Basic realm=x", "Bearer scope=a"];
        assert_eq!(bearer(two).unwrap().scope.as_deref(), Some("a"));
    }

    proptest! {
        #[test]
        fn no_header_panics(header in any::<String>()) {
            of(&header);
        }
    }
}

//! Chains: files that hold the same refresh token.
//!
//! Tools store one sign-in twice: the Python service keeps `oauth-PROVIDER-ID.json` beside `PROVIDER-egress.json`.
//! Refreshing both files would spend one rotating token twice, and a strict provider then revokes the sign-in. So all
//! files of a chain are refreshed as one.

use super::document::Document;
use crate::ordered;

/// Whether two documents describe access tokens that are not interchangeable: different scope, audience or resource. A
/// missing member contradicts nothing.
pub(crate) fn contradict(one: &Document, other: &Document) -> bool {
    let words = |document: &Document| {
        document.scope().map(|scope| {
            let mut words: Vec<String> = scope.split_whitespace().map(ToOwned::to_owned).collect();
            ordered::sort(&mut words, Ord::cmp);
            words
        })
    };
    differ(one.text("audience"), other.text("audience"))
        || differ(one.text("resource"), other.text("resource"))
        || differ(words(one), words(other))
}

/// The first member in which two documents of one chain name different places or clients to refresh at. One of the two
/// must be wrong, so nothing may be sent.
pub(crate) fn disagreement(one: &Document, other: &Document) -> Option<&'static str> {
    let same: [(&str, &[&str]); 3] = [
        ("token_endpoint", &["token_endpoint", "token_url", "token_uri"]),
        ("issuer", &["issuer"]),
        ("client_id", &["client_id"]),
    ];
    let first = |document: &Document, names: &[&str]| names.iter().find_map(|name| document.text(name));
    same.into_iter()
        .find(|(_, names)| differ(first(one, names), first(other, names)))
        .map(|(member, _)| member)
}

fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(members: &str) -> Document {
        Document::parse(&format!(r#"{{"refresh_token":"r"{members}}}"#)).ok().unwrap()
    }

    #[test]
    fn a_missing_member_contradicts_nothing() {
        for (one, other, expected) in [
            ("", "", false),
            (r#","scope":"a b""#, "", false),
            (r#","scope":"a b""#, r#","scopes":["b","a"]"#, false),
            (r#","scope":"a""#, r#","scope":"b""#, true),
            (r#","audience":"x""#, r#","audience":"y""#, true),
            (r#","resource":"x""#, r#","resource":"x""#, false),
        ] {
            assert_eq!(contradict(&document(one), &document(other)), expected, "{one} {other}");
        }
    }

    #[test]
    fn different_endpoints_or_clients_are_named() {
        let one = document(r#","token_url":"https://a.example/t","client_id":"c""#);
        assert_eq!(
            disagreement(&one, &document(r#","token_endpoint":"https://b.example/t""#)),
            Some("token_endpoint")
        );
        assert_eq!(disagreement(&one, &document(r#","client_id":"d""#)), Some("client_id"));
        assert_eq!(disagreement(&one, &document("")), None);
    }
}

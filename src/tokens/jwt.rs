//! The claims of an access token that is a JWT.
//!
//! The claims are read and not verified: this program is not the audience (RFC 9068). A claim is a hint for a file that
//! lacks the member.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::ordered;

/// The `exp` claim (RFC 7519 4.1.4, may be fractional) of `token`. `None` when the token is no JWT or has no `exp`
/// after 1970.
pub(crate) fn expiry(token: &str) -> Option<Timestamp> {
    let exp = claims(token)?.get("exp")?.as_f64()?;
    Timestamp::from_number(exp).map(|(at, _)| at)
}

/// The claims that say who issued the token, to which client, and whether to an application.
const ORIGIN: [&str; 8] = ["iss", "tid", "appid", "azp", "cid", "sub", "gty", "idtyp"];

/// The text claims about the token's origin.
pub(crate) fn origin(token: &str) -> BTreeMap<&'static str, String> {
    let claims = claims(token).unwrap_or_default();
    ordered::map(ORIGIN.into_iter().filter_map(|name| Some((name, claims.get(name)?.as_str()?.to_owned()))))
}

fn claims(token: &str) -> Option<BTreeMap<String, Value>> {
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn exp_is_read_where_it_is_a_time() {
        assert_eq!(expiry(&jwt(r#"{"exp":1767225600}"#)), Some(Timestamp::from_seconds(1_767_225_600)));
        assert_eq!(expiry(&jwt(r#"{"exp":1767225600.5}"#)), Some(Timestamp::from_millis(1_767_225_600_500)));
        for payload in ["{}", r#"{"exp":"soon"}"#, r#"{"exp":-5}"#, r#"{"exp":1e300}"#, "not json"] {
            assert_eq!(expiry(&jwt(payload)), None, "{payload}");
        }
        assert!(origin(&jwt(r#"{"iss":7,"sub":null}"#)).is_empty() && origin("opaque").is_empty());
        let claims = origin(&jwt(r#"{"iss":"https://i","tid":"t","aud":["x"],"scp":"y"}"#));
        assert_eq!(
            claims.into_iter().collect::<Vec<_>>(),
            [("iss", "https://i".to_owned()), ("tid", "t".to_owned())]
        );
        assert_eq!(expiry("opaque"), None);
        assert_eq!(expiry("a.%%%.c"), None);
    }
}

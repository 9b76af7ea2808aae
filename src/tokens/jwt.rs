//! The expiry inside an access token that is a JWT.
//!
//! Read, not verified: we are not the audience (RFC 9068), and the claim is only a hint for tokens
//! whose file and endpoint say nothing about their lifetime.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::clock::Timestamp;
use crate::secret::Secret;

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// The `exp` claim (RFC 7519 4.1.4, may be fractional) of `token`; `None` when it is no JWT or has
/// none that is a time after 1970.
pub(crate) fn expiry(token: &Secret) -> Option<Timestamp> {
    let mut parts = token.expose().split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let Claims { exp } = serde_json::from_slice(&payload).ok()?;
    Timestamp::from_number(exp).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> Secret {
        Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)))
    }

    #[test]
    fn exp_is_read_where_it_is_a_time() {
        assert_eq!(expiry(&jwt(r#"{"exp":1767225600}"#)), Some(Timestamp::from_seconds(1_767_225_600)));
        assert_eq!(expiry(&jwt(r#"{"exp":1767225600.5}"#)), Some(Timestamp::from_millis(1_767_225_600_500)));
        for payload in ["{}", r#"{"exp":"soon"}"#, r#"{"exp":-5}"#, r#"{"exp":1e300}"#, "not json"] {
            assert_eq!(expiry(&jwt(payload)), None, "{payload}");
        }
        assert_eq!(expiry(&Secret::new("opaque")), None);
        assert_eq!(expiry(&Secret::new("a.%%%.c")), None);
    }
}

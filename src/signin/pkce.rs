//! The random values of a sign-in: the proof key of a code (RFC 7636, S256), the `state`, a port.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The verifier that redeems a code, and its challenge for the authorization request.
pub(super) struct Pkce {
    /// Sent with the code only.
    pub verifier: Secret,
    /// SHA-256 of the verifier, as base64url.
    pub challenge: String,
}

impl Pkce {
    /// A new verifier of 256 random bits.
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self::of(random()?))
    }

    fn of(verifier: Secret) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()));
        Self { verifier, challenge }
    }
}

/// A `state` that no other sign-in has.
pub(super) fn state() -> Result<String, String> {
    random().map(|secret| secret.expose().to_owned())
}

/// 256 random bits as base64url text of 43 characters.
fn random() -> Result<Secret, String> {
    bytes::<32>().map(|bytes| Secret::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

fn bytes<const COUNT: usize>() -> Result<Zeroizing<[u8; COUNT]>, String> {
    let mut bytes = Zeroizing::new([0_u8; COUNT]);
    SystemRandom::new().fill(&mut *bytes).map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(bytes)
}

/// A random port for a redirect address at which no program listens. The browser must not deliver the code to another
/// program. So the port is from the dynamic range (49152 to 65535, RFC 6335), which servers do not use.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn some_port() -> Result<u16, String> {
    bytes().map(|bytes| 49_152 + u16::from_be_bytes(*bytes) % 16_384)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_the_one_of_the_specification() {
        // RFC 7636 appendix B.
        let pkce = Pkce::of(Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn two_sign_ins_share_nothing() {
        let (one, other) = (Pkce::new().unwrap(), Pkce::new().unwrap());
        assert_ne!(one.verifier, other.verifier);
        assert_eq!(one.verifier.expose().len(), 43);
        assert_ne!(state().unwrap(), state().unwrap());
    }
}

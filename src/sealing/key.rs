//! The keys that seal: read from a file or a command's output, made anew, and found by their number.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::secret::{Fingerprint, Secret};

/// The length of a key, in bytes.
const LENGTH: usize = 32;

/// A key that seals and opens. The expanded key lies in memory of `ring`, which does not wipe it.
pub(crate) struct SealingKey {
    pub(super) aead: LessSafeKey,
    kid: Fingerprint,
}

/// Why a text is no key. No variant tells anything of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadKey {
    /// An empty text.
    Empty,
    /// Neither base64url nor a JWK.
    NoKey,
    /// Base64url of another length than 32 bytes.
    Length,
    /// A JWK that is no symmetric key, or one for another algorithm.
    WrongJwk,
    /// The system gives no randomness.
    NoRandomness,
}

impl fmt::Display for BadKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Empty => "it is empty",
            Self::NoKey => {
                "it holds neither 32 bytes as base64url nor a JWK; token-refresher keygen makes a key"
            }
            Self::Length => "it does not hold 32 bytes (43 letters of base64url)",
            Self::WrongJwk => "it is not a JWK with kty oct for A256GCM",
            Self::NoRandomness => "the system gives no randomness for a key",
        })
    }
}

/// A JSON Web Key (RFC 7517). The key's text is borrowed, so that no copy of the key is left in memory.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    k: &'a str,
    #[serde(default)]
    alg: Option<&'a str>,
    #[serde(default, rename = "use")]
    purpose: Option<&'a str>,
}

impl SealingKey {
    /// Reads a key: 32 bytes as base64url, or a JWK. White space around the key is ignored.
    pub(crate) fn parse(text: &str) -> Result<Self, BadKey> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(BadKey::Empty);
        }
        if !text.starts_with('{') {
            return Self::decode(text);
        }
        let jwk: Jwk<'_> = serde_json::from_str(text).map_err(|_| BadKey::WrongJwk)?;
        let fits = jwk.kty == "oct"
            && jwk.alg.is_none_or(|alg| matches!(alg, "dir" | "A256GCM"))
            && jwk.purpose.is_none_or(|purpose| purpose == "enc");
        if fits { Self::decode(jwk.k) } else { Err(BadKey::WrongJwk) }
    }

    fn decode(text: &str) -> Result<Self, BadKey> {
        let text = text.trim_end_matches('=');
        let is_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !text.bytes().all(is_alphabet) {
            return Err(BadKey::NoKey);
        }
        // Room for a little more than a key: a longer text is refused by the decoder.
        let mut bytes = Zeroizing::new([0; LENGTH + 16]);
        match URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()) {
            Ok(LENGTH) => Self::of(&bytes[..LENGTH]),
            _ => Err(BadKey::Length),
        }
    }

    fn of(bytes: &[u8]) -> Result<Self, BadKey> {
        let unbound = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| BadKey::Length)?;
        Ok(Self { aead: LessSafeKey::new(unbound), kid: Fingerprint::of(bytes) })
    }

    /// A new key, and the text by which [`Self::parse`] reads it.
    pub(crate) fn generate() -> Result<(Self, Secret), BadKey> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| BadKey::NoRandomness)?;
        let mut text = String::with_capacity(44);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        Ok((Self::of(bytes.as_slice())?, Secret::new(text)))
    }

    /// The number of the key: the head of its SHA-256.
    pub(crate) const fn kid(&self) -> Fingerprint {
        self.kid
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SealingKey({})", self.kid)
    }
}

/// The keys of a process. The first key seals; every key opens the texts that it sealed.
#[derive(Clone, Default, Debug)]
pub(crate) struct Keyring(Vec<Arc<SealingKey>>);

impl Keyring {
    /// Adds a key behind the others. A known key keeps its place.
    pub(crate) fn add(&mut self, key: Arc<SealingKey>) {
        if self.find(key.kid).is_none() {
            self.0.push(key);
        }
    }

    /// The key that seals; `None` where nothing is sealed.
    pub(crate) fn first(&self) -> Option<&Arc<SealingKey>> {
        self.0.first()
    }

    /// The key with this number.
    pub(super) fn find(&self, kid: Fingerprint) -> Option<&Arc<SealingKey>> {
        self.0.iter().find(|key| key.kid == kid)
    }
}

#[cfg(test)]
pub(super) fn test_key(fill: u8) -> SealingKey {
    SealingKey::of(&[fill; LENGTH]).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_as_base64url_or_in_a_jwk() {
        let key = "A".repeat(43);
        // printf '%032d' 0 | tr 0 '\0' | sha256sum
        let kid = "66687aadf862bd77";
        for text in [
            key.clone(),
            format!("  {key}\n"),
            format!("{key}="),
            format!("\u{feff}{key}"),
            format!(r#"{{"kty":"oct","k":"{key}"}}"#),
            format!(r#"{{"kid":"x","alg":"A256GCM","use":"enc","k":"{key}","kty":"oct","ext":true}}"#),
            format!("{{\n \"kty\": \"oct\", \"alg\": \"dir\", \"k\": \"{key}\"\n}}\n"),
        ] {
            assert_eq!(SealingKey::parse(&text).unwrap().kid().to_string(), kid, "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_key_and_is_not_repeated() {
        let key = "A".repeat(43);
        for (text, expected) in [
            (String::new(), BadKey::Empty),
            (" \n".to_owned(), BadKey::Empty),
            ("A".repeat(42), BadKey::Length),
            ("A".repeat(44), BadKey::Length),
            ("A".repeat(200), BadKey::Length),
            // The last letter has two bits too many.
            (format!("{}B", "A".repeat(42)), BadKey::Length),
            (format!("{}+", "A".repeat(42)), BadKey::NoKey),
            (format!("{key} {key}"), BadKey::NoKey),
            ("-----BEGIN PRIVATE KEY-----".to_owned(), BadKey::NoKey),
            (format!(r#"{{"kty":"RSA","k":"{key}"}}"#), BadKey::WrongJwk),
            (format!(r#"{{"kty":"oct","alg":"HS256","k":"{key}"}}"#), BadKey::WrongJwk),
            (format!(r#"{{"kty":"oct","use":"sig","k":"{key}"}}"#), BadKey::WrongJwk),
            (r#"{"kty":"oct"}"#.to_owned(), BadKey::WrongJwk),
            (r#"{"kty":"oct","k":"AAAA"}"#.to_owned(), BadKey::Length),
            ("{".to_owned(), BadKey::WrongJwk),
        ] {
            assert_eq!(SealingKey::parse(&text).map(|key| key.kid()), Err(expected), "{text}");
            assert!(!expected.to_string().contains("AAAA"));
        }
    }

    #[test]
    fn a_new_key_is_read_back_and_is_another_each_time() {
        let (one, text) = SealingKey::generate().unwrap();
        let (other, _) = SealingKey::generate().unwrap();
        assert_eq!(text.expose().len(), 43);
        assert_eq!(SealingKey::parse(text.expose()).unwrap().kid(), one.kid());
        assert_ne!(one.kid(), other.kid());
    }

    #[test]
    fn the_first_key_seals_and_no_key_is_there_twice() {
        let mut keys = Keyring::default();
        assert!(keys.first().is_none());
        for fill in [1, 2, 1] {
            keys.add(Arc::new(test_key(fill)));
        }
        assert_eq!(keys.0.len(), 2);
        assert_eq!(keys.first().map(|key| key.kid()), Some(test_key(1).kid()));
        assert!(keys.find(test_key(2).kid()).is_some() && keys.find(test_key(3).kid()).is_none());
    }
}

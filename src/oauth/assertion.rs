//! Client assertions: `private_key_jwt` (RFC 7523).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use ureq::tls::PrivateKey;

use super::request::SigningKey;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// How long an assertion is valid. Five minutes allow for a clock that is minutes off. Every provider accepts them:
/// Okta an hour, Entra ten minutes.
const LIFETIME_SECONDS: i64 = 300;

/// Why no assertion can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoAssertion {
    /// The key is no PEM file, or an encrypted one.
    NoPem,
    /// The key is of a kind that this program does not sign with.
    NoKey,
    /// The key cannot sign.
    NotSigned,
    /// The system has no random numbers.
    NoRandom,
}

impl fmt::Display for NoAssertion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoPem => "the private key is not an unencrypted PEM file",
            Self::NoKey => {
                "the private key is neither RSA of 2048 bits or more nor P-256, or not in PKCS#8 \
                 (openssl pkcs8 -topk8 -nocrypt converts)"
            }
            Self::NotSigned => "the private key cannot sign",
            Self::NoRandom => "the system has no random numbers",
        })
    }
}

enum SigningKeyPair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

/// A signed assertion for one request; its id is never used again (RFC 7523 3).
pub(super) fn assertion(
    key: &SigningKey,
    client_id: &str,
    token_endpoint: &str,
    now: Timestamp,
) -> Result<Secret, NoAssertion> {
    let random = SystemRandom::new();
    let mut id = [0; 16];
    random.fill(&mut id).map_err(|_| NoAssertion::NoRandom)?;
    let pair = parse(key.pem.expose(), &random)?;
    let algorithm = match pair {
        SigningKeyPair::Rsa(_) => "RS256",
        SigningKeyPair::Ecdsa(_) => "ES256",
    };
    let mut header = serde_json::json!({"alg": algorithm, "typ": "JWT"});
    if let Some(id) = &key.id {
        header["kid"] = id.as_str().into();
    }
    let claims = serde_json::json!({
        "iss": client_id,
        "sub": client_id,
        "aud": token_endpoint,
        "jti": URL_SAFE_NO_PAD.encode(id),
        "iat": now.as_seconds(),
        "exp": now.as_seconds() + LIFETIME_SECONDS,
    });
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let failed = |_| NoAssertion::NotSigned;
    let signature = match pair {
        SigningKeyPair::Rsa(pair) => {
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).map_err(failed)?;
            signature
        }
        SigningKeyPair::Ecdsa(pair) => {
            pair.sign(&random, signed.as_bytes()).map_err(failed)?.as_ref().to_vec()
        }
    };
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// Reads the key of either kind. PKCS#8 names the kind of its key, and PKCS#1 is always RSA. So the first form that can
/// be read is the right one.
fn parse(pem: &str, random: &SystemRandom) -> Result<SigningKeyPair, NoAssertion> {
    let key = PrivateKey::from_pem(pem.as_bytes()).map_err(|_| NoAssertion::NoPem)?;
    let der = key.der();
    if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, random) {
        return Ok(SigningKeyPair::Ecdsa(pair));
    }
    let rsa = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
    rsa.map(SigningKeyPair::Rsa).map_err(|_| NoAssertion::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    // One key in both forms, made for this test.
    const PKCS8: &str = include_str!("fixtures/rsa-pkcs8.pem");
    const PKCS1: &str = include_str!("fixtures/rsa-pkcs1.pem");
    const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);

    fn signed(pem: &str) -> Result<String, NoAssertion> {
        let key = SigningKey { pem: Secret::new(pem), id: Some("key-1".to_owned()) };
        assertion(&key, "the client", "https://idp.example/t", NOW).map(|signed| signed.expose().to_owned())
    }

    fn parts(assertion: &str) -> (Value, Value, &str, Vec<u8>) {
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let json = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        (json(header), json(claims), signed, URL_SAFE_NO_PAD.decode(signature).unwrap())
    }

    #[test]
    fn an_rsa_key_signs_the_claims() {
        let Ok(SigningKeyPair::Rsa(pair)) = parse(PKCS8, &SystemRandom::new()) else { panic!() };
        let mut ids = Vec::new();
        for pem in [PKCS8, PKCS1] {
            let assertion = signed(pem).unwrap();
            let (header, claims, text, signature) = parts(&assertion);
            assert_eq!(header, serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
            assert_eq!((&claims["iss"], &claims["sub"]), (&"the client".into(), &"the client".into()));
            assert_eq!(claims["aud"], "https://idp.example/t");
            assert_eq!(claims["iat"], 1_767_225_600);
            assert_eq!(claims["exp"], 1_767_225_900);
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public());
            public.verify(text.as_bytes(), &signature).unwrap();
            ids.push(claims["jti"].as_str().unwrap().to_owned());
        }
        assert!(ids[0] != ids[1] && ids[0].len() == 22, "an id is used once");
    }

    #[test]
    fn a_p256_key_signs() {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let base64 = base64::engine::general_purpose::STANDARD.encode(&der);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
        let assertion = signed(&pem).unwrap();
        let (header, _, text, signature) = parts(&assertion);
        assert_eq!(header["alg"], "ES256");
        let Ok(SigningKeyPair::Ecdsa(pair)) = parse(&pem, &random) else { panic!() };
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key());
        public.verify(text.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn an_unusable_key_is_said_without_any_of_it() {
        let encrypted = PKCS8
            .replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE")
            .replace("END PRIVATE", "END ENCRYPTED PRIVATE");
        let other = PKCS1.replace("RSA PRIVATE", "EC PRIVATE").replace("MII", "MIJ");
        for (pem, complaint) in [
            ("", "not an unencrypted PEM file"),
            ("secret words", "not an unencrypted PEM file"),
            (&encrypted, "not an unencrypted PEM file"),
            (&other, "neither RSA"),
        ] {
            let error = signed(pem).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(complaint) && !error.contains("secret"), "{error}");
        }
    }
}

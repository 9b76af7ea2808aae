//! A reader of sealed members that shares no code with the program: JWE compact serialization with `dir` and `A256GCM`,
//! as in RFC 7516.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;

/// The protected header of a sealed text.
pub(crate) fn header(text: &str) -> Value {
    let encoded = text.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

/// Whether a text is sealed.
pub(crate) fn is_sealed(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 5 && header(text)["typ"] == "token-refresher+jwe"
}

/// A key that is good enough for a test, as base64url.
pub(crate) const KEY: &str = "a2V5IG9mIHRlc3RzLCBub3QgdG8gYmUgdXNlZCAgISE";

/// The first 8 bytes of a SHA-256, in hex.
pub(crate) fn print(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    format!("{:016x}", u64::from_be_bytes(digest.as_ref()[..8].try_into().unwrap()))
}

/// Seals a secret as the program does, with a key as base64url.
pub(crate) fn seal(secret: &str, member: &str, endpoint: &str, client: &str, key: &str) -> String {
    let key = URL_SAFE_NO_PAD.decode(key.trim()).unwrap();
    let header = [
        r#"{"alg":"dir","enc":"A256GCM","typ":"token-refresher+jwe""#.to_owned(),
        format!(r#""kid":"{}","member":"{member}","endpoint":"{endpoint}""#, print(&key)),
        format!(r#""client":"{}","fp":"{}"}}"#, print(client.as_bytes()), print(secret.as_bytes())),
    ];
    let header = URL_SAFE_NO_PAD.encode(header.join(","));
    let mut nonce = [0; 12];
    SystemRandom::new().fill(&mut nonce).unwrap();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
    let mut bytes = secret.as_bytes().to_vec();
    let nonced = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonced, Aad::from(header.as_bytes()), &mut bytes).unwrap();
    let [nonce, text, tag] = [&nonce[..], &bytes, tag.as_ref()].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}..{nonce}.{text}.{tag}")
}

/// The secret in the sealed `text`, with a key as base64url.
pub(crate) fn open(text: &str, key: &str) -> String {
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let parts: Vec<&str> = text.split('.').collect();
    let [header, "", nonce, ciphertext, tag] = parts[..] else { panic!("no JWE with dir: {text}") };
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &decode(key.trim())).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(&decode(nonce)).unwrap();
    let mut bytes = [decode(ciphertext), decode(tag)].concat();
    let plain = key.open_in_place(nonce, Aad::from(header.as_bytes()), &mut bytes).unwrap();
    str::from_utf8(plain).unwrap().to_owned()
}

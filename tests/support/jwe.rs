//! A reader of sealed members that owes nothing to the program's writer: JWE compact serialization with `dir` and
//! `A256GCM`, as RFC 7516 has it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde_json::Value;

/// The protected header of a sealed text.
pub(crate) fn header(text: &str) -> Value {
    let encoded = text.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

/// Whether a text is a sealed one.
pub(crate) fn is_sealed(text: &str) -> bool {
    text.split('.').count() == 5 && header(text)["typ"] == "token-refresher+jwe"
}

/// What is sealed in `text`, with a key as base64url.
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

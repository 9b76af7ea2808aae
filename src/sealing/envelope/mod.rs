//! Seals a secret, and opens a sealed text.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, NONCE_LEN, Nonce};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::header::{Binding, SealedHeader, SecretMember};
use super::key::{Keyring, SealingKey};
use super::recognise::{LONGEST, header, parts};
use super::unsealable::Unsealable;
use crate::secret::Secret;

/// The key and the binding with which the secrets of one file are sealed.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    key: Arc<SealingKey>,
    binding: Binding,
}

impl Seal {
    pub(crate) fn new(key: &Arc<SealingKey>, binding: Binding) -> Self {
        Self { key: Arc::clone(key), binding }
    }

    pub(crate) fn seal(&self, member: SecretMember, secret: &Secret) -> Result<Secret, Unsealable> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Unsealable::NoRandomness)?;
        let header = SealedHeader::new(self.key.kid(), member, &self.binding, secret.fingerprint());
        let mut text = header.encoded();
        let mut bytes = Zeroizing::new(secret.expose().as_bytes().to_vec());
        let aad = Aad::from(text.as_bytes());
        let tag = self
            .key
            .aead
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes)
            .map_err(|_| Unsealable::TooLong)?;
        text.push_str("..");
        URL_SAFE_NO_PAD.encode_string(nonce, &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(tag.as_ref(), &mut text);
        if text.len() > LONGEST { Err(Unsealable::TooLong) } else { Ok(Secret::new(text)) }
    }
}

/// Opens the sealed text of `member`, which would be sent where `binding` says.
pub(crate) fn opened(
    text: &Secret,
    member: SecretMember,
    binding: &Binding,
    keys: &Keyring,
) -> Result<Secret, Unsealable> {
    let (secret, header) = opened_anywhere(text, member, keys)?;
    if header.endpoint != binding.endpoint {
        let (sealed, now) = (header.endpoint, binding.endpoint.clone());
        return Err(Unsealable::Endpoint { sealed, now });
    }
    if header.client != binding.client {
        return Err(Unsealable::Client);
    }
    Ok(secret)
}

/// Like [`opened`], wherever the file leads to: for a person who has confirmed a changed endpoint or client.
pub(crate) fn opened_anywhere(
    text: &Secret,
    member: SecretMember,
    keys: &Keyring,
) -> Result<(Secret, SealedHeader), Unsealable> {
    let parts = parts(text.expose())?;
    let header = header(parts.header)?;
    let key = keys.find(header.kid).ok_or(Unsealable::NoKey(header.kid))?;
    let decode =
        |text: &str, into: &mut [u8]| URL_SAFE_NO_PAD.decode_slice(text, into).map_err(|_| Unsealable::Form);
    let mut nonce = [0; NONCE_LEN];
    decode(parts.nonce, &mut nonce)?;
    // With room for the tag, since the decryption takes the ciphertext and the tag in one buffer.
    let mut bytes = Zeroizing::new(vec![0; parts.ciphertext.len() + parts.tag.len()]);
    let length = decode(parts.ciphertext, &mut bytes)?;
    let end = length + decode(parts.tag, &mut bytes[length..])?;
    let plain = key
        .aead
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(parts.header.as_bytes()),
            &mut bytes[..end],
        )
        .map_err(|_| Unsealable::Broken)?;
    let plain = str::from_utf8(plain).map_err(|_| Unsealable::Broken)?;
    if header.member != member {
        return Err(Unsealable::Member(header.member));
    }
    let secret = Secret::new(plain);
    // Another tool could have sealed the secret with a wrong fingerprint, and files are compared by fingerprint.
    if secret.fingerprint() == header.fp { Ok((secret, header)) } else { Err(Unsealable::Header) }
}

#[cfg(test)]
mod tests;

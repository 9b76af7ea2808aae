//! Whether the text of a member was sealed by this program, also where it is damaged.
//!
//! A damaged sealed text that passed for a plain one would be sent as a refresh token. So a sealed text is recognised
//! by its beginning, with some letters wrong, and by its form. A provider's own JWE has another `typ`.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::header::{SealedHeader, TYPE};
use super::unsealable::Unsealable;

/// How many letters of the beginning may be wrong.
const WRONG_LETTERS: usize = 8;

/// The shortest text whose beginning is compared.
const SHORTEST: usize = 24;

/// The longest header, as base64url.
const LONGEST_HEADER: usize = 4096;

/// The longest sealed text: the largest token file.
pub(super) const LONGEST: usize = 1 << 20;

/// The letters of the nonce and of the tag, as base64url.
const NONCE: usize = 16;
const TAG: usize = 22;

/// The beginning of every header of this program, as base64url. Its length is a multiple of three, so that the member
/// behind it changes none of its letters.
static BEGINNING: LazyLock<String> =
    LazyLock::new(|| URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"dir","enc":"A256GCM","typ":"{TYPE}","#)));

/// The contents of a secret member of a token file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StoredSecret {
    /// The secret itself.
    Plain,
    /// A sealed text. Only opening the text shows whether its seal holds.
    Sealed(Box<SealedHeader>),
    /// A sealed text that cannot be opened, for this reason.
    Damaged(Unsealable),
}

/// The five parts of a JWE in compact serialization.
pub(super) struct Parts<'a> {
    pub header: &'a str,
    pub nonce: &'a str,
    pub ciphertext: &'a str,
    pub tag: &'a str,
}

/// Tells a plain secret from a sealed text.
pub(crate) fn stored(text: &str) -> StoredSecret {
    if !is_ours(text) {
        return StoredSecret::Plain;
    }
    match parts(text).and_then(|parts| header(parts.header)) {
        Ok(header) => StoredSecret::Sealed(Box::new(header)),
        Err(why) => StoredSecret::Damaged(why),
    }
}

/// Whether this program has sealed a text, which may be damaged.
fn is_ours(text: &str) -> bool {
    if text.len() >= SHORTEST {
        let wrong = text.bytes().zip(BEGINNING.bytes()).filter(|(one, other)| one != other).count();
        if wrong <= WRONG_LETTERS {
            return true;
        }
    }
    let parts: Vec<&str> = text.splitn(6, '.').collect();
    let [first, second, nonce, _, tag] = parts[..] else { return false };
    match typ(first) {
        Some(typ) => typ == TYPE,
        // No header at all, so a damaged text of this program: a provider's own token has a header.
        None => second.is_empty() && nonce.len() == NONCE && tag.len() == TAG,
    }
}

/// The `typ` of a JOSE header, empty where the header has none; `None` where the text is no JOSE header.
fn typ(encoded: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let members: Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
    Some(members.get("typ").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Splits a sealed text into its parts.
pub(super) fn parts(text: &str) -> Result<Parts<'_>, Unsealable> {
    if text.len() > LONGEST {
        return Err(Unsealable::Oversize);
    }
    let mut all = text.split('.');
    let mut next = || all.next().ok_or(Unsealable::Form);
    let (header, key, nonce, ciphertext, tag) = (next()?, next()?, next()?, next()?, next()?);
    // `dir` means that there is no encrypted key.
    let well_formed = all.next().is_none()
        && key.is_empty()
        && nonce.len() == NONCE
        && tag.len() == TAG
        && !header.is_empty();
    if !well_formed {
        return Err(Unsealable::Form);
    }
    if header.len() > LONGEST_HEADER {
        return Err(Unsealable::Oversize);
    }
    Ok(Parts { header, nonce, ciphertext, tag })
}

/// Reads a protected header.
pub(super) fn header(encoded: &str) -> Result<SealedHeader, Unsealable> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Unsealable::Form)?;
    // The derived reader would take a list of the values, too.
    if bytes.first() != Some(&b'{') {
        return Err(Unsealable::Header);
    }
    let header: SealedHeader = serde_json::from_slice(&bytes).map_err(|_| Unsealable::Header)?;
    if header.alg != "dir" || header.enc != "A256GCM" {
        return Err(Unsealable::Algorithm);
    }
    if header.typ == TYPE { Ok(header) } else { Err(Unsealable::Header) }
}

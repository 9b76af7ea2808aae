//! Secrets sealed at rest: keys, and the text that a sealed member of a token file holds.
//!
//! A sealed text is a JWE in compact serialization (RFC 7516) with `dir` and `A256GCM`. Any JOSE library with the key
//! opens it. Its protected header says where the secret may be sent, and the seal authenticates the header. So a sealed
//! text is of no use in another member, for another client or at another endpoint. Nothing here reads a file.

mod envelope;
mod header;
mod key;
mod recognise;
mod unsealable;

pub(crate) use envelope::{Seal, opened, opened_anywhere};
pub(crate) use header::{Binding, SecretMember};
pub(crate) use key::{Keyring, SealingKey};
pub(crate) use recognise::{StoredSecret, stored};
pub(crate) use unsealable::Unsealable;

//! Why a sealed text cannot be opened, in words that quote nothing of it.

use std::fmt;

use super::header::SecretMember;
use crate::secret::Fingerprint;
use crate::text::escaped;

/// Why a sealed text is not opened, or not used where it was found. Tells only which check failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unsealable {
    /// The text is larger than any that is written.
    Oversize,
    /// The text lacks the five parts of a JWE, or one part is no base64url.
    Form,
    /// The header is not one that this program writes.
    Header,
    /// The header names another algorithm.
    Algorithm,
    /// The process does not have the key that sealed the text.
    NoKey(Fingerprint),
    /// The seal is broken: the text or its header was changed.
    Broken,
    /// The secret was sealed as another member.
    Member(SecretMember),
    /// The secret was sealed for another endpoint than the one where it would be sent.
    Endpoint { sealed: String, now: String },
    /// The secret was sealed for another client.
    Client,
    /// The secret is too long to be sealed.
    TooLong,
    /// The system gives no randomness for a seal.
    NoRandomness,
}

impl fmt::Display for Unsealable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oversize => out.write_str("its sealed text is too large"),
            Self::Form => out.write_str("its sealed text is damaged: it is no JWE in compact serialization"),
            Self::Header => {
                out.write_str("its sealed text is damaged: its header is not one of this program")
            }
            Self::Algorithm => out.write_str("its sealed text wants another algorithm than dir with A256GCM"),
            Self::NoKey(kid) => write!(
                out,
                "it is sealed with the key {kid}, which is not here: give it with --key-file or --key-command"
            ),
            Self::Broken => out.write_str("its seal is broken: the sealed text was changed"),
            Self::Member(sealed) => write!(out, "its sealed text was made for {sealed}"),
            Self::Endpoint { sealed, now } => {
                let (sealed, now) = (escaped(sealed), escaped(now));
                write!(out, "it is sealed for {sealed}, and the file leads to {now} now")
            }
            Self::Client => out.write_str("it is sealed for another client_id than the file leads to now"),
            Self::TooLong => out.write_str("it is too long to be sealed"),
            Self::NoRandomness => out.write_str("the system gives no randomness for a seal"),
        }
    }
}

impl Unsealable {
    /// Whether the file leads to another place than when the secret was sealed. Only a person can say whether the
    /// change is intended.
    pub(crate) const fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Endpoint { .. } | Self::Client)
    }
}

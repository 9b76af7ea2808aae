//! Whether the secrets of a chain may be sent with its request, and the seals for the answer.
//!
//! A sealed secret is opened only for the endpoint and the client that it was sealed for. The new refresh token goes to
//! every file of the chain. So the seal of every file is checked: a file with another endpoint must not get a token
//! that is sealed for that endpoint.

use super::context::Context;
use super::member::Member;
use crate::oauth::{Resolution, TokenRequest};
use crate::sealing::{Seal, SecretMember, StoredSecret, Unsealable, opened, stored};
use crate::secret::Secret;

/// The opened secrets of a chain.
pub(super) struct Unsealed {
    /// The refresh token of the member that the request is for.
    pub refresh_token: Option<Secret>,
    /// The seal for the answer in each file; `None` where the file keeps the token readable.
    pub seals: Vec<Option<Seal>>,
}

/// Opens the sealed secrets in the request for the member at `due`, and its refresh token. The error gives the reason,
/// in words that name the file and the member.
pub(super) fn unseal(
    members: &[&Member],
    due: usize,
    request: &mut TokenRequest,
    context: &Context<'_>,
) -> Result<Unsealed, String> {
    let mut unsealed = Unsealed { refresh_token: None, seals: vec![None; members.len()] };
    let any = members.iter().any(|member| member.document.is_sealed());
    for (index, member) in members.iter().enumerate() {
        let is_due = index == due;
        if is_due {
            request.unseal(context.keys).map_err(|(secret, why)| words(None, secret, &why))?;
            (unsealed.refresh_token, unsealed.seals[index]) = open(member, request, context, None)?;
        } else if any {
            let name = member.name();
            match context.resolve(name, &member.document) {
                Resolution::Refresh(own) if own.endpoint_key() != request.endpoint_key() => {
                    return Err(format!(
                        "{name} holds the same refresh token and leads to {}; nothing is sent until the files agree",
                        own.endpoint_key()
                    ));
                }
                Resolution::Refresh(own) => {
                    unsealed.seals[index] = open(member, &own, context, Some(name))?.1;
                }
                Resolution::Monitored(why) | Resolution::Misconfigured(why)
                    if member.document.is_sealed() =>
                {
                    return Err(format!("{name} holds the same refresh token: {why}"));
                }
                Resolution::Monitored(_) | Resolution::Misconfigured(_) => {}
            }
        }
    }
    Ok(unsealed)
}

/// The refresh token of `current` for the file `old`, and its seal there. Both files must lead to the same place. A
/// thief could otherwise write an old copy with another endpoint, and get a token sealed for it.
pub(super) fn handed_on(
    old: &Member,
    current: &Member,
    context: &Context<'_>,
) -> Result<(Secret, Option<Seal>), String> {
    let none = || format!("{} holds no refresh token any more", current.name());
    if !old.document.is_sealed() && !current.document.is_sealed() {
        return current
            .document
            .stored(SecretMember::RefreshToken)
            .map(|token| (token, None))
            .ok_or_else(none);
    }
    let mut request = match context.resolve(current.name(), &current.document) {
        Resolution::Refresh(request) => request,
        Resolution::Monitored(why) | Resolution::Misconfigured(why) => return Err(why),
    };
    let Unsealed { refresh_token, mut seals } = unseal(&[current, old], 0, &mut request, context)?;
    let (own, of_current) = (seals.pop().flatten(), seals.pop().flatten());
    Ok((refresh_token.ok_or_else(none)?, own.or(of_current)))
}

/// The refresh token of a member, and the seal for the next one.
fn open(
    member: &Member,
    request: &TokenRequest,
    context: &Context<'_>,
    name: Option<&str>,
) -> Result<(Option<Secret>, Option<Seal>), String> {
    let Some(text) = member.document.stored(SecretMember::RefreshToken) else {
        // An answer may bring the first refresh token.
        let seal = || Some(Seal::new(context.keys.first()?, request.binding()));
        return Ok((None, member.document.is_sealed().then(seal).flatten()));
    };
    if stored(text.expose()) == StoredSecret::Plain {
        return Ok((Some(text), None));
    }
    let binding = request.binding();
    let token = opened(&text, SecretMember::RefreshToken, &binding, context.keys)
        .map_err(|why| words(name, SecretMember::RefreshToken, &why))?;
    // A key has just opened the token, so there is a first key.
    Ok((Some(token), context.keys.first().map(|key| Seal::new(key, binding))))
}

/// Why a secret is not used, in the file `name` or in the message's own file.
fn words(name: Option<&str>, member: SecretMember, why: &Unsealable) -> String {
    let whose = name.map_or_else(String::new, |name| format!("{name} holds the same refresh token: "));
    let helps = match why {
        Unsealable::NoKey(_) | Unsealable::NoRandomness => "",
        why if why.is_elsewhere() => {
            "; put back what it was, or, if this is meant, run token-refresher seal --rebind with the file's name"
        }
        _ => "; take the file from a backup, or sign in again",
    };
    format!("{whose}the {member}: {why}; nothing was sent{helps}")
}

//! Secrets of a token file in a sign-in. A secret is opened for the server that it is sealed for, and new ones are
//! sealed.

use super::around::SignInContext;
use super::client::Client;
use super::server::AuthorizationServer;
use crate::oauth::{GrantType, Resolution, resolve};
use crate::sealing::{
    Binding, Keyring, Seal, SecretMember, StoredSecret, Unsealable, opened_anywhere, stored,
};
use crate::secret::{Fingerprint, Secret};
use crate::tokens::at_rest::{plain_secrets, with_secrets};
use crate::tokens::{Document, Unusable};

/// The recipient of secrets.
pub(super) struct Recipient<'a> {
    pub server: &'a AuthorizationServer,
    pub grant: GrantType,
    pub client_id: &'a str,
    pub keys: &'a Keyring,
}

impl Recipient<'_> {
    /// Opens a secret. A sealed secret must be sealed for this client and for this server: its token endpoint, its
    /// issuer or its row.
    pub(super) fn open(&self, member: SecretMember, text: Secret) -> Result<Secret, String> {
        if stored(text.expose()) == StoredSecret::Plain {
            return Ok(text);
        }
        let words = |why: Unsealable| format!("the {member}: {why}; nothing was sent");
        let (secret, header) = opened_anywhere(&text, member, self.keys).map_err(words)?;
        let Binding { endpoint, client } = header.binding();
        let places = self.server.bound_endpoints(self.grant);
        if !places.contains(&endpoint) {
            let now = places.into_iter().next().unwrap_or_default();
            return Err(words(Unsealable::Endpoint { sealed: endpoint, now }));
        }
        if client == Some(Fingerprint::of(self.client_id.as_bytes())) {
            Ok(secret)
        } else {
            Err(words(Unsealable::Client))
        }
    }
}

/// The client with its secrets opened for `server`.
pub(super) fn unsealed(
    mut client: Client,
    server: &AuthorizationServer,
    grant: GrantType,
    keys: &Keyring,
) -> Result<Client, String> {
    let id = client.identity.id.clone();
    let recipient = Recipient { server, grant, client_id: &id, keys };
    let identity = &mut client.identity;
    identity.secret =
        identity.secret.take().map(|text| recipient.open(SecretMember::ClientSecret, text)).transpose()?;
    if let Some((pem, kid)) = identity.key.take() {
        identity.key = Some((recipient.open(SecretMember::PrivateKey, pem)?, kid));
    }
    Ok(client)
}

/// Seals the new secrets of the file `name` before it is stored. The secrets are left plain without a key, or if the
/// file has no endpoint for them.
pub(super) fn for_the_disk(
    name: &str,
    document: Document,
    around: &SignInContext<'_>,
) -> Result<Document, Unusable> {
    let Some(key) = around.keys.first() else { return Ok(document) };
    let plain = plain_secrets(&document);
    if plain.is_empty() {
        return Ok(document);
    }
    let config = around.config(name, &document);
    match resolve(&config, &around.settings.environment, &[], &around.providers) {
        Resolution::Refresh(request) => {
            with_secrets(document, &plain, Some(&Seal::new(key, request.binding())))
        }
        // The daemon names the file and the reason.
        Resolution::Monitored(_) | Resolution::Misconfigured(_) => Ok(document),
    }
}

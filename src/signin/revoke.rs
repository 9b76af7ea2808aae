//! Ends a sign-in at the provider (RFC 7009), for a stolen laptop or a person who leaves.

use super::aim::{self, Aim, SignInSource};
use super::around::{SignInContext, documents};
use super::client;
use super::compose::{MemberValue, set};
use super::discover;
use super::interrupt::Interrupt;
use super::options::LoginOptions;
use super::place::Place;
use super::server::AuthorizationServer;
use super::unseal::{Recipient, unsealed};
use super::words::say;
use crate::clock::Timestamp;
use crate::oauth::{ClientIdentity, EndpointUrl, GrantType, Submission};
use crate::sealing::SecretMember;
use crate::secret::Secret;
use crate::tokens::{Document, Unusable};

/// Ends the sign-in of a token file. Returns the last line.
///
/// # Errors
/// One line: why the tokens may still be valid. The file is unchanged.
pub(super) fn revoke(
    name: &str,
    around: &SignInContext<'_>,
    interrupt: &Interrupt,
) -> Result<String, String> {
    let tokens = &around.settings.tokens_dir;
    let asked = LoginOptions::of_file(name);
    let Aim { source, known, file, .. } = aim::find(&asked, tokens, &around.providers)?;
    let (Some(known), Some(file)) = (known, file) else {
        return Err(format!("{name:?} is no token file in {}", tokens.display()));
    };
    let place = Place::new(tokens, file);
    let beside = documents(tokens);
    let files = client::files(&beside);
    let config = around.config(&place.name, &known);
    let server = match source {
        SignInSource::McpServer(address) => {
            discover::of_mcp_server(&address, &around.client, &around.providers)?.server
        }
        SignInSource::Issuer(issuer) => discover::of_issuer(&issuer, &around.client, &around.providers)?,
        SignInSource::Row(row) => {
            let endpoints = around.surroundings(&files).endpoints(&row, GrantType::RefreshToken, &config)?;
            AuthorizationServer::of_row(row, endpoints)
        }
    };
    let endpoint = server.endpoints.revocation.as_ref().ok_or_else(|| {
        format!(
            "no revocation endpoint (RFC 7009) is known for {}: end the sign-in on its website",
            server.title
        )
    })?;
    let grant = GrantType::RefreshToken;
    let client = client::known(&server, grant, config, &[], &around.surroundings(&files))?;
    let client = client.ok_or_else(|| format!("{} names no client_id", place.name))?;
    let client = unsealed(client, &server, grant, &around.keys)?.identity;
    interrupt.uninterrupted(|| {
        let room = place.room()?;
        let present = place.read()?.ok_or_else(|| format!("{} is gone", place.name))?;
        let revocation = Revocation { server: &server, endpoint, client: &client, around };
        revocation.of(&present)?;
        room.store(|document| signed_out(document.unwrap_or_else(|| present.clone()), Timestamp::now()))
    })?;
    let file = place.path();
    Ok(format!("signed out of {}: {} holds no token any more", server.title, file.display()))
}

struct Revocation<'a> {
    server: &'a AuthorizationServer,
    endpoint: &'a EndpointUrl,
    client: &'a ClientIdentity,
    around: &'a SignInContext<'a>,
}

impl Revocation<'_> {
    /// Revokes the refresh token, and with it the sign-in. The access token follows, in case the server keeps it.
    fn of(&self, document: &Document) -> Result<(), String> {
        let recipient = Recipient {
            server: self.server,
            grant: GrantType::RefreshToken,
            client_id: &self.client.id,
            keys: &self.around.keys,
        };
        let refresh = document.stored(SecretMember::RefreshToken);
        let refresh = refresh.map(|text| recipient.open(SecretMember::RefreshToken, text)).transpose()?;
        let access = document.access_token();
        match (&refresh, &access) {
            (Some(refresh), access) => {
                self.end(refresh, "refresh_token")?;
                if let Some(access) = access
                    && let Err(error) = self.end(access, "access_token")
                {
                    say(&format!("the access token may be good until it expires: {error}"));
                }
                Ok(())
            }
            (None, Some(access)) => self.end(access, "access_token"),
            (None, None) => Err("it holds no token".to_owned()),
        }
    }

    fn end(&self, token: &Secret, kind: &str) -> Result<(), String> {
        let page = self.around.client.submit(&Submission {
            endpoint: self.endpoint,
            client: self.client,
            row: &self.server.row,
            parameters: vec![("token_type_hint", kind)],
            secrets: vec![("token", token)],
        })?;
        if page.succeeded() {
            return Ok(());
        }
        Err(format!("{} answered {}", self.endpoint.shown, page.shown(&[token])))
    }
}

/// The file of an ended sign-in. The members that identify the sign-in are kept for the next one.
fn signed_out(document: Document, now: Timestamp) -> Result<Document, Unusable> {
    let mut document = document;
    for name in [
        "access_token",
        "refresh_token",
        "id_token",
        "token",
        "expires_at",
        "expires_in",
        "refresh_expires_at",
    ] {
        document = set(document, name, &MemberValue::Nothing)?;
    }
    set(document, "signed_out_at", &MemberValue::Json(now.as_seconds().to_string()))
}

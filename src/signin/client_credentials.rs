//! The client credentials grant: an application's own token, without a person.

use super::attempt::SignInAttempt;
use super::compose::MemberValue;
use super::fetch::{Fetched, NoTokens};

/// Requests the token of an application.
pub(super) fn run(attempt: &SignInAttempt<'_>) -> Result<Fetched, NoTokens> {
    let target = attempt.target;
    let has_proof =
        |client: &super::client::Client| client.identity.secret.is_some() || client.identity.key.is_some();
    let client = attempt.known_client()?.filter(has_proof).ok_or_else(|| {
        let tokens = attempt.around.settings.tokens_dir.display();
        format!("an application's own token needs its client_id and client_secret: put both into a file in {tokens}")
    })?;
    let mut members = attempt.members(&client, None);
    members.push(("grant_type", MemberValue::Text("client_credentials")));
    let scope = target.scopes.join(target.server.row.scope_separator());
    let audience = target.known.text("audience");
    let mut parameters = vec![("grant_type", "client_credentials")];
    if !scope.is_empty() {
        parameters.push(("scope", &scope));
    }
    parameters.extend(audience.as_deref().map(|audience| ("audience", audience)));
    attempt.fetch(&client, &parameters, &[], &members).map_err(|error| error.ends(&client))
}

//! The client credentials grant: an application's own token, without a person.

use super::attempt::{NoTokens, SignInAttempt, no_tokens};
use super::compose::MemberValue;
use super::fetch::Fetched;
use crate::oauth::Submission;

/// Requests the token of an application.
pub(super) fn run(attempt: &SignInAttempt<'_>) -> Result<Fetched, NoTokens> {
    let target = attempt.target;
    let has_proof =
        |client: &super::client::Client| client.identity.secret.is_some() || client.identity.key.is_some();
    let client = attempt.known_client()?.filter(has_proof).ok_or_else(|| {
        let tokens = attempt.around.settings.tokens_dir.display();
        format!("an application's own token needs its client_id and client_secret: put both into a file in {tokens}")
    })?;
    let members = || {
        let mut members = attempt.members(&client, None);
        members.push(("grant_type", MemberValue::Text("client_credentials")));
        members
    };
    let signing = attempt.signing(&client, &members);
    let scope = target.scopes.join(target.server.row.scope_separator());
    let scope = (!scope.is_empty()).then_some(("scope", scope.as_str()));
    let audience = target.known.text("audience");
    let audience = audience.as_deref().map(|audience| ("audience", audience));
    let submission = Submission {
        endpoint: &target.server.token,
        client: &client.identity,
        row: &target.server.row,
        parameters: [("grant_type", "client_credentials")]
            .into_iter()
            .chain(scope)
            .chain(audience)
            .chain(signing.resource())
            .collect(),
        secrets: Vec::new(),
    };
    signing.fetch(&submission).map_err(|error| no_tokens(error, &client))
}

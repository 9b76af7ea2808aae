//! Client credentials in the environment or `.env`, as users of the Python service have them.
//!
//! There are two kinds of sets. The numbered `EGRESS_OAUTH_*_N` name a provider and are for people's tokens. The sets
//! that a provider's row names (`KEYCLOAK_M2M_*`, `AGENTCORE_*_N`) are an application's own. Such a set never serves a
//! person's token, unless its file names that very client.

use crate::oauth::config::{CredentialConfig, filled};
use crate::oauth::outcome::GrantType;
use crate::oauth::provider::{ClientSet, Provider};
use crate::oauth::providers::Providers;
use crate::secret::Secret;
use crate::settings::Environment;

/// The largest number of a set; the first is 1.
const LAST: u8 = 100;

/// A client found in the environment.
pub(super) struct EnvironmentClient {
    pub id: String,
    pub secret: Option<Secret>,
    pub scope: Option<String>,
    /// The variable that named it, for the trail.
    pub variable: String,
    server: Option<String>,
}

/// The environment's client for this file, if the choice is clear.
pub(super) fn client(
    config: &CredentialConfig,
    row: &Provider,
    grant: GrantType,
    providers: &Providers,
    environment: &Environment,
) -> Option<EnvironmentClient> {
    let value = |name: &str| environment.get(name).as_deref().and_then(filled).map(str::to_owned);
    let mut found = Vec::new();
    for set in std::iter::once(&egress()).chain(&row.environment) {
        let is_numbered = set.client_id.contains('#');
        let numbers = if is_numbered { environment.numbered(&set.client_id, LAST) } else { [1].into() };
        for number in numbers {
            let named = |name: &String| name.replace('#', &number.to_string());
            let optional = |name: &Option<String>| name.as_ref().and_then(|name| value(&named(name)));
            let Some(client_id) = value(&named(&set.client_id)) else { continue };
            let serves = match (config.client_id(), &set.provider) {
                (Some(wanted), _) => wanted == client_id,
                (None, Some(_)) => optional(&set.provider).is_some_and(|name| match providers.named(&name) {
                    Some(other) => other.name == row.name || row.variant_of.as_ref() == Some(&other.name),
                    // A provider outside of the table is identified by the name in the file, or by its host.
                    None => name.eq_ignore_ascii_case(&row.name),
                }),
                (None, None) => grant == GrantType::ClientCredentials,
            };
            if serves {
                found.push(EnvironmentClient {
                    id: client_id,
                    secret: value(&named(&set.client_secret)).map(Secret::new),
                    scope: optional(&set.scope),
                    variable: named(&set.client_id),
                    server: optional(&set.server),
                });
            }
        }
    }
    choose(found, config, row, grant)
}

/// One of several clients: the one for this server, else one for any server. A client that names another server is
/// taken only if there is no second client. For an application's own token the file must also belong to no server of
/// its own: a gateway must not get another gateway's token.
fn choose(
    mut found: Vec<EnvironmentClient>,
    config: &CredentialConfig,
    row: &Provider,
    grant: GrantType,
) -> Option<EnvironmentClient> {
    let server = config.server.as_deref();
    let for_server = found.iter().position(|client| server.is_some() && client.server.as_deref() == server);
    let for_any = || found.iter().position(|client| client.server.is_none());
    let only = || {
        let first = found.first()?;
        let no_server = server.is_none_or(|server| server == row.name);
        let may = grant == GrantType::RefreshToken || config.client_id().is_some() || no_server;
        (may && found.iter().all(|client| client.id == first.id)).then_some(0)
    };
    let chosen = for_server.or_else(for_any).or_else(only)?;
    Some(found.swap_remove(chosen))
}

/// The sets for people's tokens.
pub(super) fn egress() -> ClientSet {
    ClientSet {
        client_id: "EGRESS_OAUTH_CLIENT_ID_#".to_owned(),
        client_secret: "EGRESS_OAUTH_CLIENT_SECRET_#".to_owned(),
        scope: Some("EGRESS_OAUTH_SCOPE_#".to_owned()),
        provider: Some("EGRESS_PROVIDER_NAME_#".to_owned()),
        server: Some("EGRESS_MCP_SERVER_NAME_#".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(
        provider: &str,
        config: &CredentialConfig,
        grant: GrantType,
        variables: &[(&str, &str)],
    ) -> Option<String> {
        let environment = Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())));
        let providers = Providers::builtin();
        let row = providers.named(provider).unwrap();
        client(config, row, grant, &providers, &environment).map(|client| client.variable)
    }

    fn config(server: Option<&str>, client_id: Option<&str>) -> CredentialConfig {
        let members = [("server", server), ("client_id", client_id)];
        let members: Vec<_> = members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        CredentialConfig::of_members("", &members)
    }

    const TWO: &[(&str, &str)] = &[
        ("EGRESS_OAUTH_CLIENT_ID_1", "jira-id"),
        ("EGRESS_PROVIDER_NAME_1", "atlassian"),
        ("EGRESS_MCP_SERVER_NAME_1", "jira"),
        ("EGRESS_OAUTH_CLIENT_ID_100", "wiki-id"),
        ("EGRESS_PROVIDER_NAME_100", "Atlassian"),
        ("EGRESS_MCP_SERVER_NAME_100", "wiki"),
        ("EGRESS_OAUTH_CLIENT_ID_101", "beyond"),
        ("EGRESS_PROVIDER_NAME_101", "github"),
    ];

    #[test]
    fn a_persons_token_gets_its_providers_client() {
        let one = &TWO[..3];
        let grant = GrantType::RefreshToken;
        for (provider, server, client_id, variables, variable) in [
            ("atlassian", Some("jira"), None, TWO, Some("EGRESS_OAUTH_CLIENT_ID_1")),
            ("atlassian", Some("wiki"), None, TWO, Some("EGRESS_OAUTH_CLIENT_ID_100")),
            ("atlassian", Some("other"), None, TWO, None),
            ("atlassian", Some("other"), None, one, Some("EGRESS_OAUTH_CLIENT_ID_1")),
            ("atlassian", Some("jira"), Some("wiki-id"), TWO, Some("EGRESS_OAUTH_CLIENT_ID_100")),
            ("atlassian", Some("jira"), Some("unknown-id"), TWO, None),
            ("github", None, None, TWO, None),
        ] {
            let chosen = chosen(provider, &config(server, client_id), grant, variables);
            assert_eq!(chosen.as_deref(), variable, "{provider} {server:?} {client_id:?}");
        }
    }

    #[test]
    fn an_applications_client_serves_its_own_token_only() {
        let gateways = [
            ("AGENTCORE_CLIENT_ID_1", "a"),
            ("AGENTCORE_SERVER_NAME_1", "one"),
            ("AGENTCORE_CLIENT_ID_2", "b"),
            ("AGENTCORE_SERVER_NAME_2", "two"),
        ];
        let machine = GrantType::ClientCredentials;
        let name = "bedrock-agentcore";
        for (server, variables, variable) in [
            (Some("two"), &gateways[..], Some("AGENTCORE_CLIENT_ID_2")),
            (Some("three"), &gateways[..], None),
            (Some("three"), &gateways[..2], None),
            (Some(name), &gateways[..2], Some("AGENTCORE_CLIENT_ID_1")),
            (None, &gateways[..2], Some("AGENTCORE_CLIENT_ID_1")),
            (Some(name), &gateways[..], None),
        ] {
            let chosen = chosen(name, &config(server, None), machine, variables);
            assert_eq!(chosen.as_deref(), variable, "{server:?}");
        }
        let keycloak = [("KEYCLOAK_M2M_CLIENT_ID", "m2m"), ("KEYCLOAK_M2M_CLIENT_SECRET", " ")];
        let person = GrantType::RefreshToken;
        assert!(chosen("keycloak", &config(None, None), machine, &keycloak).is_some());
        assert_eq!(chosen("keycloak", &config(None, None), person, &keycloak), None);
        assert_eq!(chosen("keycloak", &config(None, Some("agent")), machine, &keycloak), None);
        assert!(chosen("keycloak", &config(None, Some("m2m")), person, &keycloak).is_some());
    }
}

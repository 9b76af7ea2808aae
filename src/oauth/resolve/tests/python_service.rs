//! Files and environment of the Python service's users.

use super::*;

/// The environment of a user of the Python service.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("AUTH_PROVIDER", "keycloak"),
    ("KEYCLOAK_URL", "http://127.0.0.1:8080"),
    ("KEYCLOAK_ADMIN_URL", ""),
    ("KEYCLOAK_REALM", "mcp-gateway"),
    ("KEYCLOAK_M2M_CLIENT_ID", "mcp-gateway-m2m"),
    ("KEYCLOAK_M2M_CLIENT_SECRET", "fake"),
    ("INGRESS_OAUTH_USER_POOL_ID", "us-east-1_FAKEPOOL1"),
    ("INGRESS_OAUTH_CLIENT_ID", "fakecognitoclient"),
    ("INGRESS_OAUTH_CLIENT_SECRET", "fake"),
    ("AWS_REGION", "us-east-1"),
    ("ENTRA_TENANT_ID", "tenant-2"),
    ("ENTRA_CLIENT_ID", "entra-1"),
    ("ENTRA_CLIENT_SECRET", "fake"),
    ("EGRESS_OAUTH_CLIENT_ID_1", "fakeclientid0001"),
    ("EGRESS_OAUTH_CLIENT_SECRET_1", "fake"),
    ("EGRESS_OAUTH_SCOPE_1", "offline_access read:jira-work"),
    ("EGRESS_PROVIDER_NAME_1", "atlassian"),
    ("EGRESS_MCP_SERVER_NAME_1", "atlassian"),
    ("COGNITO_USER_POOL_ID", "us-east-1_FAKEPOOL1"),
    ("AGENTCORE_CLIENT_ID_1", "fakeac"),
    ("AGENTCORE_CLIENT_SECRET_1", "fake"),
    ("AGENTCORE_SERVER_NAME_1", "my-gateway-1"),
];

const KEYCLOAK: &str =
    "http://127.0.0.1:8080/realms/mcp-gateway/protocol/openid-connect/token client_secret_basic";
const POOL: &str =
    "https://us-east-1fakepool1.auth.us-east-1.amazoncognito.com/oauth2/token client_secret_basic";
const MACHINE: &str = "grant_type=client_credentials";

/// The members of a file of Keycloak's, and more.
fn at_keycloak(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let keycloak =
        [("provider", "keycloak"), ("keycloak_url", "http://127.0.0.1:8080"), ("realm", "mcp-gateway")];
    [&keycloak[..], more].concat()
}

/// The service's environment, and a client-credential file of an agent.
fn world() -> World<'static> {
    let agent = ClientFile {
        name: "agent-sre-agent.json".to_owned(),
        client_id: "agent-sre-agent-m2m".to_owned(),
        client_secret: Secret::new("fake-secret-sre"),
        members: std::collections::BTreeMap::new(),
    };
    World { environment: ENVIRONMENT, clients: vec![agent], ..EMPTY }
}

#[test]
fn machine_tokens_of_the_python_service() {
    let entra = "https://login.microsoftonline.com/tenant-2/oauth2/v2.0/token client_secret_post";
    let (keycloak, pool, machine) = (KEYCLOAK, POOL, MACHINE);
    for (file, members, expected) in [
        // Ingress tokens, with everything in the file but the secret, and with nothing at all.
        ("ingress.json", vec![("provider", "keycloak_m2m"), ("client_id", "mcp-gateway-m2m")],
            format!("{keycloak} mcp-gateway-m2m+secret {machine}")),
        ("ingress.json", vec![], format!("{keycloak} mcp-gateway-m2m+secret {machine}")),
        ("ingress.json", vec![("provider", "cognito_m2m"), ("client_id", "fakecognitoclient"),
            ("user_pool_id", "us-east-1_FAKEPOOL1"), ("region", "us-east-1")],
            format!("{pool} fakecognitoclient+secret {machine}")),
        ("ingress.json", vec![("provider", "entra_m2m"), ("client_id", "entra-1"), ("tenant", "tenant-2")],
            format!("{entra} entra-1+secret {machine}&scope=api://entra-1/.default")),
        // An agent's token with a client-credential file beside it, and one without.
        ("agent-sre-agent-m2m-token.json", at_keycloak(&[("client_id", "agent-sre-agent-m2m"),
            ("scope", "openid email"), ("metadata.auth_method", "client_credentials")]),
            format!("{keycloak} agent-sre-agent-m2m+secret {machine}&scope=openid email")),
        ("agent-other-m2m-token.json", at_keycloak(&[("client_id", "agent-other-m2m")]),
            "misconfigured: no client_secret is known for agent-other-m2m-token.json: add it to the file, \
             or set KEYCLOAK_M2M_CLIENT_SECRET".to_owned()),
        // Gateways of AgentCore.
        ("bedrock-agentcore-egress.json", vec![("provider", "bedrock-agentcore"), ("server", "bedrock-agentcore"),
            ("scope", "invoke:gateway")], format!("{pool} fakeac+secret {machine}&scope=invoke:gateway")),
        ("bedrock-agentcore-my-gateway-1-egress.json", vec![("provider", "bedrock-agentcore"),
            ("server", "my-gateway-1")], format!("{pool} fakeac+secret {machine}")),
        ("bedrock-agentcore-two-egress.json", vec![("provider", "bedrock-agentcore"), ("server", "two")],
            "misconfigured: no client_id is known for bedrock-agentcore-two-egress.json: add it to the file, \
             or set AGENTCORE_CLIENT_ID_N".to_owned()),
    ] {
        assert_eq!(summary(&config(file, &members), &world()), expected, "{file}");
    }
}

#[test]
fn peoples_tokens_of_the_python_service() {
    let atlassian = "https://auth.atlassian.com/oauth/token client_secret_post fakeclientid0001+secret \
                     grant_type=refresh_token";
    let person = "monitored: it is a person's token and has no refresh token";
    let ingress = format!("{KEYCLOAK} mcp-gateway-m2m+secret grant_type=refresh_token");
    for (file, members, expected) in [
        // A file with a refresh token is a person's, whatever the file is called.
        (
            "ingress.json",
            vec![("provider", "keycloak_m2m"), ("client_id", "mcp-gateway-m2m"), ("refresh_token", "")],
            ingress.as_str(),
        ),
        // A granted scope is not requested again.
        (
            "atlassian-atlassian-egress.json",
            vec![
                ("provider", "atlassian"),
                ("server", "atlassian"),
                ("refresh_token", ""),
                ("scope", "offline_access"),
            ],
            atlassian,
        ),
        ("atlassian-jira-egress.json", vec![("server", "jira"), ("refresh_token", "")], atlassian),
        (
            "oauth-atlassian-fakeclientid0001.json",
            vec![("provider", "atlassian"), ("refresh_token", "")],
            atlassian,
        ),
        ("github-github-repos-egress.json", vec![("provider", "github")], person),
        ("admin.json", vec![("provider", "entra"), ("tenant", "t"), ("client_id", "entra-1")], person),
        ("mcp-registry-api-tokens.json", at_keycloak(&[("client_id", "mcp-gateway-m2m")]), person),
        ("ingress.json", vec![("grant_type", "authorization_code"), ("provider", "keycloak")], person),
    ] {
        assert_eq!(summary(&config(file, &members), &world()), expected, "{file}");
    }
}

#[test]
fn the_trail_says_which_rule_decided() {
    let world = World { environment: ENVIRONMENT, ..EMPTY };
    let members = [("provider", "atlassian"), ("server", "atlassian"), ("refresh_token", "")];
    let (_, trail) = found(&config("atlassian-egress.json", &members), &world);
    assert_eq!(
        trail,
        [
            "the file's provider \"atlassian\" is in the table",
            "grant refresh_token: the file has one",
            "endpoint https://auth.atlassian.com/oauth/token: the table, row atlassian",
            "client: EGRESS_OAUTH_CLIENT_ID_1",
            "authentication client_secret_post: the provider's row",
        ]
    );
}

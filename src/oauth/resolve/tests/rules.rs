//! Each rule by itself: the endpoint, the client, the parameters.

use super::*;

/// The members of a person's token file beside those that name the endpoint.
const CLIENT: [(&str, &str); 3] = [("client_id", "c"), ("client_secret", "s"), ("refresh_token", "")];

#[test]
fn where_to_ask() {
    for (members, expected) in [
        // The file's own endpoint comes first, but the rules are still those of the provider's row.
        (
            vec![
                ("token_endpoint", "http://127.0.0.1:9/t"),
                ("provider", "notion"),
                ("issuer", "https://i.example"),
            ],
            "http://127.0.0.1:9/t client_secret_basic",
        ),
        (
            vec![("token_endpoint", "https://auth.atlassian.com/oauth/token?x=y")],
            "https://auth.atlassian.com/oauth/token client_secret_post",
        ),
        (
            vec![("token_endpoint", "https://idp.example/t"), ("provider", "acme")],
            "https://idp.example/t client_secret_post",
        ),
    ] {
        let summary = summary(&config("f.json", &[&members[..], &CLIENT].concat()), &EMPTY);
        assert_eq!(summary, format!("{expected} c+secret grant_type=refresh_token"));
    }
}

/// Keycloak's members, the table, the issuer.
#[test]
fn where_to_ask_without_an_endpoint_of_the_file() {
    for (members, expected) in [
        (
            vec![("provider", "atlassian"), ("keycloak_url", "https://k.example/"), ("realm", "r")],
            "https://k.example/realms/r/protocol/openid-connect/token client_secret_basic",
        ),
        (
            vec![("provider", "Azure"), ("tenant", "t")],
            "https://login.microsoftonline.com/t/oauth2/v2.0/token client_secret_post",
        ),
        (vec![("provider", "x")], "https://api.x.com/2/oauth2/token client_secret_basic"),
        (vec![("provider", "figma")], "https://api.figma.com/v1/oauth/refresh client_secret_basic"),
        (
            vec![("provider", "github"), ("host", "git.corp.example")],
            "https://git.corp.example/login/oauth/access_token client_secret_post",
        ),
        (
            vec![("provider", "okta"), ("domain", "https://acme.okta.com/")],
            "https://acme.okta.com/oauth2/default/v1/token client_secret_basic",
        ),
        (
            vec![("provider", "cognito"), ("domain", "auth-prefix"), ("region", "eu-west-1")],
            "https://auth-prefix.auth.eu-west-1.amazoncognito.com/oauth2/token client_secret_basic",
        ),
        (
            vec![("provider", "cognito"), ("domain", "login.acme.example")],
            "https://login.acme.example/oauth2/token client_secret_basic",
        ),
        (vec![("provider", "gitlab"), ("url", "gitlab")], "https://gitlab/oauth/token client_secret_post"),
        (
            vec![("provider", "cloudflare-mcp"), ("issuer", "https://mcp.example")],
            "issuer https://mcp.example/ discovered",
        ),
        (
            vec![("provider", "okta"), ("issuer", "https://acme.example/oauth2/x")],
            "issuer https://acme.example/oauth2/x discovered",
        ),
        (vec![("issuer", "https://idp.example/")], "issuer https://idp.example/ discovered"),
    ] {
        let summary = summary(&config("f.json", &[&members[..], &CLIENT].concat()), &EMPTY);
        let expected = format!("{expected} c+secret grant_type=refresh_token");
        assert_eq!(summary, expected);
    }
}

#[test]
fn where_nothing_says_where_to_ask() {
    for (members, expected) in [
        (
            vec![("provider", "acme")],
            "misconfigured: unknown provider \"acme\": add token_endpoint to f.json, or a row to providers.json",
        ),
        (
            vec![("provider", "acme\nforged")],
            "misconfigured: unknown provider \"acme\\nforged\": add token_endpoint to f.json, \
             or a row to providers.json",
        ),
        (
            vec![],
            "misconfigured: no token endpoint is known: add token_endpoint, issuer or provider to f.json",
        ),
        (
            vec![("provider", "cloudflare-mcp")],
            "misconfigured: no token endpoint is known for cloudflare-mcp: add token_endpoint or issuer to f.json",
        ),
        (
            vec![("provider", "keycloak"), ("realm", "r")],
            "misconfigured: the address of Keycloak is not complete: add keycloak_url or url to f.json, \
             or set KEYCLOAK_ADMIN_URL or KEYCLOAK_EXTERNAL_URL or KEYCLOAK_URL",
        ),
        (
            vec![("provider", "okta")],
            "misconfigured: the address of Okta is not complete: add domain to f.json",
        ),
        (
            vec![("token_endpoint", "idp.example")],
            "misconfigured: token_endpoint in f.json: it does not begin with https://",
        ),
        (vec![("issuer", "ftp://x/")], "misconfigured: issuer in f.json: it does not begin with https://"),
        (vec![("provider", "intercom")], "monitored: Intercom has no refresh: its tokens stay until revoked"),
    ] {
        let config = config("f.json", &[&members[..], &CLIENT].concat());
        assert_eq!(summary(&config, &EMPTY), expected);
    }
}

#[test]
fn how_the_client_authenticates() {
    let endpoint = ("token_endpoint", "https://idp.example/t");
    let (secret, key) = (("client_secret", "s"), ("private_key", "pem"));
    let said = |name| vec![endpoint, ("token_endpoint_auth_method", name)];
    for (members, expected) in [
        (vec![endpoint, secret], "client_secret_post"),
        (vec![endpoint], "none"),
        (vec![endpoint, key], "private_key_jwt"),
        ([said("client_secret_basic"), vec![secret]].concat(), "client_secret_basic"),
        ([said("none"), vec![secret]].concat(), "none"),
        ([said("private_key_jwt"), vec![secret, key]].concat(), "private_key_jwt"),
        (said("client_secret_basic"), "no client_secret is known"),
        ([said("private_key_jwt"), vec![secret]].concat(), "needs a private key"),
        ([said("tls_client_auth"), vec![secret]].concat(), "is not supported"),
        (vec![("provider", "spotify")], "none"),
        (vec![("provider", "spotify"), secret], "client_secret_basic"),
        (vec![("provider", "atlassian")], "no client_secret is known"),
        (vec![("provider", "okta"), ("domain", "d.example"), key], "private_key_jwt"),
        (vec![("provider", "github")], "none"),
        (vec![endpoint, ("client_secret", "")], "none"),
        (vec![endpoint, ("client_secret", "a\n")], "has a line break or control character"),
        (vec![endpoint, ("client_secret", "pässword ✓")], "client_secret_post c+secret"),
        (
            vec![endpoint, secret, ("basic_encoding", "base64")],
            "basic_encoding \"base64\" in f.json is not known",
        ),
    ] {
        let members = [&members[..], &[("client_id", "c"), ("refresh_token", "")]].concat();
        let summary = summary(&config("f.json", &members), &EMPTY);
        assert!(summary.contains(expected), "{members:?}: {summary}");
    }
    let no_id = summary(&config("f.json", &[endpoint, secret, ("refresh_token", "")]), &EMPTY);
    assert!(no_id.contains("no client_id is known for f.json"), "{no_id}");
    // At Stripe the secret is the user name, so the id is not needed.
    let stripe =
        summary(&config("f.json", &[("provider", "stripe-apps"), secret, ("refresh_token", "")]), &EMPTY);
    assert!(stripe.contains("client_secret_basic -+secret"), "{stripe}");
}

#[test]
fn what_is_asked_for_of_a_machine() {
    let machine = ("grant_type", "client_credentials");
    for (members, expected) in [
        (
            vec![("provider", "auth0"), ("domain", "d.example"), machine],
            "Auth0 needs audience: add audience to f.json",
        ),
        (
            vec![
                ("provider", "auth0"),
                ("domain", "d.example"),
                machine,
                ("audience", "a"),
                ("organization", "o"),
            ],
            "grant_type=client_credentials&audience=a&organization=o",
        ),
        (
            vec![("provider", "zoom"), machine, ("account_id", "7")],
            "grant_type=account_credentials&account_id=7",
        ),
        (vec![("provider", "linear"), machine, ("scope", "read  write")], "&scope=read,write"),
        (vec![("provider", "databricks"), ("host", "h.example"), machine], "&scope=all-apis"),
        (
            vec![("provider", "microsoft"), machine, ("tenant", "t"), ("scope", "s/.default")],
            "&scope=s/.default",
        ),
        (
            vec![("provider", "microsoft"), machine],
            "is not complete: add tenant or tenant_id to f.json, or set ENTRA_TENANT_ID",
        ),
        (
            vec![("provider", "bedrock-agentcore"), ("domain", "acme.auth0.com")],
            "https://acme.auth0.com/oauth/token client_secret_post c+secret \
             grant_type=client_credentials&audience=MCPGateway&scope=invoke:gateway",
        ),
        (
            vec![("provider", "bedrock-agentcore"), ("token_endpoint", "https://acme.auth0.com/other")],
            "https://acme.auth0.com/other client_secret_post",
        ),
    ] {
        let members = [&members[..], &[("client_id", "c"), ("client_secret", "s")]].concat();
        let summary = summary(&config("f.json", &members), &EMPTY);
        assert!(summary.contains(expected), "{members:?}: {summary}");
    }
}

#[test]
fn what_is_asked_for_of_a_person() {
    for (members, expected) in [
        (
            vec![("provider", "gitlab"), ("refresh_token", ""), ("redirect_uri", "http://localhost/")],
            "grant_type=refresh_token&redirect_uri=http://localhost/",
        ),
        (
            vec![
                ("provider", "linear"),
                ("refresh_token", ""),
                ("scope", "read"),
                ("resource", "https://r.example"),
                ("audience", "a"),
            ],
            "grant_type=refresh_token&audience=a&resource=https://r.example",
        ),
    ] {
        let members = [&members[..], &[("client_id", "c"), ("client_secret", "s")]].concat();
        let summary = summary(&config("f.json", &members), &EMPTY);
        assert!(summary.contains(expected), "{members:?}: {summary}");
    }
}

#[test]
fn a_row_of_the_user_says_what_is_asked_for() {
    let rows = r#"{"acme": {"token_endpoint": "https://acme.example/t",
        "parameters": {"refresh_token": {"scope": {"from": ["scope"]}}}}}"#;
    let own = config(
        "f.json",
        &[("provider", "acme"), ("refresh_token", ""), ("scope", "a b"), ("client_id", "c")],
    );
    let summary = summary(&own, &World { rows, ..EMPTY });
    assert!(summary.ends_with("grant_type=refresh_token&scope=a b"), "{summary}");
}

#[test]
fn a_client_credential_file_fills_what_the_token_file_lacks() {
    let members = [("keycloak_url", "https://gateway.example/keycloak"), ("keycloak_realm", "mcp-gateway")];
    let file = ClientFile {
        name: "agent-x.json".to_owned(),
        client_id: "agent-x".to_owned(),
        client_secret: Secret::new("s"),
        members: members.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    let world = World { clients: vec![file], ..EMPTY };
    let token = [("provider", "keycloak"), ("client_id", "agent-x")];
    assert_eq!(
        summary(&config("agent-x-m2m-token.json", &token), &world),
        "https://gateway.example/keycloak/realms/mcp-gateway/protocol/openid-connect/token client_secret_basic \
         agent-x+secret grant_type=client_credentials"
    );
    let own = [("provider", "keycloak"), ("client_id", "agent-x"), ("keycloak_url", "https://own.example")];
    let summary = summary(&config("agent-x-m2m-token.json", &own), &world);
    assert!(summary.starts_with("https://own.example/realms/mcp-gateway/"), "{summary}");
}

/// Files of tools that store the raw answer: the access token itself names its origin.
#[test]
fn an_access_token_that_names_its_issuer() {
    let entra = [
        ("token.iss", "https://login.microsoftonline.com/t-1/v2.0"),
        ("token.tid", "t-1"),
        ("token.azp", "app"),
        ("refresh_token", ""),
    ];
    let older = [
        ("token.iss", "https://sts.windows.net/t-2/"),
        ("token.tid", "t-2"),
        ("token.appid", "app"),
        ("refresh_token", ""),
    ];
    let auth0 = [
        ("token.iss", "https://acme.eu.auth0.com/"),
        ("token.azp", "app"),
        ("token.gty", "client-credentials"),
        ("client_secret", "s"),
    ];
    let okta = [
        ("token.iss", "https://acme.okta.com/oauth2/aus1"),
        ("token.cid", "app"),
        ("token.sub", "app"),
        ("client_secret", "s"),
    ];
    for (members, expected) in [
        (&entra, "https://login.microsoftonline.com/t-1/oauth2/v2.0/token none app grant_type=refresh_token"),
        (&older, "https://login.microsoftonline.com/t-2/oauth2/v2.0/token none app grant_type=refresh_token"),
        (&auth0, "misconfigured: Auth0 needs audience"),
        (&okta, "misconfigured: Okta needs scope"),
    ] {
        let summary = summary(&config("f.json", members), &EMPTY);
        assert!(summary.starts_with(expected), "{summary}");
    }
    let with = |more: &[(&'static str, &'static str)]| {
        summary(&config("f.json", &[&okta[..], more].concat()), &EMPTY)
    };
    assert_eq!(
        with(&[("scope", "a")]),
        "issuer https://acme.okta.com/oauth2/aus1 discovered app+secret grant_type=client_credentials&scope=a"
    );
    // The file's own statement comes first, and a host that the table does not know is not used.
    assert!(
        with(&[("scope", "a"), ("token_endpoint", "https://other.example/t")])
            .contains("no client_id is known")
    );
    assert!(with(&[("token.iss", "https://evil.example/")]).contains("no token endpoint is known"));
    assert!(with(&[("token.iss", "http://acme.okta.com/")]).contains("no token endpoint is known"));
    assert!(with(&[("token.sub", "somebody")]).starts_with("monitored: it is a person's token"));
}

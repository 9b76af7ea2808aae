//! Files and rows that make no request possible: nothing is sent, and the message says what to set
//! where.

use super::case::{Case, Serve, play};
use super::outcome::{CLIENT_SECRET, Outcome};

/// A file in which something is missing or wrong; a blank member counts as absent.
fn wrong(what: &str, provider: &str, says: &str) -> Case {
    Case::new(what, provider, Serve::Address("http://127.0.0.1:PORT/token"), Outcome::Configuration)
        .says(says)
        .nameless()
}

#[test]
fn what_somebody_must_set() {
    play(vec![
        wrong(
            "no client",
            "github",
            "no client_id is known for github-server-egress.json: add it to the file",
        )
        .member("client_id", ""),
        wrong(
            "no secret",
            "zoom",
            "no client_secret is known for zoom-server-egress.json: add it to the file",
        )
        .member("client_secret", ""),
        wrong("no secret of an application", "acme", "no client_secret is known")
            .machine()
            .member("client_secret", ""),
        wrong("nobody's name", "acme", "unknown provider \"acme\": add token_endpoint")
            .member("token_endpoint", ""),
        wrong("no realm", "keycloak", "add realm or keycloak_realm to keycloak-server-egress.json")
            .member("token_endpoint", "")
            .member("keycloak_url", "https://keycloak.example"),
        wrong("no tenant", "microsoft", "set ENTRA_TENANT_ID").machine().member("token_endpoint", ""),
        wrong("no audience", "auth0", "Auth0 needs audience: add audience to auth0-server-egress.json")
            .machine(),
        wrong("no account", "zoom", "Zoom needs account_id").machine(),
        wrong("an unknown authentication", "acme", "token_endpoint_auth_method \"tls_client_auth\"")
            .member("token_endpoint_auth_method", "tls_client_auth"),
        wrong("no key", "acme", "private_key_jwt needs a private key")
            .member("token_endpoint_auth_method", "private_key_jwt"),
        wrong("a key that is none", "acme", "the private key is not an unencrypted PEM file")
            .member("token_endpoint_auth_method", "private_key_jwt")
            .member("private_key", "-----BEGIN hunter2-----")
            .hides("hunter2"),
        wrong(
            "a secret that cannot be sent",
            "acme",
            "the client secret for acme-server-egress.json has a line break or control character",
        )
        .member("client_secret", format!("{CLIENT_SECRET}\n")),
        wrong(
            "an unknown encoding",
            "acme",
            "basic_encoding \"base64\" in acme-server-egress.json is not known",
        )
        .member("basic_encoding", "base64"),
        wrong("an issuer over plain http", "acme", "plain http")
            .member("token_endpoint", "")
            .member("issuer", "http://idp.example"),
    ]);
}

//! An issuer's metadata (RFC 8414, OIDC Discovery): where its token endpoint is.

use super::endpoint::EndpointUrl;
use super::provider::ClientAuthMethod;
use super::response_body::{ResponseBody, ResponseValue};

/// What is used of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    /// The token endpoint.
    pub token_endpoint: EndpointUrl,
    /// `token_endpoint_auth_methods_supported`; RFC 8414 2 says what a missing one means.
    pub methods: Vec<String>,
}

/// Where the metadata may be, in the order that MCP prescribes: RFC 8414 puts the well-known part
/// between host and path, OIDC behind the path.
pub(crate) fn addresses(issuer: &str) -> Vec<String> {
    let issuer = issuer.trim().trim_end_matches('/');
    let scheme_end = issuer.find("://").map_or(0, |at| at + 3);
    let path_start = issuer[scheme_end..].find('/').map_or(issuer.len(), |at| scheme_end + at);
    let (host, path) = issuer.split_at(path_start);
    let mut addresses = vec![
        format!("{host}/.well-known/oauth-authorization-server{path}"),
        format!("{host}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        addresses.push(format!("{issuer}/.well-known/openid-configuration"));
    }
    addresses
}

/// Reads metadata that was found for `issuer`.
/// Metadata of another issuer must not be used (RFC 8414 3.3), and without a token endpoint it is of no
/// use.
pub(super) fn read(issuer: &str, document: &ResponseBody<'_>) -> Result<Metadata, String> {
    let text = |name: &str| document.text([name]);
    // RFC 8414 compares byte for byte; people add or leave out the slash at the end.
    let same = |theirs: &str| theirs.trim_end_matches('/') == issuer.trim().trim_end_matches('/');
    match text("issuer") {
        Some(theirs) if same(&theirs) => {}
        Some(_) => return Err("its metadata belongs to another issuer".to_owned()),
        None => return Err("its metadata names no issuer".to_owned()),
    }
    let url = text("token_endpoint").ok_or("its metadata names no token_endpoint")?;
    let token_endpoint =
        EndpointUrl::parse(&url).map_err(|error| format!("token_endpoint in its metadata: {error}"))?;
    let name = "token_endpoint_auth_methods_supported";
    let methods = match document.find(name) {
        Some(ResponseValue::Other) => {
            serde_json::from_str(&document.raw(name).unwrap_or_default()).unwrap_or_default()
        }
        _ => vec![ClientAuthMethod::ClientSecretBasic.name().to_owned()],
    };
    Ok(Metadata { token_endpoint, methods })
}

/// The authentication to use with what the client has.
pub(super) fn method(
    metadata: &Metadata,
    has_secret: bool,
    has_key: bool,
) -> Result<ClientAuthMethod, String> {
    let supported = |method: &ClientAuthMethod| metadata.methods.iter().any(|name| name == method.name());
    let ours: &[ClientAuthMethod] = match (has_secret, has_key) {
        (true, _) => &[ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost],
        (false, true) => &[ClientAuthMethod::PrivateKeyJwt],
        // Many servers take public clients without listing it.
        (false, false) => return Ok(ClientAuthMethod::None),
    };
    let offered = || metadata.methods.join(", ");
    ours.iter().copied().find(supported).ok_or_else(|| format!("it supports only {}", offered()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_addresses() {
        assert_eq!(
            addresses("https://idp.example/tenant/one/"),
            [
                "https://idp.example/.well-known/oauth-authorization-server/tenant/one",
                "https://idp.example/.well-known/openid-configuration/tenant/one",
                "https://idp.example/tenant/one/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            addresses("http://localhost:3000"),
            [
                "http://localhost:3000/.well-known/oauth-authorization-server",
                "http://localhost:3000/.well-known/openid-configuration",
            ]
        );
    }

    fn of(body: &str) -> Result<Metadata, String> {
        read("https://idp.example/", &ResponseBody::read(body.as_bytes(), "application/json", true).unwrap())
    }

    #[test]
    fn metadata_must_be_the_issuers_own() {
        let metadata =
            of(r#"{"issuer": "https://idp.example", "token_endpoint": "https://t.example/token"}"#).unwrap();
        assert_eq!(metadata.token_endpoint.url, "https://t.example/token");
        assert_eq!(metadata.methods, ["client_secret_basic"]);
        for (body, complaint) in [
            (r#"{"token_endpoint": "https://t.example/"}"#, "names no issuer"),
            (
                r#"{"issuer": "https://evil.example", "token_endpoint": "https://t.example/"}"#,
                "another issuer",
            ),
            (r#"{"issuer": "https://idp.example"}"#, "no token_endpoint"),
            (r#"{"issuer": "https://idp.example", "token_endpoint": "/token"}"#, "https://"),
        ] {
            assert!(of(body).unwrap_err().contains(complaint), "{body}");
        }
    }

    #[test]
    fn a_method_that_both_know() {
        for (methods, secret, key, expected) in [
            (
                r#"["client_secret_post","client_secret_basic"]"#,
                true,
                false,
                Ok(ClientAuthMethod::ClientSecretBasic),
            ),
            (r#"["client_secret_post"]"#, true, true, Ok(ClientAuthMethod::ClientSecretPost)),
            (r#"["private_key_jwt"]"#, false, true, Ok(ClientAuthMethod::PrivateKeyJwt)),
            (r#"["client_secret_basic"]"#, false, false, Ok(ClientAuthMethod::None)),
            (
                r#"["tls_client_auth", "private_key_jwt"]"#,
                true,
                false,
                Err("only tls_client_auth, private_key_jwt"),
            ),
            ("[]", true, false, Err("only")),
        ] {
            let body = format!(
                r#"{{"issuer": "https://idp.example", "token_endpoint": "https://t.example/",
                    "token_endpoint_auth_methods_supported": {methods}}}"#
            );
            match (method(&of(&body).unwrap(), secret, key), expected) {
                (Ok(method), Ok(expected)) => assert_eq!(method, expected, "{methods}"),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (found, _) => panic!("{methods}: {found:?}"),
            }
        }
    }
}

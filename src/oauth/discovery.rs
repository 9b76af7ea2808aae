//! An issuer's metadata (RFC 8414, OIDC Discovery), which names the token endpoint.

use std::fmt;

use super::endpoint::{BadUrl, EndpointUrl};
use super::provider::ClientAuthMethod;
use super::response_body::ResponseBody;

/// The members of the metadata that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub token_endpoint: EndpointUrl,
    /// `token_endpoint_auth_methods_supported`, in the order of the metadata; empty if missing.
    pub methods: Vec<String>,
}

/// Why an issuer's metadata cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum BadMetadata {
    /// The metadata belongs to another issuer.
    OtherIssuer,
    /// The metadata names no issuer.
    NoIssuer,
    /// The metadata names no token endpoint.
    NoEndpoint,
    /// The named token endpoint is no address of one.
    BadEndpoint(BadUrl),
    /// The metadata leads from https to this address without TLS. A thief who changes the metadata would get the tokens
    /// in the clear.
    PlainHttp(String),
}

impl fmt::Display for BadMetadata {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherIssuer => out.write_str("its metadata belongs to another issuer"),
            Self::NoIssuer => out.write_str("its metadata names no issuer"),
            Self::NoEndpoint => out.write_str("its metadata names no token_endpoint"),
            Self::BadEndpoint(why) => write!(out, "token_endpoint in its metadata: {why}"),
            Self::PlainHttp(shown) => write!(out, "its metadata leads to plain http, {shown}"),
        }
    }
}

/// The addresses of the metadata, in the order that MCP prescribes. RFC 8414 puts the well-known part between host and
/// path, OIDC behind the path.
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

/// Reads metadata that was found for `issuer`. Metadata of another issuer must not be used (RFC 8414 3.3).
pub(super) fn read(issuer: &EndpointUrl, document: &ResponseBody<'_>) -> Result<Metadata, BadMetadata> {
    let text = |name: &str| document.text([name]);
    // RFC 8414 compares byte for byte; people add or leave out the slash at the end.
    let same = |theirs: &str| theirs.trim_end_matches('/') == issuer.url.trim_end_matches('/');
    match text("issuer") {
        Some(theirs) if same(&theirs) => {}
        Some(_) => return Err(BadMetadata::OtherIssuer),
        None => return Err(BadMetadata::NoIssuer),
    }
    let url = text("token_endpoint").ok_or(BadMetadata::NoEndpoint)?;
    let token_endpoint = EndpointUrl::parse(&url).map_err(BadMetadata::BadEndpoint)?;
    if issuer.secure && !token_endpoint.secure {
        return Err(BadMetadata::PlainHttp(token_endpoint.shown));
    }
    let methods = document.raw("token_endpoint_auth_methods_supported").unwrap_or_default();
    Ok(Metadata { token_endpoint, methods: serde_json::from_str(&methods).unwrap_or_default() })
}

/// The first method of the metadata that fits the client's credentials, then `fallback`. `None` where the issuer
/// supports other methods only.
pub(super) fn method(
    metadata: &Metadata,
    fallback: Option<ClientAuthMethod>,
    has_secret: bool,
    has_key: bool,
) -> Option<ClientAuthMethod> {
    let listed = metadata.methods.iter().filter_map(|name| ClientAuthMethod::from_name(name));
    let fitting = listed.into_iter().find(|method| method.fits(has_secret, has_key));
    match fitting.or(fallback) {
        Some(method) => Some(method),
        // Many servers accept public clients without listing the method.
        None if !has_secret && !has_key => Some(ClientAuthMethod::None),
        // RFC 8414 2 gives the meaning of a missing list.
        None if metadata.methods.is_empty() && has_secret => Some(ClientAuthMethod::ClientSecretBasic),
        None => None,
    }
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

    fn of(body: &str) -> Result<Metadata, BadMetadata> {
        let issuer = EndpointUrl::parse("https://idp.example/").unwrap();
        read(&issuer, &ResponseBody::read(body.as_bytes(), "application/json", true).unwrap())
    }

    #[test]
    fn metadata_must_be_the_issuers_own() {
        let metadata =
            of(r#"{"issuer": "https://idp.example", "token_endpoint": "https://t.example/token"}"#).unwrap();
        assert_eq!(metadata.token_endpoint.url, "https://t.example/token");
        assert!(metadata.methods.is_empty());
        for (body, complaint) in [
            (r#"{"token_endpoint": "https://t.example/"}"#, "names no issuer"),
            (
                r#"{"issuer": "https://evil.example", "token_endpoint": "https://t.example/"}"#,
                "another issuer",
            ),
            (r#"{"issuer": "https://idp.example"}"#, "no token_endpoint"),
            (
                r#"{"issuer": "https://idp.example", "token_endpoint": "http://127.0.0.1:8080/token"}"#,
                "leads to plain http, http://127.0.0.1:8080/token",
            ),
            (
                r#"{"issuer": "https://idp.example", "token_endpoint": "http://idp.example/token"}"#,
                "leads to plain http",
            ),
            (r#"{"issuer": "https://idp.example", "token_endpoint": "/token"}"#, "https://"),
        ] {
            assert!(of(body).unwrap_err().to_string().contains(complaint), "{body}");
        }
    }

    #[test]
    fn a_method_that_both_know() {
        use ClientAuthMethod::{ClientSecretBasic, ClientSecretPost, None as Public, PrivateKeyJwt};
        for (methods, fallback, secret, key, expected) in [
            // The order is the server's.
            (r#"["client_secret_post","client_secret_basic"]"#, None, true, false, Some(ClientSecretPost)),
            (r#"["client_secret_basic","client_secret_post"]"#, None, true, false, Some(ClientSecretBasic)),
            (r#"["tls_client_auth","client_secret_basic"]"#, None, true, false, Some(ClientSecretBasic)),
            (r#"["client_secret_post"]"#, Some(ClientSecretBasic), true, true, Some(ClientSecretPost)),
            ("[]", Some(ClientSecretPost), true, false, Some(ClientSecretPost)),
            (r#"["tls_client_auth"]"#, Some(ClientSecretPost), true, false, Some(ClientSecretPost)),
            (r#"["private_key_jwt"]"#, None, false, true, Some(PrivateKeyJwt)),
            (r#"["client_secret_basic"]"#, None, false, false, Some(Public)),
            ("[]", None, true, false, Some(ClientSecretBasic)),
            ("7", None, true, false, Some(ClientSecretBasic)),
            (r#"["tls_client_auth", "private_key_jwt"]"#, None, true, false, None),
        ] {
            let body = format!(
                r#"{{"issuer": "https://idp.example", "token_endpoint": "https://t.example/",
                    "token_endpoint_auth_methods_supported": {methods}}}"#
            );
            assert_eq!(method(&of(&body).unwrap(), fallback, secret, key), expected, "{methods}");
        }
    }
}

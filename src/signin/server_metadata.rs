//! The metadata of an authorization server (RFC 8414, `OpenID` Connect Discovery), as a sign-in needs them.
//!
//! The metadata must belong to the issuer for which they were read. A document that came over https must not lead to
//! plain http.

use serde_json::Value;

use super::json;
use super::redirect::same_issuer;
use super::server::AuthorizationServer;
use crate::oauth::{EndpointUrl, ProviderRow, ServerEndpoints};

/// Reads metadata that were found for `issuer`. `permitted` tells the endpoints that may be contacted, and `row_at`
/// the provider at an endpoint.
///
/// # Errors
/// Why the metadata cannot be used, as the end of a sentence about them.
pub(super) fn read(
    issuer: &EndpointUrl,
    document: &Value,
    permitted: &dyn Fn(&EndpointUrl) -> bool,
    row_at: &dyn Fn(&EndpointUrl) -> ProviderRow,
) -> Result<AuthorizationServer, String> {
    let theirs = json::text(document, "issuer").ok_or("they name no issuer")?;
    if !same_issuer(&theirs, &issuer.url) {
        return Err("they belong to another issuer".to_owned());
    }
    let endpoint = |name: &'static str| -> Result<Option<EndpointUrl>, String> {
        let Some(url) = json::text(document, name) else { return Ok(None) };
        let endpoint = EndpointUrl::parse(&url).map_err(|error| format!("their {name}: {error}"))?;
        if !endpoint.secure && (issuer.secure || !permitted(&endpoint)) {
            return Err(format!("their {name} is plain http"));
        }
        Ok(Some(endpoint))
    };
    let s256 = json::texts(document, "code_challenge_methods_supported")
        .is_some_and(|methods| methods.iter().any(|method| method == "S256"));
    let token = endpoint("token_endpoint")?.ok_or("they name no token_endpoint")?;
    let row = row_at(&token);
    Ok(AuthorizationServer {
        title: row.title().to_owned(),
        issuer: Some(theirs),
        endpoints: ServerEndpoints {
            authorization: endpoint("authorization_endpoint")?,
            token,
            device: endpoint("device_authorization_endpoint")?,
            revocation: endpoint("revocation_endpoint")?,
        },
        registration: endpoint("registration_endpoint")?,
        methods: json::texts(document, "token_endpoint_auth_methods_supported"),
        scopes: json::texts(document, "scopes_supported").unwrap_or_default(),
        pkce: s256,
        iss_promised: document.get("authorization_response_iss_parameter_supported")
            == Some(&Value::Bool(true)),
        discovered: true,
        row,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::Providers;

    fn read_at(issuer: &str, document: &Value) -> Result<AuthorizationServer, String> {
        let row_at = |endpoint: &EndpointUrl| Providers::builtin().row_at(endpoint);
        read(&EndpointUrl::parse(issuer).unwrap(), document, &EndpointUrl::is_loopback, &row_at)
    }

    #[test]
    fn what_a_sign_in_needs() {
        let found = read_at(
            "https://idp.example/tenant",
            &json!({
                "issuer": "https://idp.example/tenant/",
                "authorization_endpoint": "https://login.example/authorize?prompt=select",
                "token_endpoint": "https://idp.example/token",
                "registration_endpoint": "https://idp.example/register",
                "code_challenge_methods_supported": ["plain", "S256"],
                "scopes_supported": ["read", 7, "offline_access"],
                "authorization_response_iss_parameter_supported": true,
            }),
        )
        .unwrap();
        assert_eq!(found.issuer.as_deref(), Some("https://idp.example/tenant/"));
        let authorization = found.endpoints.authorization.unwrap();
        assert_eq!(authorization.url, "https://login.example/authorize?prompt=select");
        assert_eq!(found.scopes, ["read", "offline_access"]);
        assert!(found.pkce && found.iss_promised && found.methods.is_none());
    }

    #[test]
    fn metadata_cannot_point_down_or_aside() {
        let token = "https://idp.example/token";
        for (issuer, document, complaint) in [
            ("https://idp.example", json!({"token_endpoint": token}), "they name no issuer"),
            (
                "https://idp.example",
                json!({"issuer": "https://evil.example", "token_endpoint": token}),
                "they belong to another issuer",
            ),
            ("https://idp.example", json!({"issuer": "https://idp.example"}), "they name no token_endpoint"),
            (
                "https://idp.example",
                json!({"issuer": "https://idp.example", "token_endpoint": "http://idp.example/token"}),
                "their token_endpoint is plain http",
            ),
            (
                "https://idp.example",
                json!({"issuer": "https://idp.example", "token_endpoint": token,
                    "authorization_endpoint": "http://127.0.0.1:1/authorize"}),
                "their authorization_endpoint is plain http",
            ),
            (
                "http://127.0.0.1:1",
                json!({"issuer": "http://127.0.0.1:1", "token_endpoint": "http://idp.example/token"}),
                "their token_endpoint is plain http",
            ),
            (
                "https://idp.example",
                json!({"issuer": "https://idp.example", "token_endpoint": "javascript:alert(1)"}),
                "their token_endpoint: ",
            ),
        ] {
            let error = read_at(issuer, &document).err().unwrap();
            assert!(error.starts_with(complaint), "{document}: {error}");
        }
        let local = json!({"issuer": "http://127.0.0.1:1", "token_endpoint": "http://127.0.0.1:1/token"});
        assert!(read_at("http://127.0.0.1:1", &local).is_ok());
    }
}

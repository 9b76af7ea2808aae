//! Dynamic client registration (RFC 7591): the request, and the answer.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::secret::{Secret, is_printable};

/// The name of this program at the authorization server, for people.
const CLIENT_NAME: &str = "token-refresher";

/// A client that a server has registered.
#[derive(Deserialize)]
pub(super) struct Registered {
    pub client_id: String,
    /// A server may issue a secret to a public client too. The secret must then be used.
    #[serde(default, deserialize_with = "secret")]
    pub client_secret: Option<Secret>,
    /// The expiry of the secret, in seconds since 1970; 0 is never.
    #[serde(default)]
    pub client_secret_expires_at: Option<i64>,
    #[serde(default)]
    pub token_endpoint_auth_method: Option<String>,
    /// The address at which the client can be read, changed and deleted (RFC 7592).
    #[serde(default)]
    pub registration_client_uri: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub registration_access_token: Option<Secret>,
}

fn secret<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    Ok(text.filter(|text| !text.is_empty()).map(Secret::new))
}

/// The variable parts of a registration request.
pub(super) struct Application<'a> {
    /// The redirect address of the sign-in; none for the device grant.
    pub redirect_uri: Option<&'a str>,
    /// The scopes, joined by blanks.
    pub scope: Option<&'a str>,
    /// Whether to request refresh tokens. Some servers refuse such a request.
    pub refresh: bool,
}

/// The body of a registration request for a public client: this program cannot keep a secret from its user.
pub(super) fn body(application: &Application<'_>) -> Value {
    let grant = match application.redirect_uri {
        Some(_) => "authorization_code",
        None => "urn:ietf:params:oauth:grant-type:device_code",
    };
    let mut grants = vec![grant];
    if application.refresh {
        grants.push("refresh_token");
    }
    let mut body = json!({
        "client_name": CLIENT_NAME,
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "grant_types": grants,
    });
    // Both members are sent even where they are empty: without them a server assumes the authorization code grant.
    body["redirect_uris"] = application.redirect_uri.into_iter().collect();
    body["response_types"] = application.redirect_uri.map(|_| "code").into_iter().collect();
    if let Some(scope) = application.scope {
        // A registration without scopes can tie the client to the server's default ones.
        body["scope"] = json!(scope);
    }
    body
}

/// Reads the answer to a successful registration.
///
/// # Errors
/// The fault of the answer.
pub(super) fn read(body: &[u8]) -> Result<Registered, &'static str> {
    let registered: Registered =
        serde_json::from_slice(body).map_err(|_| "its answer is not a client registration")?;
    let printable = |text: &str| !text.is_empty() && is_printable(text);
    let secrets = [&registered.client_secret, &registered.registration_access_token];
    if !printable(&registered.client_id)
        || secrets.into_iter().flatten().any(|secret| !printable(secret.expose()))
    {
        return Err("its client registration is not printable text");
    }
    Ok(registered)
}

/// Whether a request without refresh tokens may succeed. A server that grants none may refuse a client that requests
/// them.
pub(super) fn refused_for_its_grants(status: u16, code: Option<&str>) -> bool {
    status == 400 && code == Some("invalid_client_metadata")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let application = Application {
            redirect_uri: Some("http://127.0.0.1:7/callback"),
            scope: Some("a b"),
            refresh: true,
        };
        assert_eq!(
            body(&application),
            json!({
                "client_name": "token-refresher", "application_type": "native",
                "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
                "redirect_uris": ["http://127.0.0.1:7/callback"], "response_types": ["code"], "scope": "a b",
            })
        );
        let device = body(&Application { redirect_uri: None, scope: None, refresh: false });
        assert_eq!(device["grant_types"], json!(["urn:ietf:params:oauth:grant-type:device_code"]));
        assert_eq!((&device["redirect_uris"], &device["response_types"]), (&json!([]), &json!([])));
        assert!(device.get("scope").is_none());
    }

    #[test]
    fn what_an_answer_gives() {
        let found = read(
            br#"{"client_id": "c", "client_secret": "", "registration_access_token": "r",
                "registration_client_uri": "https://idp.example/register/c", "unknown": [1]}"#,
        )
        .ok()
        .unwrap();
        assert!(found.client_id == "c" && found.client_secret.is_none());
        assert_eq!(found.registration_access_token.unwrap().expose(), "r");
        for body in [
            &b"{}"[..],
            b"[]",
            b"",
            b"{\"client_id\": 7}",
            b"{\"client_id\": \"\"}",
            b"{\"client_id\": \"a\\n\"}",
        ] {
            assert!(read(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}

//! Errors that an endpoint names: the same code means other things at other providers, and the status
//! says little (GitHub and Slack send errors with 200).

use super::case::{Case, play};
use super::outcome::{Outcome, in_doubt, passing};
use crate::support::{Answer, Step};
use Outcome::{Configuration, SignIn};

/// At `provider`, with this status and JSON text; the message must contain `says`.
fn refused(provider: &str, status: u16, body: &str, outcome: Outcome, says: &str) -> Case {
    Case::json(provider, status, body, outcome).says(says).says(format!("HTTP {status}"))
}

/// The same with a mere error code.
fn code(provider: &str, status: u16, code: &str, outcome: Outcome) -> Case {
    refused(provider, status, &format!(r#"{{"error":"{code}"}}"#), outcome, code)
}

#[test]
fn codes_of_the_standard() {
    play(vec![
        code("acme", 400, "invalid_grant", SignIn),
        code("acme", 401, "invalid_grant", SignIn),
        code("acme", 200, "invalid_grant", SignIn),
        code("acme", 401, "invalid_client", Configuration).says("check client_id, client_secret"),
        code("acme", 400, "invalid_client", Configuration).says("acme-server-egress.json"),
        code("acme", 400, "unauthorized_client", Configuration),
        code("acme", 400, "invalid_request", Configuration),
        code("acme", 400, "unsupported_grant_type", Configuration).says("check grant_type"),
        code("acme", 400, "invalid_scope", Configuration).says("check scope"),
        code("acme", 400, "invalid_target", Configuration).says("check resource and audience"),
        // RFC 9449: the token is bound to a key that only another program has.
        code("acme", 400, "use_dpop_nonce", Configuration),
        code("acme", 400, "invalid_dpop_proof", Configuration),
        code("acme", 400, "a_code_that_nobody_knows", Configuration)
            .says("check the client and the endpoint"),
        code("acme", 400, "temporarily_unavailable", passing()),
        code("acme", 400, "server_error", passing()),
        code("acme", 200, "server_error", passing()),
        // No person can sign in for an application.
        code("acme", 400, "invalid_grant", Configuration).machine(),
        code("acme", 401, "invalid_client", Configuration).machine(),
    ]);
}

#[test]
fn dead_tokens_by_their_providers_names() {
    let reason = |reason: &str| format!(r#"{{"reason":"{reason}","error":"invalid_request"}}"#);
    let described = |code: &str, text: &str| format!(r#"{{"error":"{code}","error_description":"{text}"}}"#);
    let rapt = r#"{"error":"invalid_grant","error_subtype":"invalid_rapt"}"#;
    let grant = |text: &str| described("invalid_grant", text);
    let spent =
        r#"{"error":"invalid_request","error_description":"Value passed for the token was invalid."}"#;
    let auth0 = r#"{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}"#;
    let github = r#"{"error":"bad_refresh_token","error_uri":"https://docs.github.com",
        "error_description":"The refresh token passed is incorrect or expired."}"#;
    let hubspot = r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or unknown refresh token",
        "correlationId":"c"}"#;
    let entra = "{\"error\":\"interaction_required\",\"error_codes\":[50076],\"suberror\":\"basic_action\",\
        \"error_description\":\"AADSTS50076: Due to a configuration change made by your administrator, you must \
        use multi-factor authentication.\\r\\nTrace ID: 1\\r\\nTimestamp: 2026-11-23 00:00:00Z\"}";
    play(vec![
        refused(
            "atlassian",
            403,
            &described("unauthorized_client", "refresh_token is invalid"),
            SignIn,
            "refresh_token is invalid",
        )
        .says("sign in to Atlassian again (at https://auth.atlassian.com/authorize)"),
        refused("atlassian", 403, auth0, SignIn, "Unknown or invalid"),
        refused("github", 200, github, SignIn, "incorrect or expired").says("sign in to GitHub again"),
        code("slack", 200, "invalid_refresh_token", SignIn),
        refused("slack", 200, r#"{"ok":false,"error":"token_expired"}"#, SignIn, "token_expired"),
        refused("slack", 200, r#"{"ok":false,"error":"token_revoked"}"#, SignIn, "token_revoked"),
        refused("slack", 200, r#"{"ok":false,"error":"account_inactive"}"#, SignIn, "account_inactive"),
        refused("twitter", 400, spent, SignIn, "sign in to X again"),
        refused("zoom", 400, &reason("Invalid Token!"), SignIn, "sign in to Zoom again"),
        refused("zoom", 401, &reason("Invalid Token!"), SignIn, "sign in to Zoom again"),
        refused("hubspot", 400, hubspot, SignIn, "BAD_REFRESH_TOKEN"),
        refused("microsoft", 400, entra, SignIn, "AADSTS50076"),
        code("microsoft", 400, "consent_required", SignIn),
        refused("auth0", 403, auth0, SignIn, "sign in to Auth0 again"),
        refused("keycloak", 400, &grant("Session not active"), SignIn, "Session not active"),
        refused(
            "keycloak",
            400,
            &grant("Maximum allowed refresh token reuse exceeded"),
            SignIn,
            "reuse exceeded",
        ),
        refused(
            "okta",
            400,
            &grant("The refresh token is invalid or expired."),
            SignIn,
            "sign in to Okta again",
        ),
        refused("google", 400, &grant("Token has been expired or revoked."), SignIn, "expired or revoked"),
        refused("google", 400, rapt, SignIn, "sign in to Google again"),
        refused(
            "salesforce",
            400,
            &grant("expired access/refresh token"),
            SignIn,
            "expired access/refresh token",
        ),
        refused("dropbox", 400, &grant("refresh token is malformed"), SignIn, "malformed"),
        code("linkedin", 400, "invalid_grant", SignIn),
        code("gitlab", 400, "invalid_grant", SignIn),
        code("spotify", 400, "invalid_grant", SignIn),
    ]);
}

/// A dead token stays dead in whatever encoding its description comes.
#[test]
fn descriptions_that_are_not_utf_8() {
    let body = b"{\"error\":\"invalid_grant\",\"error_description\":\"Das Token ist ung\xfcltig\"}".to_vec();
    let answer = Answer::new(400, body).header("Content-Type", "application/json; charset=iso-8859-1");
    play(vec![Case::step("Latin-1", "acme", Step::answer(answer), SignIn).says("Das Token ist ung")]);
}

#[test]
fn settings_by_their_providers_names() {
    play(vec![
        refused(
            "atlassian",
            401,
            r#"{"error":"access_denied","error_description":"Unauthorized"}"#,
            Configuration,
            "check client_id, client_secret",
        ),
        refused(
            "auth0",
            401,
            r#"{"error":"access_denied","error_description":"Unauthorized"}"#,
            Configuration,
            "access_denied",
        ),
        code("github", 200, "incorrect_client_credentials", Configuration),
        code("github", 200, "unverified_user_email", Configuration),
        code("microsoft", 400, "unauthorized_client", Configuration),
        code("keycloak", 400, "unauthorized_client", Configuration),
        code("google", 401, "deleted_client", Configuration),
        refused(
            "slack",
            200,
            r#"{"ok":false,"error":"bad_client_secret"}"#,
            Configuration,
            "bad_client_secret",
        ),
        refused(
            "slack",
            200,
            r#"{"ok":false,"error":"invalid_client_id"}"#,
            Configuration,
            "invalid_client_id",
        ),
        // Elsewhere a dead token, without the words that say so a mistake in the request.
        code("twitter", 400, "invalid_request", Configuration),
        refused(
            "zoom",
            400,
            r#"{"reason":"Bad Request","error":"invalid_request"}"#,
            Configuration,
            "Bad Request",
        ),
        refused(
            "hubspot",
            400,
            r#"{"status":"BAD_CLIENT_ID","message":"missing or unknown client id"}"#,
            Configuration,
            "BAD_CLIENT_ID",
        ),
        code("cognito", 400, "invalid_client", Configuration),
        code("paypal", 401, "invalid_client", Configuration),
    ]);
}

#[test]
fn trouble_of_their_own_by_their_providers_names() {
    play(vec![
        code("google", 400, "internal_failure", passing()),
        code("google", 403, "rate_limit_exceeded", passing()),
        refused("slack", 200, r#"{"ok":false,"error":"ratelimited"}"#, passing(), "ratelimited"),
        refused("slack", 200, r#"{"ok":false,"error":"internal_error"}"#, passing(), "internal_error"),
        // "Some aspect of the operation may have succeeded."
        refused("slack", 200, r#"{"ok":false,"error":"fatal_error"}"#, in_doubt(), "may be spent"),
        refused(
            "salesforce",
            400,
            r#"{"error":"unknown_error","error_description":"retry your request"}"#,
            passing(),
            "retry your request",
        ),
        refused(
            "paypal",
            400,
            r#"{"name":"INTERNAL_SERVER_ERROR","message":"An internal server error has occurred"}"#,
            passing(),
            "INTERNAL_SERVER_ERROR",
        ),
        refused(
            "microsoft",
            400,
            r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033"}"#,
            passing(),
            "AADSTS90033",
        ),
    ]);
}

//! The meaning of a failure: from status, error code and the provider's rules to a [`Class`].
//!
//! Total: every combination has a class. The first source that applies decides: a provider's rule, a status about the
//! server's health, the error code, the mere shape.

use super::outcome::{Class, GrantType};
use super::provider::ErrorRules;
use super::token_response::is_dead_grant;

/// The facts of an answer that is no success.
pub(super) struct Situation<'a> {
    pub status: u16,
    /// Whether the whole body arrived.
    pub complete: bool,
    pub code: Option<&'a str>,
    /// The text of a member of the body.
    pub text: &'a dyn Fn(&str) -> Option<String>,
}

/// The class of the answer.
pub(super) fn class(
    situation: &Situation<'_>,
    rules: &ErrorRules,
    grant: GrantType,
    may_rotate: bool,
) -> Class {
    let class = by_rule(situation, rules)
        .or_else(|| by_status(situation.status))
        .or_else(|| by_code(situation, rules))
        .unwrap_or_else(|| by_shape(situation));
    settled(class, grant, may_rotate)
}

/// The class of a request that left and got no answer.
pub(super) const fn no_answer(grant: GrantType, may_rotate: bool) -> Class {
    settled(Class::InDoubt, grant, may_rotate)
}

/// Corrects a class for the grant: only a refresh token can be spent, and only a person can sign in.
const fn settled(class: Class, grant: GrantType, may_rotate: bool) -> Class {
    match (class, grant) {
        (Class::InDoubt, GrantType::RefreshToken) if may_rotate => Class::InDoubt,
        (Class::InDoubt, _) => Class::Passing,
        (Class::SignInAgain, GrantType::ClientCredentials) => Class::Configuration,
        _ => class,
    }
}

fn by_rule(situation: &Situation<'_>, rules: &ErrorRules) -> Option<Class> {
    let holds = |rule: &&super::provider::ErrorRule| {
        let status = rule.status.is_empty() || rule.status.contains(&situation.status);
        let code = rule.code.is_none() || rule.code.as_deref() == situation.code;
        let field = rule.field.as_deref().unwrap_or("error_description");
        let text = || (situation.text)(field).unwrap_or_default();
        status && code && rule.contains.as_deref().is_none_or(|part| text().contains(part))
    };
    rules.rules.iter().find(holds).map(|rule| rule.class)
}

/// The class of a status about the server's health. 502 and 504 come from a gateway that passed the request on and lost
/// the answer. So do Cloudflare's 520 (the origin's answer made no sense) and 524 (no answer came).
const fn by_status(status: u16) -> Option<Class> {
    match status {
        502 | 504 | 520 | 524 => Some(Class::InDoubt),
        429 | 500..=599 => Some(Class::Passing),
        _ => None,
    }
}

/// The class of a code of RFC 6749 5.2, or of two codes of 4.1.2.1 seen in practice. An unknown code with the status of
/// an OAuth error is a matter for a person. With another status the answer is a page of a web framework or gateway, as
/// during a deployment.
fn by_code(situation: &Situation<'_>, rules: &ErrorRules) -> Option<Class> {
    let code = situation.code?;
    let lists = [
        (&rules.sign_in_again, Class::SignInAgain),
        (&rules.configuration, Class::Configuration),
        (&rules.passing, Class::Passing),
    ];
    let listed = lists.into_iter().find(|(codes, _)| codes.iter().any(|known| known == code));
    match (listed, code) {
        (Some((_, class)), _) => Some(class),
        (None, code) if is_dead_grant(code) => Some(Class::SignInAgain),
        (None, "temporarily_unavailable" | "server_error") => Some(Class::Passing),
        (None, code) if REGISTERED.contains(&code) => Some(Class::Configuration),
        (None, _) => matches!(situation.status, 200..=299 | 400 | 401 | 403).then_some(Class::Configuration),
    }
}

/// The codes of RFC 6749 5.2, 8707 2 and 9449 for a mistake in a setting.
const REGISTERED: [&str; 8] = [
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "unauthorized_client",
    "unsupported_grant_type",
    "use_dpop_nonce",
];

const fn by_shape(situation: &Situation<'_>) -> Class {
    match situation.status {
        // A redirect is never followed, since the request would carry the credentials to any address.
        300..=399 => Class::Configuration,
        _ if !situation.complete => Class::InDoubt,
        200..=299 => Class::InDoubt,
        // A proxy's or firewall's page, which tells nothing about the credential.
        _ => Class::Passing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::provider::Rotation;
    use crate::oauth::providers::Providers;
    use Class::{Configuration, InDoubt, Passing, SignInAgain};

    fn of(
        provider: &str,
        status: u16,
        code: Option<&str>,
        field: Option<(&str, &str)>,
        complete: bool,
    ) -> Class {
        let providers = Providers::builtin();
        let row = providers.named(provider).cloned().unwrap_or_default();
        let text = |name: &str| field.filter(|(known, _)| *known == name).map(|(_, text)| text.to_owned());
        let situation = Situation { status, complete, code, text: &text };
        class(&situation, row.errors.get(), GrantType::RefreshToken, row.rotation != Rotation::Never)
    }

    #[test]
    fn without_a_provider_rfc_6749_holds() {
        for (status, code, expected) in [
            (400, Some("invalid_grant"), SignInAgain),
            (401, Some("invalid_grant"), SignInAgain),
            (200, Some("invalid_grant"), SignInAgain),
            (400, Some("invalid_client"), Configuration),
            (401, Some("invalid_client"), Configuration),
            (400, Some("invalid_scope"), Configuration),
            (400, Some("invalid_target"), Configuration),
            (400, Some("unauthorized_client"), Configuration),
            (400, Some("invalid_request"), Configuration),
            (400, Some("something_new"), Configuration),
            (400, Some("INVALID_GRANT"), SignInAgain),
            (400, Some("bad_refresh_token"), SignInAgain),
            (401, Some("Invalid_Refresh_Token"), SignInAgain),
            (404, Some("Not Found"), Passing),
            (405, Some("Method Not Allowed"), Passing),
            (404, Some("invalid_client"), Configuration),
            (404, Some("invalid_grant"), SignInAgain),
            (410, Some("gone"), Passing),
            (400, Some("temporarily_unavailable"), Passing),
            (200, Some("server_error"), Passing),
            (429, Some("invalid_grant"), Passing),
            (500, Some("invalid_grant"), Passing),
            (503, None, Passing),
            (501, None, Passing),
            (599, None, Passing),
            (502, None, InDoubt),
            (504, Some("invalid_client"), InDoubt),
            (524, None, InDoubt),
            (200, None, InDoubt),
            (201, None, InDoubt),
            (204, None, InDoubt),
            (301, None, Configuration),
            (302, None, Configuration),
            (307, None, Configuration),
            (400, None, Passing),
            (403, None, Passing),
            (404, None, Passing),
            (408, None, Passing),
            (425, None, Passing),
            (101, None, Passing),
            (999, None, Passing),
        ] {
            assert_eq!(of("nobody", status, code, None, true), expected, "{status} {code:?}");
        }
        for (status, expected) in
            [(200, InDoubt), (400, InDoubt), (429, Passing), (500, Passing), (302, Configuration)]
        {
            assert_eq!(of("nobody", status, None, None, false), expected, "{status} cut");
        }
    }

    #[test]
    fn providers_differ() {
        let description = |text| Some(("error_description", text));
        let spent = description("Value passed for the token was invalid.");
        for (provider, status, code, field, expected) in [
            ("atlassian", 403, "unauthorized_client", description("refresh_token is invalid"), SignInAgain),
            ("atlassian", 403, "invalid_grant", None, SignInAgain),
            ("atlassian", 401, "access_denied", None, Configuration),
            ("github", 200, "bad_refresh_token", None, SignInAgain),
            ("github", 200, "incorrect_client_credentials", None, Configuration),
            ("github", 200, "unverified_user_email", None, Configuration),
            ("google", 400, "internal_failure", None, Passing),
            ("google", 401, "deleted_client", None, Configuration),
            ("microsoft", 400, "interaction_required", None, SignInAgain),
            ("microsoft", 400, "unauthorized_client", None, Configuration),
            ("slack", 200, "token_revoked", None, SignInAgain),
            ("slack", 200, "bad_client_secret", None, Configuration),
            ("slack", 200, "ratelimited", None, Passing),
            ("slack", 200, "fatal_error", None, InDoubt),
            ("twitter", 400, "invalid_request", spent, SignInAgain),
            ("twitter", 400, "invalid_request", None, Configuration),
            ("twitter", 503, "invalid_request", spent, Passing),
            ("zoom", 400, "invalid_request", Some(("reason", "Invalid Token!")), SignInAgain),
            ("zoom", 400, "invalid_request", None, Configuration),
            ("hubspot", 400, "BAD_REFRESH_TOKEN", None, SignInAgain),
            ("hubspot", 400, "BAD_CLIENT_ID", None, Configuration),
            ("salesforce", 400, "unknown_error", None, Passing),
            ("paypal", 400, "INTERNAL_SERVER_ERROR", None, Passing),
            ("auth0", 403, "invalid_grant", None, SignInAgain),
            ("auth0", 401, "access_denied", None, Configuration),
            ("auth0", 429, "too_many_requests", None, Passing),
        ] {
            assert_eq!(of(provider, status, Some(code), field, true), expected, "{provider} {status} {code}");
        }
        // Without rotation no token can be lost.
        assert_eq!(of("google", 502, None, None, true), Passing);
        assert_eq!(of("google", 200, None, None, false), Passing);
    }

    #[test]
    fn an_application_has_nothing_to_lose_and_nobody_to_sign_in() {
        let rules = ErrorRules::default();
        let machine = GrantType::ClientCredentials;
        let text = |_: &str| None;
        for (status, code, expected) in
            [(400, Some("invalid_grant"), Configuration), (502, None, Passing), (200, None, Passing)]
        {
            let situation = Situation { status, complete: true, code, text: &text };
            assert_eq!(class(&situation, &rules, machine, true), expected);
        }
        assert_eq!(no_answer(machine, true), Passing);
        assert_eq!(no_answer(GrantType::RefreshToken, true), InDoubt);
        assert_eq!(no_answer(GrantType::RefreshToken, false), Passing);
    }
}

//! The redirect by which an authorization server sends the person back, and the meaning of its parameters.
//!
//! The same rules hold for a request to the listener and for a pasted address. A redirect counts only with this
//! sign-in's `state` and the authorization server's issuer (RFC 9207).

use crate::oauth::form_decode;
use crate::secret::Secret;

/// The facts that a redirect must match.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// The `state` of the authorization request.
    pub state: String,
    /// The issuer, where known.
    pub issuer: Option<String>,
    /// Whether the server's metadata promise `iss` in every redirect.
    pub iss_promised: bool,
}

/// The meaning of a redirect.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The code, which can be redeemed once.
    Code(Secret),
    /// The authorization server refused. Its error code and description, as received.
    Refused(String, Option<String>),
    /// The redirect belongs to another sign-in: its `state` differs.
    OtherState,
    /// The redirect comes from another issuer, or names none although the metadata promise one.
    OtherIssuer(Option<String>),
    /// The query is no redirect: it has neither code nor error, or has a parameter twice.
    NoRedirect,
}

pub(super) fn judge(query: &str, expected: &Expected) -> Verdict {
    let Some(parameters) = Parameters::read(query) else { return Verdict::NoRedirect };
    if parameters.code.is_none() && parameters.error.is_none() {
        return Verdict::NoRedirect;
    }
    if parameters.state.as_ref().is_none_or(|state| state.expose() != expected.state) {
        return Verdict::OtherState;
    }
    match (&parameters.iss, &expected.issuer) {
        (Some(theirs), Some(issuer)) if !same_issuer(theirs, issuer) => {
            return Verdict::OtherIssuer(parameters.iss);
        }
        (None, Some(_)) if expected.iss_promised => return Verdict::OtherIssuer(None),
        _ => {}
    }
    match (parameters.error, parameters.code) {
        (Some(error), _) => Verdict::Refused(error, parameters.description),
        (None, Some(code)) => Verdict::Code(code),
        (None, None) => Verdict::NoRedirect,
    }
}

/// Whether two spellings name one issuer: a slash at the end makes no difference.
pub(super) fn same_issuer(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// The known parameters of a redirect.
#[derive(Default)]
struct Parameters {
    code: Option<Secret>,
    state: Option<Secret>,
    iss: Option<String>,
    error: Option<String>,
    description: Option<String>,
}

impl Parameters {
    /// `None` where a known parameter is there twice (RFC 6749 3.1) or is not UTF-8.
    fn read(query: &str) -> Option<Self> {
        let mut found = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = || form_decode(value);
            let (place, value) = match name {
                "code" | "state" => {
                    let place = if name == "code" { &mut found.code } else { &mut found.state };
                    let secret = Secret::new(text()?);
                    if place.is_some() {
                        return None;
                    }
                    *place = (!secret.expose().is_empty()).then_some(secret);
                    continue;
                }
                "iss" => (&mut found.iss, text()?),
                "error" => (&mut found.error, text()?),
                "error_description" => (&mut found.description, text()?),
                _ => continue,
            };
            if place.is_some() {
                return None;
            }
            *place = (!value.is_empty()).then_some(value);
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expected(iss_promised: bool) -> Expected {
        Expected { state: "s t".to_owned(), issuer: Some("https://idp.example".to_owned()), iss_promised }
    }

    #[test]
    fn only_this_sign_ins_redirect_counts() {
        let code = || Verdict::Code(Secret::new("a/b+c"));
        let other = |iss: &str| Verdict::OtherIssuer(Some(iss.to_owned()));
        let refused =
            |error: &str, text: Option<&str>| Verdict::Refused(error.to_owned(), text.map(str::to_owned));
        for (query, verdict) in [
            ("code=a%2Fb%2Bc&state=s+t", code()),
            ("state=s%20t&iss=https%3A%2F%2Fidp.example%2F&code=a/b%2Bc&extra=1", code()),
            ("code=x", Verdict::OtherState),
            ("code=x&state=", Verdict::OtherState),
            ("code=x&state=other", Verdict::OtherState),
            ("error=access_denied&state=other", Verdict::OtherState),
            ("code=x&state=s+t&iss=https://evil.example", other("https://evil.example")),
            ("error=server_error&state=s+t&iss=https://evil.example", other("https://evil.example")),
            ("error=access_denied&state=s+t", refused("access_denied", None)),
            ("code=x&error=e&error_description=why+not&state=s+t", refused("e", Some("why not"))),
            ("", Verdict::NoRedirect),
            ("state=s+t", Verdict::NoRedirect),
            ("code=&state=s+t", Verdict::NoRedirect),
            ("code=x&code=y&state=s+t", Verdict::NoRedirect),
            ("code=x&state=s+t&state=s+t", Verdict::NoRedirect),
            ("code=%ff&state=s+t", Verdict::NoRedirect),
        ] {
            assert_eq!(judge(query, &expected(false)), verdict, "{query}");
        }
    }

    #[test]
    fn an_issuer_that_is_promised_must_come() {
        let query = "code=x&state=s+t";
        assert_eq!(judge(query, &expected(true)), Verdict::OtherIssuer(None));
        let unknown = Expected { issuer: None, ..expected(false) };
        let with_issuer = "code=x&state=s+t&iss=https://anywhere.example";
        assert_eq!(judge(with_issuer, &unknown), Verdict::Code(Secret::new("x")));
    }

    proptest! {
        #[test]
        fn no_query_panics_and_none_without_the_state_gives_a_code(query in any::<String>()) {
            prop_assert!(!matches!(judge(&query, &expected(false)), Verdict::Code(_)));
        }
    }
}

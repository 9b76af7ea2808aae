//! The properties of the finished request.

use super::*;

#[test]
fn what_a_request_knows() {
    let members =
        [("provider", "atlassian"), ("refresh_token", ""), ("client_id", "c"), ("client_secret", "s")];
    let atlassian = request(&config("atlassian-egress.json", &members), &EMPTY);
    assert_eq!(atlassian.provider(), "atlassian");
    assert!(atlassian.may_rotate());
    assert_eq!(atlassian.grace().unwrap().as_secs(), 600);
    assert_eq!(atlassian.default_lifetime().unwrap().as_secs(), 3600);
    assert_eq!(atlassian.remedy(), "sign in to Atlassian again (at https://auth.atlassian.com/authorize)");
    let members = [
        ("token_endpoint", "https://idp.example/t"),
        ("refresh_token", ""),
        ("client_id", "c"),
        ("provider", "acme"),
    ];
    let acme = request(&config("f.json", &members), &EMPTY);
    assert_eq!((acme.provider(), acme.grace(), acme.may_rotate()), ("acme", None, true));
    assert_eq!(acme.endpoint_key(), "https://idp.example");
    let realm = [("token_endpoint", "http://127.0.0.1:8080/realms/a/token?x"), members[1], members[2]];
    assert_eq!(request(&config("f.json", &realm), &EMPTY).endpoint_key(), "http://127.0.0.1:8080");
    assert_eq!(request(&config("f.json", &members[..3]), &EMPTY).provider(), "idp.example");
}

#[test]
fn a_fingerprint_changes_with_everything_that_is_sent() {
    let members = [
        ("token_endpoint", "https://idp.example/t"),
        ("refresh_token", ""),
        ("client_id", "c"),
        ("client_secret", "s"),
        ("audience", "a"),
    ];
    let fingerprint = |members: &[(&str, &str)]| request(&config("f.json", members), &EMPTY).fingerprint();
    let with = |more: &[(&'static str, &'static str)]| fingerprint(&[&members[..], more].concat());
    let first = fingerprint(&members);
    assert_eq!(first, with(&[]));
    let mut seen = vec![
        first,
        with(&[("token_endpoint", "https://idp.example/t?x")]),
        with(&[("token_endpoint", ""), ("issuer", "https://idp.example/t")]),
        with(&[("grant_type", "client_credentials")]),
        with(&[("client_id", "d")]),
        with(&[("client_secret", "t")]),
        with(&[("private_key", "k")]),
        with(&[("token_endpoint_auth_method", "none")]),
        with(&[("token_endpoint_auth_method", "client_secret_basic")]),
        with(&[("audience", "b")]),
        with(&[("resource", "b")]),
        // The texts of two neighbours must not mix.
        with(&[("audience", "a8:resource1:b")]),
        with(&[("audience", "a:resource:b")]),
        with(&[("audience", "aresourceb")]),
        with(&[("token_endpoint_auth_method", "client_secret_post"), ("provider", "notion")]),
        with(&[("token_endpoint_auth_method", "client_secret_post"), ("provider", "sentry-integration")]),
    ];
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

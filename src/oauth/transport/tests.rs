//! Tests for the parent module.

use super::*;

#[test]
fn a_panic_in_the_library_is_a_failure_of_the_request() {
    // `std::thread::spawn` panics so where no thread can be started.
    let outcome = run(|| -> Result<(), ureq::Error> { panic!("failed to spawn thread") });
    let reply = no_reply(&outcome.unwrap_err(), false);
    assert!(reply.cause == Cause::Local && reply.why == "out of threads or memory");
    let outcome = run(|| -> Result<(), ureq::Error> { panic!("index out of bounds, r-secret") });
    let reply = no_reply(&outcome.unwrap_err(), false);
    assert!(reply.cause == Cause::Connection && reply.why == "the HTTP library failed");
}

#[test]
fn only_proxies_that_can_be_spoken_to() {
    for (address, refusal) in [
        ("http://proxy.example:3128", None),
        ("proxy.example:3128", None),
        ("HTTPS://user:word@proxy.example", None),
        ("socks5h://proxy.example:1080", Some("names a socks5h proxy, which is not supported")),
        ("socks5://user:hidden@proxy.example:1080", Some("names a socks5 proxy")),
        ("SOCKS4A://proxy.example:1080", Some("names a socks4a proxy")),
        ("socks://proxy.example", Some("names a socks proxy")),
        ("ftp://proxy.example", Some("is not the address of a proxy")),
        ("http://", Some("is not the address of a proxy")),
    ] {
        let error = parsed_proxy(address).err();
        assert_eq!(error.is_some(), refusal.is_some(), "{address}: {error:?}");
        let error = error.unwrap_or_default();
        assert!(error.contains(refusal.unwrap_or_default()) && !error.contains("hidden"), "{error}");
    }
}

#[test]
fn a_body_notices_its_first_reading() {
    let mut body = Watched { rest: b"abc", asked: false, before: &|| Ok(()) };
    assert!(!body.asked);
    let mut text = String::new();
    body.read_to_string(&mut text).unwrap();
    assert!(body.asked && text == "abc");
}

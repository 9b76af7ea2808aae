//! The services, their addresses, and their headers.

use super::super::signed_out::SignedOut;
use super::*;
use crate::servers::read_server;

const GATEWAY: Option<&str> = Some("https://gateway.example");

fn egress(name: &str) -> Egress<'_> {
    Egress {
        name,
        provider: None,
        access_token: Secret::new(format!("{name}-token")),
        cloud_id: None,
        server_url: None,
    }
}

fn ingress(provider: &str) -> Ingress {
    // The file has more members than any one provider writes, so that each provider's choice is seen.
    Ingress {
        provider: Some(provider.to_owned()),
        access_token: Secret::new("eyJfake-ing"),
        client_id: Some("client-1".to_owned()),
        user_pool_id: Some("us-east-1_FAKEPOOL1".to_owned()),
        region: None,
        realm: Some("realm-1".to_owned()),
        keycloak_url: Some("http://127.0.0.1:8080".to_owned()),
    }
}

fn server(file: &str, text: &str) -> Server {
    read_server(file, text).unwrap().unwrap()
}

fn urls(services: &Services) -> Vec<(&str, &str, bool)> {
    let row = |service: &'_ Service| service.authorization.is_some();
    services.list.iter().map(|service| (service.name.as_str(), service.url.as_str(), row(service))).collect()
}

fn header_lines(service: &Service) -> Vec<String> {
    service.headers().map(|header| format!("{}: {}", header.name, header.value.to_text().expose())).collect()
}

#[test]
fn tokens_and_servers_without_sign_in_become_services_by_name() {
    let servers = [
        server("atlassian.json", include_str!("../../../tests/fixtures/servers/atlassian.json")),
        server("currenttime.json", include_str!("../../../tests/fixtures/servers/currenttime.json")),
        server("fininfo.json", include_str!("../../../tests/fixtures/servers/fininfo.json")),
        server("plain.json", include_str!("../../../tests/fixtures/servers/no-auth-key.json")),
    ];
    let all =
        services(&[egress("sre-gateway"), egress("fininfo"), egress("atlassian")], None, &servers, GATEWAY);
    assert_eq!(
        urls(&all),
        [
            ("atlassian", "https://gateway.example/atlassian", true),
            ("currenttime", "https://gateway.example/currenttime/mcp", false),
            ("fininfo", "https://gateway.example/fininfo/sse", true),
            ("sre-gateway", "https://gateway.example/mcp/sre-gateway/mcp", true),
        ]
    );
    assert_eq!(all.list[2].transport, McpTransport::Sse);
    assert!(all.warnings.is_empty(), "{:?}", all.warnings);
}

/// The gateway adds the credentials of these servers, and wants its own token for that.
#[test]
fn servers_behind_the_gateway_are_there_with_its_headers_where_it_has_a_token() {
    let servers = [
        server("youcom.json", r#"{"path": "/youcom/", "auth_scheme": "bearer"}"#),
        server("xquik.json", r#"{"path": "/xquik", "auth_scheme": "api_key"}"#),
        server("local.json", r#"{"path": "/local"}"#),
        server("jira.json", r#"{"path": "/jira", "auth_type": "oauth", "auth_provider": "atlassian"}"#),
        server("time.json", r#"{"path": "/time", "auth_scheme": "none"}"#),
    ];
    let all = services(&[], Some(&ingress("entra")), &servers, GATEWAY);
    let names: Vec<_> = all.list.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["local", "time", "xquik", "youcom"]);
    for service in &all.list {
        assert_eq!(header_lines(service)[0], "X-Authorization: Bearer eyJfake-ing");
    }
    let signed_out = SignedOut { server: "jira".to_owned(), provider: Some("atlassian".to_owned()) };
    assert_eq!(all.signed_out, [signed_out]);

    // Without the gateway's token, or with one that cannot be sent, every request would be refused.
    let mut broken = ingress("entra");
    broken.access_token = Secret::new("a\nb");
    for gateway in [None, Some(&broken)] {
        let all = services(&[egress("jira")], gateway, &servers, GATEWAY);
        let names: Vec<_> = all.list.iter().map(|service| service.name.as_str()).collect();
        assert_eq!((names, all.signed_out), (vec!["jira", "time"], vec![]));
    }
}

/// Other programs write registry files. A file chooses a path under the gateway and nothing else.
#[test]
fn no_member_of_a_registry_file_chooses_a_host() {
    let evil = "https://evil.example/mcp";
    for path in ["//evil.example/x", "/@evil.example", "/x", ":8080/x", "/.evil.example", ".evil.example"] {
        for member in [
            "proxy_pass_url",
            "server_name",
            "url",
            "mcp_endpoint",
            "sse_endpoint",
            "registry_url",
            "issuer",
            "token_endpoint",
            "auth_provider",
            "auth_type",
            "auth_scheme",
        ] {
            let text =
                format!(r#"{{"{member}": "{evil}", "path": "{path}", "headers": [{{"Host": "{evil}"}}]}}"#);
            let there = [server("a.json", &text)];
            let with_token = there[0].name.clone();
            for tokens in [vec![], vec![egress(&with_token)]] {
                for service in services(&tokens, Some(&ingress("entra")), &there, GATEWAY).list {
                    assert!(service.url.starts_with("https://gateway.example/"), "{text}: {}", service.url);
                    assert!(
                        !header_lines(&service).iter().any(|line| line.contains("https://evil")),
                        "{text}"
                    );
                }
            }
        }
    }
}

#[test]
fn where_a_token_and_a_server_without_sign_in_share_a_name_the_token_wins() {
    let both = [server("t.json", r#"{"path": "/tools/currenttime/", "auth_type": "none"}"#)];
    let all = services(&[egress("currenttime")], None, &both, GATEWAY);
    assert_eq!(urls(&all), [("currenttime", "https://gateway.example/tools/currenttime/mcp", true)]);
}

#[test]
fn a_server_with_an_address_of_its_own_gets_no_header_of_the_gateway() {
    for (url, fine, gateway_headers) in [
        ("https://mcp.linear.app/mcp", true, false),
        ("https://gateway.example/linear/mcp", true, true),
        ("https://GATEWAY.example:443/linear/mcp", true, true),
        ("http://gateway.example/linear/mcp", true, false),
        ("https://gateway.example.evil.example/mcp", true, false),
        ("https://mcp.linear.app/sse", true, false),
        ("mcp.linear.app/mcp", false, false),
        ("https://user:word@mcp.linear.app/mcp", false, false),
        ("", false, false),
    ] {
        let mut token = egress("linear");
        token.server_url = Some(url);
        // The registry's server of that name does not change the address.
        let servers = [server("a.json", r#"{"path": "/linear", "auth_type": "none"}"#)];
        let all = services(&[token], Some(&ingress("entra")), &servers, GATEWAY);
        assert_eq!(all.list.len(), usize::from(fine), "{url}: {:?}", all.warnings);
        let Some(service) = all.list.first() else {
            assert!(all.warnings[0].contains("server_url") && !all.warnings[0].contains("word"));
            continue;
        };
        assert_eq!((service.url.as_str(), service.behind_gateway), (url, gateway_headers));
        let sse = service.transport == McpTransport::Sse;
        assert_eq!((sse, header_lines(service).len() > 1), (url.ends_with("/sse"), gateway_headers), "{url}");
    }
    let mut token = egress("linear");
    token.server_url = Some("https://mcp.linear.app/mcp");
    assert!(services(&[token], None, &[], None).warnings.is_empty(), "no gateway is needed");
}

#[test]
fn two_servers_with_one_name_are_both_there() {
    let both = [
        server("a.json", r#"{"path": "/east/time", "auth_type": "none"}"#),
        server("b.json", r#"{"path": "/west/time", "auth_type": "none"}"#),
        server("c.json", r#"{"path": "/west/time", "auth_type": "none"}"#),
    ];
    let all = services(&[], None, &both, GATEWAY);
    let there = [
        ("time", "https://gateway.example/east/time/mcp", false),
        ("west-time", "https://gateway.example/west/time/mcp", false),
    ];
    assert_eq!(urls(&all), there);
    assert!(
        all.warnings[0].contains("b.json") && all.warnings[0].contains("west-time"),
        "{:?}",
        all.warnings
    );
    assert!(
        all.warnings.iter().any(|line| line.contains("another service has its name")),
        "{:?}",
        all.warnings
    );
}

/// The warning for the second server was "another server is called currenttime; this one is currenttime".
#[test]
fn a_server_without_a_free_name_is_told_so() {
    for (first, second, name) in [
        ("/currenttime", "/currenttime", "currenttime"),
        ("/currenttime", "/currenttime/", "currenttime"),
        ("/east/time", "/east/time", "time"),
    ] {
        let of = |file, path| server(file, &format!(r#"{{"path": "{path}", "auth_type": "none"}}"#));
        let all =
            services(&[], None, &[of("a.json", first), of("b.json", second), of("c.json", second)], GATEWAY);
        assert!(all.list.iter().any(|service| service.name == name));
        let last = all.warnings.last().unwrap();
        assert!(
            last.starts_with("c.json stands in no configuration: another service has its name"),
            "{last}"
        );
        let nonsense = format!("is called {name}; this one is {name}");
        assert!(all.warnings.iter().all(|line| !line.contains(&nonsense)), "{:?}", all.warnings);
    }
}

#[test]
fn without_a_gateway_address_it_is_localhost_with_a_warning() {
    let all = services(&[egress("a b")], None, &[], None);
    assert_eq!(urls(&all), [("a b", "http://localhost/mcp/a%20b/mcp", true)]);
    assert!(all.warnings[0].contains("REGISTRY_URL"), "{:?}", all.warnings);
    assert!(services(&[], None, &[], None).warnings.is_empty());
    let slash = services(&[egress("a")], None, &[], Some("https://gateway.example/base//"));
    assert_eq!(slash.list[0].url, "https://gateway.example/base/mcp/a/mcp");
}

#[test]
fn each_provider_sends_its_own_gateway_headers() {
    for (provider, wanted) in [
        (
            "cognito_m2m",
            ["X-User-Pool-Id: us-east-1_FAKEPOOL1", "X-Client-Id: client-1", "X-Region: us-east-1"]
                .as_slice(),
        ),
        (
            "keycloak_m2m",
            &["X-Client-Id: client-1", "X-Keycloak-Realm: realm-1", "X-Keycloak-URL: http://127.0.0.1:8080"],
        ),
        (
            "keycloak",
            &["X-Client-Id: client-1", "X-Keycloak-Realm: realm-1", "X-Keycloak-URL: http://127.0.0.1:8080"],
        ),
    ] {
        let all = services(&[egress("a")], Some(&ingress(provider)), &[], GATEWAY);
        let lines = header_lines(&all.list[0]);
        assert_eq!(
            lines[..2],
            ["Authorization: Bearer a-token", "X-Authorization: Bearer eyJfake-ing"],
            "{provider}"
        );
        assert_eq!(&lines[2..], wanted, "{provider}");
    }
    // Entra has neither pool nor realm. A file without a provider sends all values that it holds.
    let mut entra = ingress("entra_m2m");
    (entra.user_pool_id, entra.realm, entra.keycloak_url) = (None, None, None);
    let all =
        services(&[], Some(&entra), &[server("t.json", r#"{"path": "/t", "auth_type": "none"}"#)], GATEWAY);
    assert_eq!(header_lines(&all.list[0]), ["X-Authorization: Bearer eyJfake-ing", "X-Client-Id: client-1"]);
}

#[test]
fn a_file_may_name_another_region_than_its_pool() {
    let mut cognito = ingress("cognito");
    cognito.region = Some("eu-west-1".to_owned());
    let all = services(&[egress("a")], Some(&cognito), &[], GATEWAY);
    assert!(header_lines(&all.list[0]).contains(&"X-Region: eu-west-1".to_owned()));
}

#[test]
fn the_site_goes_with_atlassians_tokens_only() {
    for (provider, sent) in [(Some("atlassian"), true), (None, true), (Some("google"), false)] {
        let mut token = egress("a");
        token.provider = provider;
        token.cloud_id = Some("site-1");
        let lines = header_lines(&services(&[token], None, &[], GATEWAY).list[0]);
        assert_eq!(lines.contains(&"X-Atlassian-Cloud-Id: site-1".to_owned()), sent, "{provider:?}");
    }
}

#[test]
fn what_cannot_stand_in_a_header_is_left_out_and_said_without_the_value() {
    for bad in ["tok\nX-Admin: 1", "tok\r", "tok\u{0}", " tok", "", "tök", "tok\u{7f}"] {
        let mut token = egress("a");
        token.access_token = Secret::new(bad);
        let all = services(&[token, egress("b")], None, &[], GATEWAY);
        assert_eq!(urls(&all).len(), 1, "{bad:?}");
        assert!(all.warnings[0].starts_with("a stands in no configuration"), "{:?}", all.warnings);
        assert!(!all.warnings[0].contains("tok\n") && !all.warnings[0].contains('\u{0}'));

        let mut gateway = ingress("keycloak");
        gateway.access_token = Secret::new(bad);
        let all = services(&[egress("b")], Some(&gateway), &[], GATEWAY);
        assert_eq!(header_lines(&all.list[0]), ["Authorization: Bearer b-token"], "{bad:?}");
        assert!(all.warnings[0].contains("gateway token"), "{:?}", all.warnings);
    }
    let mut gateway = ingress("keycloak");
    gateway.realm = Some("a\nb".to_owned());
    let all = services(&[egress("b"), egress("c\u{1b}[31m")], Some(&gateway), &[], GATEWAY);
    assert_eq!(header_lines(&all.list[0]).len(), 4);
    assert!(all.warnings[0].contains("X-Keycloak-Realm"), "{:?}", all.warnings);
    assert!(all.warnings[1].contains("control characters") && !all.warnings[1].contains('\u{1b}'));
}

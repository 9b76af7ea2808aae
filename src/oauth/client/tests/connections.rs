//! The result of connections: refused, silent, reused, through a proxy, to an issuer.

use super::*;
use crate::oauth::Concerns;

#[test]
fn silence_is_in_doubt_once_the_request_left() {
    for start in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"] {
        let (port, serving) = serve(vec![Step::Stall(start)]);
        let settings = HttpSettings { total_timeout: Duration::from_millis(300), ..HttpSettings::default() };
        let client = TokenClient::new(&settings).unwrap();
        let failure = ask(&client, &person("nobody", &format!("http://127.0.0.1:{port}/"))).err().unwrap();
        assert!(
            failure.class == Class::InDoubt && failure.concerns == Concerns::Endpoint,
            "{}",
            failure.message
        );
        assert!(failure.message.contains("did not come in time"), "{}", failure.message);
        drop(client);
        assert_eq!(serving.join().unwrap().len(), 1);
    }
}

#[test]
fn what_never_left_is_passing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = ask(&client(), &person("nobody", &format!("http://127.0.0.1:{free}/t"))).err().unwrap();
    assert!(refused.class == Class::Passing && refused.concerns == Concerns::Endpoint);
    assert_eq!(
        refused.message,
        format!("cannot reach http://127.0.0.1:{free}/t: connection refused; nothing was sent")
    );
    // The other side hangs up on the TLS handshake.
    let (port, serving) = serve(vec![Step::HangUp]);
    let failure = ask(&client(), &person("nobody", &format!("https://127.0.0.1:{port}/"))).err().unwrap();
    serving.join().unwrap();
    assert!(failure.class == Class::Passing && failure.concerns == Concerns::Endpoint);
    assert!(failure.message.ends_with("nothing was sent"), "{}", failure.message);
}

#[test]
fn the_body_is_kept_back_where_what_comes_before_it_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/t", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let mut received = String::new();
        std::io::Read::read_to_string(&mut listener.accept().unwrap().0, &mut received).unwrap();
        received
    });
    let (client, request) = (client(), person("nobody", &url));
    let prepared =
        client.prepare(&request, Timestamp::now()).unwrap_or_else(|failure| panic!("{}", failure.message));
    let before = || Err(std::io::Error::other("not now"));
    let failure = client.ask(&prepared, Some(&Secret::new(OLD)), None, &before).err().unwrap();
    assert_eq!(failure.class, Class::Passing);
    drop(client);
    let received = serving.join().unwrap();
    assert!(received.starts_with("POST ") && !received.contains(OLD), "{received}");
}

#[test]
fn plain_http_needs_permission() {
    let failure = ask(&client(), &person("nobody", "http://idp.invalid:81/token")).err().unwrap();
    assert_eq!(failure.class, Class::Configuration);
    assert_eq!(
        failure.message,
        "http://idp.invalid:81/token is plain http: use https, or accept it with --allow-http idp.invalid"
    );
    let settings = HttpSettings { allow_http: vec!["IDP.invalid".to_owned()], ..HttpSettings::default() };
    let allowing = TokenClient::new(&settings).unwrap();
    assert!(allowing.prepare(&person("nobody", "http://idp.invalid:81/token"), Timestamp::now()).is_ok());
}

#[test]
fn connections_are_reused_within_a_cycle_only() {
    let answer = |token: &str| with_length("200 OK", "", &format!(r#"{{"access_token":"{token}"}}"#));
    let first = vec![answer("first-1"), answer("first-2"), answer("first-3")];
    let (port, serving) = serve(vec![Step::KeepAlive(first), Step::KeepAlive(vec![answer("second-1")])]);
    let (client, request) = (client(), person("nobody", &format!("http://127.0.0.1:{port}/t")));
    let token = || {
        ask(&client, &request)
            .map_or_else(|failure| failure.message, |granted| granted.access_token.expose().to_owned())
    };
    assert_eq!([token(), token()], ["first-1", "first-2"]);
    client.end_cycle();
    assert_eq!(token(), "second-1");
    assert_eq!(serving.join().unwrap().len(), 3);
}

#[test]
fn worker_threads_share_a_client() {
    fn shared<T: Send + Sync>() {}
    shared::<TokenClient>();
    shared::<TokenRequest>();
    shared::<Failure>();
}

#[test]
fn a_proxy_is_for_https_and_never_for_loopback() {
    let (proxy, proxying) = serve(vec![Step::Answer(with_length("403 Forbidden", "", ""))]);
    let settings = HttpSettings {
        proxy: Some(format!("http://user:pass-word@127.0.0.1:{proxy}")),
        no_proxy: Some("direct.invalid".to_owned()),
        ..HttpSettings::default()
    };
    let client = TokenClient::new(&settings).unwrap();
    let (port, serving) = serve(vec![Step::Answer(with_length("200 OK", "", TOKENS))]);
    assert!(ask(&client, &person("nobody", &format!("http://localhost:{port}/t"))).is_ok());
    serving.join().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let failure = ask(&client, &person("nobody", &format!("https://localhost:{free}/t"))).err().unwrap();
    assert!(failure.message.contains("connection refused"), "{}", failure.message);
    let failure = ask(&client, &person("nobody", "https://direct.invalid/t")).err().unwrap();
    assert!(failure.message.contains("cannot reach https://direct.invalid/t"), "{}", failure.message);
    let failure = ask(&client, &person("nobody", "https://idp.invalid/t")).err().unwrap();
    assert_eq!(failure.class, Class::Passing);
    assert!(
        failure.message.contains("the proxy refused the connection; nothing was sent"),
        "{}",
        failure.message
    );
    let requests = proxying.join().unwrap();
    assert!(requests[0].starts_with("CONNECT idp.invalid:443 HTTP/1.1"), "{requests:?}");
}

#[test]
fn settings_are_checked_without_repeating_a_password() {
    let wrong = |settings: HttpSettings| TokenClient::new(&settings).err().unwrap();
    let proxy =
        wrong(HttpSettings { proxy: Some("http://user:pass word@".to_owned()), ..HttpSettings::default() });
    assert!(proxy.contains("HTTPS_PROXY") && !proxy.contains("pass"), "{proxy}");
    for pem in ["", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
        let roots = wrong(HttpSettings { root_certificates: Some(pem.into()), ..HttpSettings::default() });
        assert!(roots.contains("SSL_CERT_FILE"), "{roots}");
    }
}

#[test]
fn an_issuers_metadata_is_read_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}/realm", listener.local_addr().unwrap());
    let request = resolved(&CredentialConfig::of_members(
        "f.json",
        &[("issuer", &issuer), ("client_id", "c"), ("client_secret", "s"), ("refresh_token", "r")],
    ));
    let metadata = format!(
        r#"{{"issuer":"{issuer}","token_endpoint":"https://idp.example/t",
            "token_endpoint_auth_methods_supported":["client_secret_post"]}}"#
    );
    let stranger = r#"{"issuer":"https://stranger.example","token_endpoint":"https://idp.example/t"}"#;
    let not_found = || with_length("404 Not Found", "connection: close\r\n", "");
    let found = |body: &str| with_length("200 OK", "connection: close\r\n", body);
    let answers = [
        // The issuer breaks off half way, answers at the second address, is another issuer, has no metadata.
        [not_found(), String::new()].to_vec(),
        [not_found(), found(&metadata)].to_vec(),
        [not_found(), found(stranger), not_found()].to_vec(),
        [not_found(), not_found(), not_found()].to_vec(),
    ]
    .concat();
    let serving = std::thread::spawn(move || {
        let serve = |answer: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let received = receive(&mut stream).unwrap();
            let _ = stream.write_all(answer.as_bytes());
            received.split(' ').nth(1).unwrap().to_owned()
        };
        answers.into_iter().map(serve).collect::<Vec<_>>()
    });
    let now = Timestamp::now();
    let (client, other) = (client(), client());
    let failure = client.prepare(&request, now).err().unwrap();
    assert!(failure.class == Class::Passing && failure.concerns == Concerns::Endpoint, "{}", failure.message);
    for _ in 0..2 {
        let prepared = client.prepare(&request, now).ok().unwrap();
        assert_eq!(
            (prepared.endpoint(), prepared.method),
            ("https://idp.example/t", ClientAuthMethod::ClientSecretPost)
        );
    }
    let failure = other.prepare(&request, now).err().unwrap();
    assert_eq!(failure.class, Class::Configuration);
    assert!(failure.message.contains("its metadata belongs to another issuer"), "{}", failure.message);
    let failure = other.prepare(&request, now).err().unwrap();
    assert_eq!(failure.class, Class::Passing);
    assert!(failure.message.contains("has no metadata (HTTP 404)"), "{}", failure.message);
    assert!(failure.concerns == Concerns::Credential, "its neighbours on that host may be well");
    let (first, second) =
        ("/.well-known/oauth-authorization-server/realm", "/.well-known/openid-configuration/realm");
    let third = "/realm/.well-known/openid-configuration";
    assert_eq!(
        serving.join().unwrap(),
        [first, second, first, second, first, second, third, first, second, third]
    );
}

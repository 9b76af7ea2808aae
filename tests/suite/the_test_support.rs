//! The endpoint that every other test trusts, tested by itself with the smallest possible client.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support;
use crate::support::{
    Answer, Client, ClientAuth, Delivery, End, Endpoint, Fault, Framing, Outcome, Project, Step, TokenFile,
    Who,
};

/// What a connection brought until it ended, and how it ended.
struct Heard {
    text: String,
    error: Option<ErrorKind>,
}

impl Heard {
    fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn member(&self, name: &str) -> Option<String> {
        let body = self.text.split_once("\r\n\r\n")?.1;
        let document = serde_json::from_str::<serde_json::Value>(body).ok()?;
        document.get(name)?.as_str().map(str::to_owned)
    }
}

fn hear(mut stream: TcpStream) -> Heard {
    stream.set_read_timeout(Some(support::DEADLINE)).unwrap();
    let mut bytes = Vec::new();
    let mut window = [0; 4096];
    let error = loop {
        match stream.read(&mut window) {
            Ok(0) => break None,
            Ok(count) => bytes.extend_from_slice(&window[..count]),
            Err(error) => break Some(error.kind()),
        }
        if bytes.len() > 1 << 20 {
            break None;
        }
    };
    Heard { text: String::from_utf8(bytes).unwrap(), error }
}

fn say(endpoint: &Endpoint, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(endpoint.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            out + &char::from(byte).to_string()
        }
        _ => format!("{out}%{byte:02X}"),
    })
}

fn post_text(extra_head: &str, form: &[(&str, &str)]) -> String {
    let body =
        form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&");
    format!(
        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         {extra_head}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn post(endpoint: &Endpoint, form: &[(&str, &str)]) -> Heard {
    hear(say(endpoint, &post_text("Connection: close\r\n", form)))
}

fn refresh(endpoint: &Endpoint, client: &Client, token: &str) -> Heard {
    post(endpoint, &refresh_form(client, token))
}

fn refresh_form<'a>(client: &'a Client, token: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", client.id()),
        ("client_secret", client.secret()),
    ]
}

fn registered(client: Client) -> (Endpoint, Client) {
    let endpoint = Endpoint::start();
    endpoint.register(client.clone());
    (endpoint, client)
}

fn resource(endpoint: &Endpoint, token: &str) -> u16 {
    let head =
        format!("GET /protected HTTP/1.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    hear(say(endpoint, &head)).status()
}

#[test]
fn a_refresh_rotates_and_a_second_use_revokes_the_family() {
    let (endpoint, client) = registered(Client::new("app"));
    let first = endpoint.sign_in("app");
    assert_eq!(resource(&endpoint, &first.access_token), 200);

    let answer = refresh(&endpoint, &client, &first.refresh_token);
    assert_eq!(answer.status(), 200, "{}", answer.text);
    assert!(answer.text.contains("Cache-Control: no-store\r\n"));
    let (access, next) = (answer.member("access_token").unwrap(), answer.member("refresh_token").unwrap());
    assert_ne!(next, first.refresh_token);
    assert!(endpoint.is_live(&access) && endpoint.is_live(&first.access_token));

    let again = refresh(&endpoint, &client, &first.refresh_token);
    assert_eq!((again.status(), again.member("error").as_deref()), (400, Some("invalid_grant")));
    assert_eq!(endpoint.reuses(), 1);
    assert!(endpoint.is_revoked(&next));
    assert_eq!(resource(&endpoint, &access), 401);
    assert_eq!(refresh(&endpoint, &client, &next).status(), 400);
    assert_eq!(endpoint.reuses(), 1, "a revoked token is no second reuse");
    let outcomes = endpoint.requests_of("app").into_iter().map(|one| one.outcome).collect::<Vec<_>>();
    assert!(matches!(outcomes[0], Outcome::Granted { refresh_token: Some(_), .. }));
    assert_eq!(outcomes[1..], [Outcome::Reuse, Outcome::Refused { status: 400, error: "invalid_grant" }]);
}

#[test]
fn a_client_that_does_not_rotate_gets_no_refresh_token_and_keeps_its_own() {
    let (endpoint, client) = registered(Client::new("app").not_rotating());
    let tokens = endpoint.sign_in("app");
    for _ in 0..2 {
        let answer = refresh(&endpoint, &client, &tokens.refresh_token);
        assert_eq!((answer.status(), answer.member("refresh_token")), (200, None));
    }
}

#[test]
fn a_spent_token_within_its_grace_gets_the_same_successor() {
    let (endpoint, client) = registered(Client::new("app").grace(Duration::from_hours(1)));
    let token = endpoint.sign_in("app").refresh_token;
    let first = refresh(&endpoint, &client, &token).member("refresh_token").unwrap();
    assert_eq!(refresh(&endpoint, &client, &token).member("refresh_token"), Some(first));
    assert_eq!(endpoint.reuses(), 0);
}

#[test]
fn access_tokens_die_with_their_lifetime() {
    let (endpoint, _) = registered(Client::new("app").lifetime(Duration::ZERO));
    assert!(!endpoint.is_live(&endpoint.sign_in("app").access_token));
    let aged = endpoint.signed_in_earlier("app", Duration::from_mins(1));
    assert_eq!(endpoint.live_tokens(), [aged.access_token]);
}

#[test]
fn a_client_must_authenticate_as_registered() {
    let secret = Client::new("app").secret().to_owned();
    let basic = |id: &str, secret: &str| {
        use base64::Engine as _;
        let pair = format!("{}:{}", encode(id), encode(secret));
        let coded = base64::engine::general_purpose::STANDARD.encode(pair);
        format!("Connection: close\r\nAuthorization: Basic {coded}\r\n")
    };
    let close = "Connection: close\r\n".to_owned();
    let grant = ("grant_type", "client_credentials");
    let (id, right, wrong) =
        (("client_id", "app"), ("client_secret", secret.as_str()), ("client_secret", "x"));
    for (auth, head, form, expected) in [
        (ClientAuth::Basic, basic("app", &secret), vec![grant], 200),
        (ClientAuth::Basic, basic("app", "x"), vec![grant], 401),
        (ClientAuth::Basic, basic("app", &secret), vec![grant, right], 400),
        (ClientAuth::Basic, close.clone(), vec![grant, id, right], 400),
        (ClientAuth::Post, close.clone(), vec![grant, id, right], 200),
        (ClientAuth::Post, close.clone(), vec![grant, id, wrong], 400),
        (ClientAuth::Post, basic("app", &secret), vec![grant], 401),
        (ClientAuth::Post, close.clone(), vec![grant, id], 400),
        (ClientAuth::Post, close.clone(), vec![grant, id, id, right], 400),
        (ClientAuth::Public, close.clone(), vec![grant, id], 400),
        (ClientAuth::Public, close.clone(), vec![("grant_type", "password"), id], 400),
    ] {
        let (endpoint, _) = registered(Client::new("app").auth(auth));
        let heard = hear(say(&endpoint, &post_text(&head, &form)));
        assert_eq!(heard.status(), expected, "{auth:?} {head} {form:?}: {}", heard.text);
    }
}

#[test]
fn only_a_posted_form_is_a_token_request() {
    let (endpoint, _) = registered(Client::new("app"));
    for (request, expected) in [
        ("GET /token HTTP/1.1\r\nConnection: close\r\n\r\n", 405),
        ("POST /token HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n", 415),
        ("POST /other HTTP/1.1\r\nConnection: close\r\n\r\n", 404),
    ] {
        assert_eq!(hear(say(&endpoint, request)).status(), expected, "{request}");
    }
}

#[test]
fn a_connection_carries_several_requests() {
    let (endpoint, client) = registered(Client::new("app").not_rotating());
    let token = endpoint.sign_in("app").refresh_token;
    let form = refresh_form(&client, &token);
    let two = post_text("", &form) + &post_text("Connection: close\r\n", &form);
    assert_eq!(hear(say(&endpoint, &two)).text.matches("HTTP/1.1 200").count(), 2);
    let connections = endpoint.requests().iter().map(|one| one.connection).collect::<Vec<_>>();
    assert_eq!(connections, [0, 0]);
}

#[test]
fn every_way_of_breaking_an_answer_is_seen_by_the_client() {
    let answer = || Step::answer(Answer::new(200, "0123456789"));
    let cut = |framing, end| Delivery::CutBody { framing, keep: 4, end };
    let reset = Some(ErrorKind::ConnectionReset);
    let tail = |text: &'static str| text;
    for (step, ending, error) in [
        (answer(), tail("Content-Length: 10\r\nConnection: close\r\n\r\n0123456789"), None),
        (
            answer().delivered(Delivery::Whole(Framing::Chunked)),
            "\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
            None,
        ),
        (
            answer().delivered(Delivery::Whole(Framing::UntilClose)),
            "Connection: close\r\n\r\n0123456789",
            None,
        ),
        (
            answer().delivered(cut(Framing::Length, End::Close)),
            "Length: 10\r\nConnection: close\r\n\r\n0123",
            None,
        ),
        (answer().delivered(cut(Framing::Length, End::Reset)), "\r\n\r\n0123", reset),
        (answer().delivered(cut(Framing::Chunked, End::Close)), "\r\n\r\n2\r\n01\r\n2\r\n23\r\n", None),
        (answer().delivered(cut(Framing::UntilClose, End::Reset)), "\r\n\r\n0123", reset),
        (answer().delivered(Delivery::CutHead { keep: 12, end: End::Close }), "HTTP/1.1 200", None),
        (Step::unspent(Delivery::Nothing(End::Close)), "", None),
        (Step::unspent(Delivery::Nothing(End::Reset)), "", reset),
        (answer().delivered(Delivery::SlowBody(Duration::from_millis(1))), "\r\n\r\n0123456789", None),
        (answer().delivered(Delivery::SlowHead(Duration::from_micros(10))), "\r\n\r\n0123456789", None),
        (Step::unspent(Delivery::Raw(b"SSH-2.0-x\r\n".to_vec())), "SSH-2.0-x\r\n", None),
        (Step::unspent(Delivery::EndlessBody), "        ", None),
        (Step::unspent(Delivery::EndlessHead), "", None),
        (Step::redirect(307, "http://127.0.0.1:1/"), "Connection: close\r\n\r\n", None),
    ] {
        let (endpoint, client) = registered(Client::new("app"));
        endpoint.script(Who::Anyone, [step.clone()]);
        let token = endpoint.sign_in("app").refresh_token;
        let heard = refresh(&endpoint, &client, &token);
        assert!(heard.text.ends_with(ending), "{step:?}: {:?}", &heard.text[..heard.text.len().min(400)]);
        assert_eq!(heard.error, error, "{step:?}");
        assert_eq!(endpoint.requests()[0].outcome, Outcome::Scripted);
        assert_eq!(refresh(&endpoint, &client, &token).status(), 200, "{step:?} spends nothing");
    }
}

#[test]
fn an_answer_that_is_lost_has_spent_the_token() {
    let (endpoint, client) = registered(Client::new("app"));
    endpoint.script(Who::client("app"), [Step::spent(Delivery::Nothing(End::Close))]);
    endpoint.script(Who::client("another"), [Step::error(503, "temporarily_unavailable")]);
    let token = endpoint.sign_in("app").refresh_token;
    assert_eq!(refresh(&endpoint, &client, &token).text, "");
    assert!(matches!(endpoint.requests()[0].outcome, Outcome::Granted { .. }));
    refresh(&endpoint, &client, &token);
    assert_eq!(endpoint.reuses(), 1);
}

#[test]
fn a_rule_holds_until_it_is_forgotten_and_a_queue_comes_before_it() {
    let (endpoint, client) = registered(Client::new("app").not_rotating());
    endpoint.always(Who::Anyone, Step::error(500, "server_error"));
    endpoint.script(Who::Anyone, [Step::error(429, "slow_down")]);
    let token = endpoint.sign_in("app").refresh_token;
    let status = || refresh(&endpoint, &client, &token).status();
    assert_eq!([status(), status(), status()], [429, 500, 500]);
    endpoint.forget_scripts();
    assert_eq!(status(), 200);
}

#[test]
fn a_connection_can_fail_before_anything_is_read() {
    let (endpoint, client) = registered(Client::new("app"));
    let token = endpoint.sign_in("app").refresh_token;
    for (fault, error) in [(Fault::Close, None), (Fault::Reset, Some(ErrorKind::ConnectionReset))] {
        endpoint.on_next_connection(fault);
        let mut stream = TcpStream::connect(endpoint.address()).unwrap();
        stream.set_read_timeout(Some(support::DEADLINE)).unwrap();
        // The write succeeds or not as the timing wants; reading tells.
        let _ = stream.write_all(post_text("", &refresh_form(&client, &token)).as_bytes());
        let read = stream.read(&mut [0; 16]).map_err(|error| error.kind());
        assert_eq!(read.err(), error, "{fault:?}");
    }
    assert_eq!(endpoint.requests().len(), 0);
    assert_eq!(refresh(&endpoint, &client, &token).status(), 200);
}

#[test]
fn a_held_answer_waits_while_its_token_is_spent_already() {
    let (endpoint, client) = registered(Client::new("app"));
    let token = endpoint.sign_in("app").refresh_token;
    let hold = endpoint.hold();
    let stream = say(&endpoint, &post_text("Connection: close\r\n", &refresh_form(&client, &token)));
    let arrived = endpoint.wait_for_requests(1);
    assert!(matches!(arrived[0].outcome, Outcome::Granted { .. }));
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let early = (&stream).read(&mut [0; 16]).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock));
    drop(hold);
    assert_eq!(hear(stream).status(), 200);
    assert!(endpoint.wait_for_answers(1)[0].answered >= Some(arrived[0].arrived));
}

#[test]
fn a_late_answer_comes_late() {
    let (endpoint, client) = registered(Client::new("app"));
    endpoint.set_latency(Duration::from_millis(30));
    endpoint.script(Who::Anyone, [Step::honest().after(Duration::from_millis(30))]);
    let begin = Instant::now();
    refresh(&endpoint, &client, &endpoint.sign_in("app").refresh_token);
    assert!(begin.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_stopped_endpoint_lets_go_of_everybody() {
    let (endpoint, client) = registered(Client::new("app"));
    let token = endpoint.sign_in("app").refresh_token;
    endpoint.script(Who::Anyone, [Step::spent(Delivery::Nothing(End::Silence))]);
    let silent = say(&endpoint, &post_text("", &refresh_form(&client, &token)));
    endpoint.wait_for_answers(1);
    endpoint.on_next_connection(Fault::Silence);
    let unread = say(&endpoint, &post_text("", &refresh_form(&client, &token)));
    drop(endpoint);
    assert_eq!(hear(silent).text + &hear(unread).text, "");
}

#[test]
fn a_project_leaves_nothing_behind() {
    let project = Project::new();
    let outside = project.outside().to_owned();
    project.write_token(&TokenFile::egress("atlassian", "atlassian").field("x", 1));
    project.no_auth_server("currenttime");
    assert_eq!(project.text(".oauth-tokens/atlassian-atlassian-egress.json").lines().count(), 4);
    assert_eq!(project.mode(".oauth-tokens/atlassian-atlassian-egress.json"), 0o600);
    assert_eq!(project.mode(".oauth-tokens"), 0o700);
    project.write_tokens_file(".half-written", "");
    assert_eq!(project.leftovers(), [".half-written"]);
    drop(project);
    assert!(!outside.exists());
}

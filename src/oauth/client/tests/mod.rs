//! The client against a scripted endpoint on loopback: one connection a step, raw bytes both ways.

mod answers;
mod connections;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::*;
use crate::oauth::{Class, ClientFile, CredentialConfig, Providers, Resolution, resolve};
use crate::settings::Environment;

/// One connection of the endpoint's script.
enum Step {
    /// Reads the request, sends this text and closes.
    Answer(String),
    /// Reads the request, sends this text and nothing more until the client gives up.
    Stall(&'static str),
    /// Reads the request and sends this piece again and again, until the client hangs up.
    Endless(&'static str, &'static str),
    /// Hangs up on the first byte.
    HangUp,
    /// Answers these requests on the same connection.
    KeepAlive(Vec<String>),
}

/// Serves the steps; the handle returns the requests as they came.
fn serve(steps: Vec<Step>) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for step in steps {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            match step {
                Step::Answer(answer) => {
                    requests.extend(receive(&mut stream));
                    let _ = stream.write_all(answer.as_bytes());
                }
                Step::Stall(start) => {
                    requests.extend(receive(&mut stream));
                    let _ = stream.write_all(start.as_bytes());
                    // Until the client hangs up.
                    let _ = stream.read(&mut [0; 1]);
                }
                Step::Endless(start, piece) => {
                    requests.extend(receive(&mut stream));
                    let _ = stream.write_all(start.as_bytes());
                    while stream.write_all(piece.repeat(1000).as_bytes()).is_ok() {}
                }
                Step::HangUp => drop(stream.read(&mut [0; 1])),
                Step::KeepAlive(answers) => {
                    for answer in answers {
                        requests.extend(receive(&mut stream));
                        let _ = stream.write_all(answer.as_bytes());
                    }
                }
            }
        }
        requests
    });
    (port, serving)
}

/// One request with its body; `None` where the connection ends first.
fn receive(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn with_length(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

const TOKENS: &str = r#"{"access_token":"new-access","refresh_token":"new-refresh","expires_in":3600}"#;

fn client() -> TokenClient {
    TokenClient::new(&HttpSettings { total_timeout: Duration::from_secs(5), ..HttpSettings::default() })
        .unwrap()
}

/// A request of a person's token to that endpoint.
fn person(provider: &str, endpoint: &str) -> TokenRequest {
    resolved(&CredentialConfig::of_members(
        "f.json",
        &[
            ("provider", provider),
            ("token_endpoint", endpoint),
            ("client_id", "the client"),
            ("client_secret", "the+secret"),
            ("refresh_token", "r"),
        ],
    ))
}

fn resolved(config: &CredentialConfig) -> TokenRequest {
    let clients: [ClientFile; 0] = [];
    match resolve(config, &Environment::default(), &clients, &Providers::builtin()) {
        Resolution::Refresh(request) => *request,
        Resolution::Monitored(why) | Resolution::Misconfigured(why) => panic!("{why}"),
    }
}

const OLD: &str = "old-refresh-token";

fn ask(client: &TokenClient, request: &TokenRequest) -> Result<TokenResponse, Failure> {
    let prepared = client.prepare(request, Timestamp::now())?;
    client.ask(&prepared, Some(&Secret::new(OLD)), None, &|| Ok(())).map(|(response, _)| response)
}

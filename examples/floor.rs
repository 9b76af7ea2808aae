//! The least that a program must do for each part of our work, for `make bench` to compare ours with: built in the same
//! way, of the same crates, with nothing that can be left out. It is a yardstick and no example of good manners.
//!
//! `floor nothing`; `floor idle` (a TLS configuration, then it waits for the end of its input); `floor read DIRECTORY
//! TURNS` (opens, locks, reads and closes each file, and prints the processor time of a turn in nanoseconds);
//! `floor configure DIRECTORY TURNS` (the same, and replaces the two configurations durably by a copy of their text; it
//! prints the time of a turn, not of the processor alone);
//! `floor refresh ADDRESS DIRECTORY COUNT` (requests over one connection, each answer stored durably);
//! `floor compare FILE TURNS` (serializes a configuration, compares, and prints the processor time of a turn).

#![allow(clippy::expect_used, reason = "a yardstick that fails has nothing to say")]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["nothing"] => {}
        ["idle"] => idle(),
        ["read", directory, turns] => read(Path::new(directory), number(turns)),
        ["configure", directory, turns] => configure(Path::new(directory), number(turns)),
        ["refresh", address, directory, count] => refresh(address, Path::new(directory), number(count)),
        ["compare", file, turns] => compare(Path::new(file), number(turns)),
        _ => panic!(
            "floor nothing | idle | read DIRECTORY TURNS | configure DIRECTORY TURNS \
             | refresh ADDRESS DIRECTORY COUNT | compare FILE TURNS"
        ),
    }
}

fn number(text: &str) -> u32 {
    text.parse().expect("a number")
}

fn idle() {
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::WebPki).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
    // The configuration is made with the first connection, which nothing answers here.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("https://{}/", listener.local_addr().expect("an address"));
    let refusing = std::thread::spawn(move || drop(listener.accept()));
    assert!(agent.get(url).call().is_err(), "nothing answers there");
    refusing.join().expect("no panic");
    println!("ready");
    let _ = io::stdin().read(&mut [0]);
    black_box(agent);
}

fn read(directory: &Path, turns: u32) {
    let before = processor_time();
    (0..turns).for_each(|_| read_all(directory));
    println!("{}", (processor_time() - before) / u64::from(turns));
}

fn read_all(directory: &Path) {
    let mut text = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let mut file = File::open(path).expect("a file");
            file.lock_shared().expect("a lock");
            text.clear();
            file.read_to_end(&mut text).expect("text");
            black_box(&text);
        }
    }
}

fn configure(directory: &Path, turns: u32) {
    let files = ["mcp.json", "vscode_mcp.json"].map(|name| directory.join(name));
    let texts = files.each_ref().map(|file| fs::read(file).expect("a configuration"));
    let before = Instant::now();
    for _ in 0..turns {
        read_all(directory);
        files.iter().zip(&texts).for_each(|(file, text)| replace(directory, file, text));
    }
    println!("{}", before.elapsed().as_nanos() / u128::from(turns));
}

/// What this thread has used, in nanoseconds.
fn processor_time() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    text.split(' ').next().and_then(|first| first.parse().ok()).expect("nanoseconds")
}

fn refresh(address: &str, directory: &Path, count: u32) {
    let mut stream = BufReader::new(TcpStream::connect(address).expect("a connection"));
    stream.get_ref().set_nodelay(true).expect("a socket");
    let mut stored: Vec<serde_json::Value> = (0..count)
        .map(|index| {
            serde_json::from_slice(&fs::read(file(directory, index)).expect("a file")).expect("JSON")
        })
        .collect();
    for (index, token) in (0..).zip(&mut stored) {
        let encoded = |member: &str| {
            let value = token[member].as_str().expect("a text");
            utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
        };
        let body = format!(
            "grant_type=refresh_token&refresh_token={}&client_id={}&client_secret={}",
            encoded("refresh_token"),
            encoded("client_id"),
            encoded("client_secret"),
        );
        let answer = post(&mut stream, address, &body);
        for member in ["access_token", "refresh_token"] {
            assert!(answer[member].is_string(), "the endpoint refuses: {answer}");
            token[member] = answer[member].clone();
        }
        replace(directory, &file(directory, index), &serde_json::to_vec(token).expect("JSON"));
    }
}

fn file(directory: &Path, index: u32) -> std::path::PathBuf {
    directory.join(format!("due-{index:05}.json"))
}

fn post(stream: &mut BufReader<TcpStream>, address: &str, body: &str) -> serde_json::Value {
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Accept: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(head.as_bytes()).expect("a request");
    let mut length = 0;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(stream.read_line(&mut line).expect("an answer") > 0, "the connection has ended");
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().expect("a length");
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).expect("a body");
    serde_json::from_slice(&answer).expect("JSON")
}

/// The new file's content is on the disk before its name is, and its name before this returns.
fn replace(directory: &Path, path: &Path, text: &[u8]) {
    let new = path.with_extension("new");
    let mut file = File::create(&new).expect("a file");
    file.write_all(text).expect("room");
    file.sync_all().expect("a sync");
    fs::rename(&new, path).expect("a rename");
    File::open(directory).and_then(|directory| directory.sync_all()).expect("a sync");
}

fn compare(path: &Path, turns: u32) {
    let text = fs::read(path).expect("a file");
    let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let before = processor_time();
    for _ in 0..turns {
        black_box(serde_json::to_vec_pretty(&value).expect("JSON") == text);
    }
    println!("{}", (processor_time() - before) / u64::from(turns));
}

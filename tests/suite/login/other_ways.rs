//! Signing in without a browser on this machine: a pasted address, another device, no person at all.

use std::time::Duration;

use serde_json::json;

use super::{Waiting, expect_clean};
use crate::support::{Client, ClientAuth, DeviceAnswer, Endpoint, Program, Project, browser};

fn server(endpoint: &Endpoint) -> String {
    endpoint.sign_ins(|sign_ins| sign_ins.server())
}

/// A sign-in that reads what is typed.
fn typing(project: &Project, line: &str) -> Waiting {
    Waiting::of(Program::new(project).arg("login").args(line).with_input())
}

#[test]
fn an_address_is_pasted_and_no_port_is_opened() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let mut waiting = typing(&project, &format!("{} --name wiki --paste", server(&endpoint)));
    let location = browser::open(&waiting.address).location.unwrap();
    let sockets = std::fs::read_to_string(format!("/proc/{}/net/tcp", waiting.program.pid())).unwrap();
    let port = location.split(':').nth(2).unwrap().split('/').next().unwrap().parse::<u16>().unwrap();
    assert!(!sockets.contains(&format!("0100007F:{port:04X} 00000000:0000 0A")), "it listens: {sockets}");
    for slip in ["", "http://127.0.0.1/", &waiting.address.clone()] {
        waiting.program.type_line(slip);
    }
    waiting.program.type_line(&format!("  {location}  "));
    let finished = waiting.program.wait().expect_code(0);
    expect_clean(&finished, &endpoint, &project);
    assert!(finished.stderr.contains("that is the address to open"), "{}", finished.stderr);
    assert!(endpoint.is_live(project.read_token("wiki-egress.json")["access_token"].as_str().unwrap()));
}

#[test]
fn whichever_comes_first_counts() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let mut waiting = typing(&project, &format!("{} --name wiki", server(&endpoint)));
    let location = browser::open(&waiting.address).location.unwrap();
    waiting.program.type_line(&location);
    let finished = waiting.program.wait().expect_code(0);
    expect_clean(&finished, &endpoint, &project);
}

#[test]
fn a_pasted_address_of_another_sign_in_is_refused() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let other = typing(&project, &format!("{} --name other --paste", server(&endpoint)));
    let mut waiting = typing(&project, &format!("{} --name wiki --paste", server(&endpoint)));
    waiting.program.type_line(&browser::open(&other.address).location.unwrap());
    let finished = waiting.program.wait().expect_code(1);
    expect_clean(&finished, &endpoint, &project);
    assert!(finished.stderr.contains("belongs to another sign-in"), "{}", finished.stderr);
}

#[test]
fn an_input_that_ends_is_no_address() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let mut waiting = typing(&project, &format!("{} --name wiki --paste", server(&endpoint)));
    waiting.program.end_input();
    let finished = waiting.program.wait().expect_code(1);
    assert!(finished.stderr.contains("standard input ended before"), "{}", finished.stderr);
}

#[test]
fn a_device_waits_at_the_servers_pace() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let line = format!("login {} --name wiki --device", server(&endpoint));
    endpoint
        .sign_ins(|sign_ins| sign_ins.device_answers = vec![DeviceAnswer::Pending, DeviceAnswer::Granted]);
    let finished = Program::new(&project).args(&line).run().expect_code(0);
    expect_clean(&finished, &endpoint, &project);
    assert!(finished.stderr.contains("WDJB-MJHT"), "{}", finished.stderr);
    let asked: Vec<_> =
        endpoint.requests().into_iter().filter(|one| one.field("device_code").is_some()).collect();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].arrived - asked[0].arrived >= Duration::from_millis(990));
    let file = project.read_token("wiki-egress.json");
    assert!(endpoint.is_live(file["access_token"].as_str().unwrap()));
    assert_eq!(file.get("redirect_uri"), None);
}

#[test]
fn a_device_is_refused_in_words() {
    for (answer, said) in
        [(DeviceAnswer::Denied, "was refused"), (DeviceAnswer::Expired, "the code has expired; start again")]
    {
        let (project, endpoint) = (Project::bare(), Endpoint::start());
        endpoint.sign_ins(|sign_ins| sign_ins.device_answers = vec![answer]);
        let line = format!("login {} --name wiki --device", server(&endpoint));
        let finished = Program::new(&project).args(&line).run().expect_code(1);
        expect_clean(&finished, &endpoint, &project);
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
        assert!(!project.token("wiki-egress.json").exists());
    }
}

#[test]
fn a_device_code_that_expires_while_nobody_comes_ends_the_wait() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    endpoint.sign_ins(|sign_ins| {
        sign_ins.device.insert("expires_in".to_owned(), json!(3));
        sign_ins.device_answers = vec![DeviceAnswer::Pending, DeviceAnswer::SlowDown, DeviceAnswer::Granted];
    });
    let line = format!("login {} --name wiki --device", server(&endpoint));
    let finished = Program::new(&project).args(&line).run().expect_code(1);
    assert!(finished.stderr.contains("the code has expired"), "{}", finished.stderr);
    let asked = endpoint.requests().into_iter().filter(|one| one.field("device_code").is_some()).count();
    assert_eq!(asked, 2, "slow_down adds five seconds");
}

#[test]
fn an_application_needs_no_person() {
    let (project, endpoint) = (Project::new(), Endpoint::start());
    let client = Client::new("machine").auth(ClientAuth::Post);
    let document = json!({"client_id": "machine", "client_secret": client.secret()});
    endpoint.register(client);
    project.write_tokens_file("machine-client.json", document.to_string());
    let issuer = endpoint.sign_ins(|sign_ins| sign_ins.issuer());
    let token_endpoint = format!("{issuer}/token");
    let row =
        json!({"acme": {"token_endpoint": token_endpoint, "client_authentication": ["client_secret_post"]}});
    project.write("providers.json", row.to_string());
    let line = "login acme --client-credentials --client-id machine --scope all";
    let finished = Program::new(&project).args(line).run().expect_code(0);
    expect_clean(&finished, &endpoint, &project);
    let file = project.read_token("acme-acme-egress.json");
    assert_eq!(file["grant_type"], json!("client_credentials"));
    assert!(endpoint.is_live(file["access_token"].as_str().unwrap()));
    let line = "login acme other --client-credentials";
    let finished = Program::new(&project).args(line).run().expect_code(1);
    assert!(finished.stderr.contains("client_id and client_secret"), "{}", finished.stderr);
}

#[test]
fn a_file_that_says_so_gets_its_first_token_from_the_next_cycle() {
    let (project, endpoint) = (Project::new(), Endpoint::start());
    let client = Client::new("machine").auth(ClientAuth::Post);
    let document = json!({"provider": "acme", "grant_type": "client_credentials", "token_endpoint": endpoint.url(),
                          "client_id": "machine", "client_secret": client.secret()});
    endpoint.register(client);
    project.write_tokens_file("acme-machine-egress.json", document.to_string());
    Program::new(&project).once().expect_code(0);
    let file = project.read_token("acme-machine-egress.json");
    assert!(endpoint.is_live(file["access_token"].as_str().unwrap()));
    // It still serves others as the client that it describes.
    assert_eq!(project.config("mcp.json")["mcpServers"].as_object().unwrap().len(), 1);
}

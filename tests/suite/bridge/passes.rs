//! Everything passes, unchanged and in order.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use super::client::{Bridge, project};
use super::mcp::{NEW, OLD, Server};
use crate::support::daemon::built_program;
use crate::support::{Project, TokenFile};

#[test]
fn a_session_of_2025_from_its_handshake_to_its_end() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::start(&project);
    let answer = bridge.handshake(OLD);
    assert_eq!(answer["result"]["serverInfo"]["name"], "strict");
    let list = bridge.request("tools/list", &json!({}));
    let tools = bridge.answer(list)["result"]["tools"].as_array().unwrap().len();
    assert_eq!(tools, 3, "nothing is left out in this era");
    bridge.works();
    server.wait_for_stream();
    for seen in server.seen().iter().filter(|seen| seen.rpc() != "initialize") {
        assert_eq!(seen.header("mcp-session-id"), Some("session-1"), "{seen:?}");
        assert_eq!(seen.header("mcp-protocol-version"), Some(OLD), "{seen:?}");
        assert_eq!(seen.header("cookie"), Some("lb=machine-1"), "{seen:?}");
    }
    assert!(server.seen().iter().all(|seen| seen.header("authorization") == Some("Bearer at-1")));
    bridge.close();
    assert!(bridge.wait(std::time::Duration::from_secs(1)).success());
    assert_eq!(server.sessions(), 0, "it was deleted");
}

#[test]
fn the_new_era_needs_no_session_and_gets_its_headers() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::start(&project);
    let discover = bridge.modern("server/discover", &json!({}));
    assert_eq!(bridge.answer(discover)["result"]["supportedVersions"], json!([NEW]));
    let list = bridge.modern("tools/list", &json!({}));
    let tools = bridge.answer(list)["result"]["tools"].clone();
    let names: Vec<&str> =
        tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["echo", "regional"], "the invalid one is left out");
    let said = || bridge.log().contains("the tool \"invalid\" is left out");
    assert!(crate::support::holds_in_time(said), "{}", bridge.log());
    let call = bridge.modern("tools/call", &json!({"name": "regional", "arguments": {"region": "us-west1"}}));
    assert!(bridge.answer(call)["result"].is_object());
    assert!(
        server.seen().iter().all(|seen| seen.method == "POST" && seen.header("mcp-session-id").is_none())
    );
}

#[test]
fn a_call_whose_headers_do_not_fit_is_repeated_after_one_new_list() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::start(&project);
    // The tools were never listed, so the bridge cannot know which arguments are repeated.
    let call = bridge.modern("tools/call", &json!({"name": "regional", "arguments": {"region": "us-west1"}}));
    assert!(bridge.answer(call)["result"].is_object());
    assert_eq!((server.calls("tools/list").len(), server.calls("tools/call").len()), (1, 2));
    // A list may have several pages.
    server.behave(|seen, reply| {
        let message = seen.json();
        seen.rpc() == "tools/list" && message["params"]["cursor"].is_null() && {
            let result = json!({"tools": [], "nextCursor": "page 2"});
            reply.json(200, &json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string());
            true
        }
    });
    let mut other = Bridge::start(&project);
    let call = other.modern("tools/call", &json!({"name": "regional", "arguments": {"region": "us-west1"}}));
    assert!(other.answer(call)["result"].is_object());
    assert_eq!((server.calls("tools/list").len(), server.calls("tools/call").len()), (3, 4));
    // Where that does not help, the error is the answer.
    server.behave(|seen, reply| {
        let id = seen.json()["id"].clone();
        let error = json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32020, "message": "no"}});
        seen.rpc() == "tools/call" && {
            reply.json(400, &error.to_string());
            true
        }
    });
    let call = bridge.modern("tools/call", &json!({"name": "echo", "arguments": {}}));
    assert_eq!(bridge.answer(call)["error"]["code"], -32020);
    assert_eq!((server.calls("tools/list").len(), server.calls("tools/call").len()), (4, 6));
}

#[test]
fn a_probe_of_the_new_era_gets_a_plain_error_from_an_old_server() {
    let server = Server::start();
    server.behave(|seen, reply| {
        seen.header("mcp-protocol-version") == Some(NEW) && {
            reply.send(400, &[("Content-Type", "text/plain")], b"Unsupported protocol version");
            true
        }
    });
    let project = project(&server);
    let mut bridge = Bridge::start(&project);
    let probe = bridge.modern("server/discover", &json!({}));
    let answer = bridge.answer_within(probe, std::time::Duration::from_secs(1));
    let code = answer["error"]["code"].as_i64().unwrap();
    assert!(!(-32099..=-32020).contains(&code), "{code} is MCP's");
    bridge.handshake(OLD);
    bridge.works();
}

#[test]
fn a_server_of_the_new_era_alone_refuses_a_client_of_the_old_one_in_clear_words() {
    let server = Server::start();
    let project = project(&server);
    let initialize = |bridge: &mut Bridge| {
        let info = json!({"name": "old", "version": "1"});
        let params = json!({"protocolVersion": OLD, "capabilities": {}, "clientInfo": info});
        let id = bridge.request("initialize", &params);
        bridge.answer(id)["error"].clone()
    };
    // In the server's own words, where it has some.
    let error =
        json!({"code": -32022, "message": "Unsupported protocol version", "data": {"supported": [NEW]}});
    let told = error.clone();
    server.behave(move |seen, reply| {
        let id = seen.json()["id"].clone();
        reply.json(400, &json!({"jsonrpc": "2.0", "id": id, "error": told}).to_string());
        true
    });
    let mut bridge = Bridge::start(&project);
    assert_eq!(initialize(&mut bridge), error);
    server.behave(|_, reply| {
        reply.send(400, &[("Content-Type", "text/plain")], b"Mcp-Method is missing");
        true
    });
    let message = initialize(&mut bridge)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("HTTP 400"), "{message}");
    assert!(bridge.runs());
}

#[test]
fn bytes_stay_as_they_are() {
    let server = Server::start();
    let odd = concat!(
        r#"{"jsonrpc":"2.0", "id":"x-\u0041" ,"result":{"n":12345678901234567890,"d":1.50e+3,"#,
        r#""a":1,"a":2},"extra":{"\ud83d\ude00":null}}"#
    );
    server.behave(move |seen, reply| {
        seen.rpc() == "tools/call" && {
            reply.json(200, odd);
            true
        }
    });
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    let sent = concat!(
        r#"{ "jsonrpc":"2.0","unknown":[1.0e5,{}],"id":"x-A","method":"tools/call","#,
        r#""params":{"big":98765432109876543210,"k":1,"k":2}}"#
    );
    bridge.send(sent);
    let came = bridge.line("the answer", crate::support::DEADLINE, |message| message["id"] == "x-A");
    assert_eq!(came, odd);
    let seen = server.calls("tools/call");
    assert_eq!(seen[0].text(), sent);
}

#[test]
fn every_kind_of_message_keeps_its_bytes_both_ways() {
    // What a reader that writes anew would change: blanks, numbers, escapes, members that are there twice or unknown.
    let odd = |head: &str| {
        format!(r#"{{ {head}, "n":[12345678901234567890,1.50e+3],"\u0041":1,"A":2,"jsonrpc" :"2.0"}}"#)
    };
    let said = ["notifications/progress", "notifications/x"]
        .map(|method| odd(&format!(r#""method":"{method}","params":{{"a":1,"a":2}}"#)));
    let asks = odd(r#""id":"ask-1","method":"roots/list""#);
    let refusal = odd(r#""id":"r-1","error":{"code":-32602,"message":"\u00e9"}"#);
    let result = odd(r#""id":"r-2","result":{}"#);
    let server = Server::start();
    let in_stream = [said[0].clone(), asks.clone(), result.clone()];
    let refused = refusal.clone();
    server.behave(move |seen, reply| {
        let id = seen.json()["id"].clone();
        if id == "r-1" {
            reply.json(400, &refused);
        } else if id == "r-2" {
            let events = reply.events();
            assert!(in_stream.iter().all(|message| events.message(message)));
            events.end();
        } else {
            return false;
        }
        true
    });
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    server.wait_for_stream();
    server.push(&said[1]);
    let sent = [
        odd(r#""method":"notifications/odd","params":{"a":1,"a":2}"#),
        odd(r#""id":"ask-1","result":{"roots":[]}"#),
        odd(r#""id":"ask-2","error":{"code":-1,"message":"no"}"#),
        odd(r#""id":"r-1","method":"tools/call","params":{}"#),
        odd(r#""id":"r-2","method":"tools/call","params":{}"#),
    ];
    for line in &sent {
        bridge.send(line);
    }
    for line in said.iter().chain([&asks, &refusal, &result]) {
        assert!(
            crate::support::holds_in_time(|| bridge.lines().contains(line)),
            "{line}: {:#?}",
            bridge.lines()
        );
    }
    for line in &sent {
        let came = || server.seen().iter().any(|seen| seen.text() == *line);
        assert!(crate::support::holds_in_time(came), "{line}");
    }
}

#[test]
fn an_answer_in_many_lines_is_one_line() {
    let server = Server::start();
    server.behave(|seen, reply| {
        let id = seen.json()["id"].clone();
        match seen.json()["params"]["name"].as_str() {
            Some("document") => reply.json(200, &format!("{{\r\n  \"id\": {id},\n  \"result\": {{}}\n}}\n")),
            Some("events") => {
                let events = reply.events();
                events.bytes(b": hello\r\n\r\nevent: message\r\n");
                events.bytes(format!("data: {{\r\ndata:  \"id\": {id},\r\ndata:\"result\":").as_bytes());
                events.bytes(b" {}}\r\n\r\n");
                events.end();
            }
            _ => return false,
        }
        true
    });
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    for tool in ["document", "events"] {
        let id = bridge.call(tool, &json!({}));
        assert_eq!(bridge.answer(id)["result"], json!({}));
    }
}

#[test]
fn what_is_no_message_gets_an_error_and_the_next_one_works() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    for (line, code, id) in [
        ("hello", -32700, Value::Null),
        ("{\"jsonrpc\":\"2.0\",\"id\":1", -32700, Value::Null),
        ("{\"jsonrpc\":\"2.0\",\"id\":91}", -32600, json!(91)),
        ("[]", -32600, Value::Null),
        ("[{\"jsonrpc\":\"2.0\",\"id\":92,\"method\":\"ping\"}]", -32600, Value::Null),
    ] {
        let before = bridge.lines().len();
        bridge.send(line);
        crate::support::holds_in_time(|| bridge.lines().len() > before);
        let answer: Value = serde_json::from_str(&bridge.lines()[before]).unwrap();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{line}");
    }
    bridge.works();
}

#[test]
fn an_entry_starts_it_as_it_is_written_also_where_the_directory_has_a_blank() {
    let server = Server::start();
    let project = Project::new();
    let root = project.path("my project");
    let tokens = root.join(".oauth-tokens");
    fs::create_dir_all(&tokens).unwrap();
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o700)).unwrap();
    let token = TokenFile::egress("acme", "wiki").field("access_token", "at-1").expires_in(7200);
    fs::write(tokens.join(token.name()), token.text()).unwrap();
    let mut once = Command::new(built_program());
    once.args(["--once", "--launcher", "bridge", "--registry-url", &server.url(), "--dir"])
        .arg(&root)
        .env_clear();
    assert!(once.output().unwrap().status.success());
    let text = fs::read_to_string(tokens.join("mcp.json")).unwrap();
    assert!(!text.contains("at-1"), "{text}");
    let entry = serde_json::from_str::<Value>(&text).unwrap()["mcpServers"]["wiki"].clone();
    let words: Vec<&str> =
        entry["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(words.iter().all(|word| !word.contains(' ')), "{entry}");
    let variables =
        entry["env"].as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap()));
    let mut command = Command::new(entry["command"].as_str().unwrap());
    let mut bridge = Bridge::spawn(command.args(words).env_clear().envs(variables).current_dir("/"));
    bridge.handshake(OLD);
    bridge.works();
    assert_eq!(server.calls("tools/call")[0].header("authorization"), Some("Bearer at-1"));
}

//! It ends within a second, whatever is under way, and leaves nothing behind.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Bridge, command, project};
use crate::mcp::Server;
use crate::support::daemon::signal_process;
use crate::support::{Signal, holds_in_time};

/// A server on which every tool takes for ever.
fn endless() -> Server {
    let server = Server::start();
    server.behave(|seen, reply| {
        seen.rpc() == "tools/call" && {
            while !reply.is_closed() {
                std::thread::sleep(Duration::from_millis(10));
            }
            true
        }
    });
    server
}

#[test]
fn when_its_input_closes_during_a_call_it_cancels_that_and_deletes_the_session() {
    let server = endless();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    let id = bridge.call("never", &json!({}));
    server.wait_for("tools/call", 1);
    bridge.close();
    assert!(bridge.wait(Duration::from_secs(1)).success());
    let cancelled = server.wait_for("notifications/cancelled", 1);
    assert_eq!(cancelled[0].json()["params"]["requestId"], id);
    assert_eq!(server.sessions(), 0);
    assert_eq!(bridge.answers(id), 0);
}

#[test]
fn an_answer_that_is_about_to_come_is_still_written() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    let ids: Vec<u64> = (0..20).map(|_| bridge.call("echo", &json!({}))).collect();
    bridge.close();
    bridge.wait(Duration::from_secs(1));
    assert!(holds_in_time(|| ids.iter().all(|id| bridge.answers(*id) == 1)));
}

#[test]
fn each_signal_ends_it() {
    for signal in [Signal::Term, Signal::Int, Signal::Hup] {
        let server = endless();
        let project = project(&server);
        let mut bridge = Bridge::ready(&project);
        bridge.call("never", &json!({}));
        server.wait_for("tools/call", 1);
        signal_process(signal, bridge.pid());
        assert!(bridge.wait(Duration::from_secs(1)).success(), "{signal:?}");
        assert_eq!(server.sessions(), 0, "{signal:?}");
    }
}

#[test]
fn it_ends_with_its_parent_also_when_its_input_stays_open() {
    let server = endless();
    let project = project(&server);
    // The shell is killed; this test holds the other end of the pipe.
    let bridge = command(&project);
    let program = bridge.get_program().to_str().unwrap().to_owned();
    let script = format!("{program} bridge wiki & echo $!; wait");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("TOKEN_REFRESHER_DIR", project.root());
    // A background job of a shell reads nothing unless it is told to.
    shell.args::<_, &str>([]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let script = format!("exec 3<&0; {program} bridge wiki <&3 & echo $!; wait");
    let mut shell_with_input = Command::new("sh");
    shell_with_input.args(["-c", &script]).env("TOKEN_REFRESHER_DIR", project.root());
    shell_with_input.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = shell_with_input.spawn().unwrap();
    let mut pid = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut pid).unwrap();
    let process = format!("/proc/{}", pid.trim());
    assert!(holds_in_time(
        || std::fs::read_to_string(format!("{process}/comm")).is_ok_and(|name| name.starts_with("token-ref"))
    ));
    std::thread::sleep(Duration::from_millis(200));
    child.kill().unwrap();
    let begun = Instant::now();
    // Its own parent is gone too, so that it may stay as a zombie of the process that took it over.
    let gone =
        || std::fs::read_to_string(format!("{process}/stat")).map_or(true, |stat| stat.contains(") Z "));
    assert!(holds_in_time(gone));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    child.wait().unwrap();
}

#[test]
fn it_ends_when_the_client_reads_no_more() {
    let server = Server::start();
    let project = project(&server);
    let mut child =
        command(&project).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"no message\n").unwrap();
    assert!(holds_in_time(|| child.try_wait().unwrap().is_some()));
}

#[test]
fn one_of_two_may_be_killed_at_once() {
    let server = Server::start();
    let project = project(&server);
    let first = Bridge::start(&project);
    let mut second = Bridge::start(&project);
    std::thread::sleep(Duration::from_millis(50));
    drop(first);
    second.handshake(crate::mcp::OLD);
    second.works();
    assert_eq!(project.names(), ["acme-wiki-egress.json"], "nothing is kept on disk");
}

#[test]
fn it_listens_on_nothing() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    let pid = bridge.pid();
    let mut sockets = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let link = std::fs::read_link(entry.unwrap().path()).unwrap();
        let link = link.to_string_lossy().into_owned();
        sockets
            .extend(link.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(str::to_owned));
    }
    assert!(!sockets.is_empty());
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // 0A is LISTEN.
            assert!(fields[3] != "0A" || !sockets.iter().any(|inode| inode == fields[9]), "{line}");
        }
    }
}

/// Cookies, sessions and tokens are kept in memory alone.
#[test]
fn nothing_of_a_session_is_on_the_disk_during_it_or_after() {
    let server = Server::start();
    let project = project(&server);
    let everything = || {
        let find =
            Command::new("find").arg(project.outside()).args(["-printf", "%p %s %T@\n"]).output().unwrap();
        let mut lines: Vec<String> =
            String::from_utf8(find.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = everything();
    let temporary = project.outside().join("tmp");
    let mut bridge = Bridge::spawn(command(&project).env("TMPDIR", &temporary).env("HOME", &temporary));
    bridge.handshake(crate::mcp::OLD);
    bridge.works();
    assert_eq!(everything(), before);
    bridge.close();
    assert!(bridge.wait(Duration::from_secs(1)).success());
    assert_eq!(everything(), before);
}

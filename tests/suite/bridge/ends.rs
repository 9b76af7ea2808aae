//! It ends within a second, whatever is under way, and leaves nothing behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Bridge, command, project};
use super::mcp::Server;
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
        assert_eq!(server.calls("notifications/cancelled").len(), 1, "{signal:?}");
    }
}

#[test]
fn it_ends_with_its_parent_also_when_its_input_stays_open() {
    let server = endless();
    let project = project(&server);
    // The shell is killed; this test holds the other end of the pipe. A background job of a shell reads nothing unless
    // it is told to.
    let program = command(&project).get_program().to_str().unwrap().to_owned();
    let script = format!("exec 3<&0; {program} bridge wiki <&3 & echo $!; wait");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("TOKEN_REFRESHER_DIR", project.root());
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(shell.stdout.take().unwrap()).lines().map(Result::unwrap);
    let process = format!("/proc/{}", output.next().unwrap());
    let mut input = shell.stdin.take().unwrap();
    input.write_all(b"no message\n").unwrap();
    // Its first answer shows that it has looked for its parent.
    assert!(output.next().unwrap().contains("-32700"));
    shell.kill().unwrap();
    let begun = Instant::now();
    // Its own parent is gone too, so that it may stay as a zombie of the process that took it over.
    let gone =
        || std::fs::read_to_string(format!("{process}/stat")).map_or(true, |stat| stat.contains(") Z "));
    assert!(holds_in_time(gone));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    shell.wait().unwrap();
}

#[test]
fn it_ends_when_the_client_reads_no_more() {
    let server = Server::start();
    let project = project(&server);
    let mut child =
        command(&project).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    assert!(holds_in_time(|| {
        // Again and again: a program that another test starts just now has the other end for a moment, too. The write
        // fails when the bridge has ended.
        let _ = input.write_all(b"no message\n");
        child.try_wait().unwrap().is_some()
    }));
}

#[test]
fn one_of_two_may_be_killed_at_once() {
    let server = Server::start();
    let project = project(&server);
    let first = Bridge::start(&project);
    let mut second = Bridge::start(&project);
    std::thread::sleep(Duration::from_millis(50));
    drop(first);
    second.handshake(super::mcp::OLD);
    second.works();
    assert_eq!(project.names(), ["acme-wiki-egress.json"], "nothing is kept on disk");
}

/// The system's records of the TCP sockets of a process, in their fields.
fn tcp_sockets(pid: u32) -> Vec<Vec<String>> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = links.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let inodes: Vec<String> = links
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables = ["tcp", "tcp6"]
        .map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    let rows = rows.map(|row| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    rows.filter(|fields| inodes.contains(&fields[9])).collect()
}

#[test]
fn it_listens_on_nothing() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    let sockets = tcp_sockets(bridge.pid());
    assert!(!sockets.is_empty());
    // 0A is LISTEN.
    assert!(sockets.iter().all(|fields| fields[3] != "0A"), "{sockets:?}");
}

/// A peer that went away without a word is noticed, on a stream that may be silent for hours.
#[test]
fn the_system_asks_whether_the_peer_of_a_silent_connection_is_still_there() {
    let server = Server::start();
    let project = project(&server);
    let bridge = Bridge::ready(&project);
    server.wait_for_stream();
    // 01 is ESTABLISHED; the timer 02 is that of keep-alive, and 01 waits for the peer to take what was sent.
    let has_timer = || {
        let sockets = tcp_sockets(bridge.pid());
        let open = sockets.iter().filter(|fields| fields[3] == "01");
        sockets.iter().any(|fields| fields[3] == "01")
            && open.clone().all(|fields| fields[5].starts_with("02:"))
    };
    assert!(holds_in_time(has_timer), "{:?}", tcp_sockets(bridge.pid()));
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
    bridge.handshake(super::mcp::OLD);
    bridge.works();
    assert_eq!(everything(), before);
    bridge.close();
    assert!(bridge.wait(Duration::from_secs(1)).success());
    assert_eq!(everything(), before);
}

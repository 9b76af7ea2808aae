//! What the service manager hears, what the journal gets, and that no process can connect to the daemon. If
//! something here fails, systemd restarts a healthy daemon, or keeps one that hangs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::daemon::built_program;
use crate::support::{DEADLINE, Daemon, Due, Program, Project, Signal, TokenFile, due};

const CYCLE_ENDS: &str = "Token refresh cycle completed";

/// A service manager's end of the notification socket.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn at_a_path(project: &Project) -> Self {
        let path = project.outside().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self::with(socket, path.to_str().unwrap().to_owned())
    }

    fn abstract_one() -> Self {
        let name = format!("token-refresher/test/{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Self::with(socket, format!("@{name}"))
    }

    fn with(socket: UnixDatagram, name: String) -> Self {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, name }
    }

    fn start(&self, program: Program) -> Daemon {
        program.env("NOTIFY_SOCKET", &self.name).start()
    }

    /// The next message.
    fn hears(&self) -> String {
        let mut bytes = [0; 4096];
        let length = loop {
            match self.socket.recv(&mut bytes) {
                // A signal to this process, which runs other tests too, is no silence.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                received => break received.expect("a message in time"),
            }
        };
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The next message that begins so; what comes before it is dropped.
    fn hears_of(&self, beginning: &str) -> String {
        loop {
            let message = self.hears();
            if message.starts_with(beginning) {
                return message;
            }
        }
    }
}

#[test]
fn a_life_as_the_service_manager_hears_it() {
    let Due { endpoint, project, client } = due::none();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    let manager = Manager::at_a_path(&project);
    let hold = endpoint.hold();
    let mut daemon = manager.start(Program::new(&project));
    // While the first request is not answered: who waits for the service does not wait for that.
    assert_eq!(manager.hears(), "READY=1");
    drop(hold);
    let status = manager.hears();
    assert!(status.starts_with("STATUS=1 token, 0 not refreshed, next due 2"), "{status}");
    assert!(status.ends_with(" UTC"), "{status}");

    daemon.signal(Signal::Hup);
    let reloading = manager.hears_of("RELOADING=1");
    let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    assert!(micros.parse::<u64>().is_ok_and(|micros| micros > 0), "{reloading}");
    assert_eq!(manager.hears(), "READY=1");
    daemon.wait_for_log_times(CYCLE_ENDS, 2);

    daemon.signal(Signal::Term);
    assert!(manager.hears_of("STOPPING=1").contains("\nSTATUS="));
    daemon.wait().expect_code(0);
}

#[test]
fn an_abstract_socket_will_do_and_the_watchdog_is_fed_in_time() {
    let project = Project::new();
    let manager = Manager::abstract_one();
    let daemon = manager.start(Program::new(&project).env("WATCHDOG_USEC", "400000"));
    assert_eq!(manager.hears(), "READY=1");
    let (mut last, mut fed) = (std::time::Instant::now(), 0);
    while fed < 5 {
        if manager.hears() == "WATCHDOG=1" {
            let gap = last.elapsed();
            assert!(gap.as_millis() < 400, "{gap:?}");
            (last, fed) = (std::time::Instant::now(), fed + 1);
        }
    }
    daemon.stop().expect_code(0);
}

#[test]
fn a_long_cycle_shows_that_it_goes_on() {
    let Due { endpoint, project, client } = due::none();
    endpoint.set_latency(Duration::from_millis(700));
    for index in 0..4 {
        let file = TokenFile::signed_in("github", &format!("repos-{index}"), &endpoint, &client);
        project.write_token(&file.expires_in(60));
    }
    let manager = Manager::at_a_path(&project);
    let program = Program::new(&project).args("--jobs 1").env("WATCHDOG_USEC", "180000000");
    let daemon = manager.start(program);
    assert_eq!(manager.hears(), "READY=1");
    // The status is told at the end of the cycle.
    assert_eq!(manager.hears(), "WATCHDOG=1");
    manager.hears_of("STATUS=4 tokens, 0 not refreshed");
    daemon.stop().expect_code(0);
}

#[test]
fn a_watchdog_of_another_process_is_not_ours() {
    let project = Project::new();
    let manager = Manager::at_a_path(&project);
    let program = Program::new(&project).env("WATCHDOG_USEC", "400000").env("WATCHDOG_PID", "1");
    let daemon = manager.start(program);
    assert_eq!(manager.hears(), "READY=1");
    assert!(manager.hears().starts_with("STATUS="));
    daemon.signal(Signal::Term);
    assert!(manager.hears().starts_with("STOPPING=1"));
    daemon.wait().expect_code(0);
}

#[test]
fn a_manager_that_has_gone_is_no_reason_to_stop() {
    let project = Project::new();
    for name in ["/nowhere/at/all", "@nobody", "vsock:2:1"] {
        let daemon = Program::new(&project).env("NOTIFY_SOCKET", name).args("--once").start();
        daemon.wait().expect_code(0);
    }
    let manager = Manager::at_a_path(&project);
    let mut daemon = manager.start(Program::new(&project));
    assert_eq!(manager.hears(), "READY=1");
    drop(manager);
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 4);
    daemon.stop().expect_code(0);
}

/// Runs one cycle with standard error in a file that is, or is not, what `JOURNAL_STREAM` names.
fn to_the_journal(project: &Project, named: bool) -> String {
    let path = project.outside().join("journal");
    let journal = File::create(&path).unwrap();
    let metadata = journal.metadata().unwrap();
    let inode = if named { metadata.ino() } else { metadata.ino() + 1 };
    let status = Command::new(built_program())
        .args(["--once", "--log-file", "-", "--dir"])
        .arg(project.root())
        .env_clear()
        .env("JOURNAL_STREAM", format!("{}:{inode}", metadata.dev()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(journal)
        .status();
    assert!(status.unwrap().success());
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_journal_gets_levels_and_nothing_else_does() {
    let project = Project::new();
    project.write_tokens_file("broken.json", "{");
    let text = to_the_journal(&project, true);
    for line in text.lines() {
        let (prefix, rest) = line.split_at(3);
        let level = if rest.contains("[WARNING]") { "<4>" } else { "<6>" };
        assert_eq!(prefix, level, "{line}");
        assert!(rest.starts_with("20"), "{line}");
    }
    assert!(text.contains("<4>") && text.contains("<6>"), "{text}");
    let text = to_the_journal(&project, false);
    assert!(text.lines().all(|line| line.starts_with("20")), "{text}");
}

/// The inodes of the sockets that a process has open.
fn sockets(pid: u32) -> BTreeSet<String> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok()?.to_str().map(str::to_owned));
    targets
        .filter_map(|target| Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}

/// The inodes of the sockets that another process could connect or send to: listening TCP and unix sockets, and
/// UDP sockets without a peer, in the network namespace of a process.
fn reachable(pid: u32) -> BTreeSet<String> {
    let mut inodes = BTreeSet::new();
    for (table, state_column, states, inode_column) in [
        ("tcp", 3, ["0A"].as_slice(), 9),
        ("tcp6", 3, &["0A"], 9),
        // 07 is a bound socket without a peer; raw sockets have no other state.
        ("udp", 3, &["07"], 9),
        ("udp6", 3, &["07"], 9),
        ("raw", 3, &["07"], 9),
        // The flag of a socket that accepts connections.
        ("unix", 3, &["00010000"], 6),
    ] {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/net/{table}")) else { continue };
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            if states.contains(&columns[state_column]) {
                inodes.insert(columns[inode_column].to_owned());
            }
        }
    }
    inodes
}

#[test]
fn nobody_can_connect_to_the_daemon() {
    let Due { endpoint, project, client } = due::none();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    let manager = Manager::at_a_path(&project);
    let hold = endpoint.hold();
    let mut daemon = manager.start(Program::new(&project));
    endpoint.wait_for_requests(1);
    // In the middle of a request, when every socket that it ever has is open.
    let (open, pid) = (sockets(daemon.pid()), daemon.pid());
    assert!(open.len() >= 2, "the connection and the notification: {open:?}");
    assert_eq!(open.intersection(&reachable(pid)).count(), 0);
    // The same look finds the listener of this test's own endpoint.
    let own = std::process::id();
    assert!(sockets(own).intersection(&reachable(own)).count() >= 1);
    drop(hold);
    daemon.wait_for_log(CYCLE_ENDS);
    assert_eq!(sockets(pid).intersection(&reachable(pid)).count(), 0);
    daemon.stop().expect_code(0);
}

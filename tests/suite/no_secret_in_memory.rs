//! A daemon that lies idle holds no secret: a core dump, a debugger or a swapped page gives none away.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::support::{Program, Project, TokenFile};

/// What the process may write to and so may hold copies in, as bytes.
fn memory(process: u32) -> Vec<u8> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).expect("a parent may read its child's memory");
    let mut bytes = Vec::new();
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let (from, to) = map.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|end| u64::from_str_radix(end, 16).unwrap());
        let mut part = vec![0; usize::try_from(to - from).unwrap()];
        // Pages that are reserved and were never written cannot be read.
        if memory.read_exact_at(&mut part, from).is_ok() {
            bytes.extend(part);
        }
    }
    bytes
}

fn holds(memory: &[u8], text: &str) -> bool {
    memory.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn an_idle_daemon_holds_no_secret() {
    const SECRETS: [&str; 3] =
        ["access-that-nobody-may-see", "refresh-that-nobody-may-see", "client-secret-to-hide"];
    let project = Project::new();
    for number in 0..20 {
        let file = TokenFile::egress("atlassian", &format!("server-{number}"))
            .field("access_token", format!("{}{}{number}", "a".repeat(900), SECRETS[0]))
            .field("refresh_token", format!("{}{number}", SECRETS[1]))
            .field("client_id", "client-that-all-may-see")
            .field("client_secret", SECRETS[2]);
        project.write_token(&file.fresh_for(90_000));
    }
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log("Token refresh cycle completed");
    let written = fs::read_to_string(project.path(".oauth-tokens/mcp.json")).unwrap();
    assert!(written.contains(SECRETS[0]), "the daemon had them: {written}");
    let process = daemon.pid();
    assert!(holds(&memory(process), "server-19-egress.json"), "the search finds what is there");
    // The line in the log comes before the end of the cycle.
    daemon.wait_until("memory without secrets", || {
        let memory = memory(process);
        SECRETS.iter().all(|secret| !holds(&memory, secret))
    });
    daemon.stop().expect_code(0);
}

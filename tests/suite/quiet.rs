//! What the log of years looks like: a line for each idle cycle, each problem once, its change and its end
//! too, and nothing lost when the file is rotated. If something here fails, the log is too long to read.

use std::fs;

use crate::support::{Daemon, Due, Program, Project, Signal, Step, TokenFile, Who, due};

const CYCLE_ENDS: &str = "Token refresh cycle completed";

/// One more cycle, which a signal makes tell everything.
fn cycle(daemon: &mut Daemon) {
    let ended = daemon.log().matches(CYCLE_ENDS).count();
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, ended + 1);
}

fn lines(daemon: &Daemon, level: &str, about: &str) -> Vec<String> {
    let log = daemon.log();
    let lines = log.lines().filter(|line| line.contains(level) && line.contains(about));
    lines.map(|line| line.split_once("] ").unwrap().1.to_owned()).collect()
}

#[test]
fn a_problem_is_said_when_it_comes_when_it_changes_and_when_it_ends() {
    let project = Project::new();
    let file = "broken-egress.json";
    project.write_tokens_file(file, "{");
    let mut daemon = Program::new(&project).env("REGISTRY_URL", "http://gateway").start();
    daemon.wait_for_log(CYCLE_ENDS);
    for _ in 0..3 {
        cycle(&mut daemon);
    }
    let said = lines(&daemon, "[WARNING]", file);
    assert_eq!(said.len(), 1, "{said:?}");
    project.write_tokens_file(file, "{\"access_token\": 7}");
    for _ in 0..2 {
        cycle(&mut daemon);
    }
    let said = lines(&daemon, "[WARNING]", file);
    assert!(said.len() == 2 && said[0] != said[1], "{said:?}");
    project.write_tokens_file(file, "{\"access_token\": \"a\"}");
    for _ in 0..2 {
        cycle(&mut daemon);
    }
    assert_eq!(lines(&daemon, "[WARNING]", file).len(), 2);
    assert_eq!(lines(&daemon, "[INFO]", "again"), [format!("REFRESH: {file}: readable again")]);
    // A file that is gone is not well again.
    project.write_tokens_file(file, "{");
    cycle(&mut daemon);
    std::fs::remove_file(project.token(file)).unwrap();
    cycle(&mut daemon);
    assert_eq!(lines(&daemon, "[INFO]", "is gone"), [format!("REFRESH: {file}: is gone")]);
    assert_eq!(lines(&daemon, "[INFO]", "readable again").len(), 1);
    daemon.stop().expect_code(0);
}

#[test]
fn an_outage_is_one_warning_and_one_end() {
    let Due { endpoint, project, client } = due::none();
    endpoint.always(Who::Anyone, Step::error(503, "temporarily_unavailable"));
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(1800));
    let mut daemon = Program::new(&project).env("REGISTRY_URL", "http://gateway").start();
    daemon.wait_for_log(CYCLE_ENDS);
    for _ in 0..2 {
        cycle(&mut daemon);
    }
    assert_eq!(lines(&daemon, "[WARNING]", "github-repos").len(), 1, "{}", daemon.log());
    endpoint.forget_scripts();
    let once = Program::new(&project).env("REGISTRY_URL", "http://gateway").args("--force").once();
    once.expect_code(0);
    cycle(&mut daemon);
    cycle(&mut daemon);
    assert_eq!(
        lines(&daemon, "[INFO]", "github-repos-egress.json: refreshed again").len(),
        1,
        "{}",
        daemon.log()
    );
    assert_eq!(lines(&daemon, "[WARNING]", "github-repos").len(), 1, "{}", daemon.log());
    daemon.stop().expect_code(0);
}

#[test]
fn rotation_by_copying_and_truncating_leaves_no_hole() {
    let project = Project::new();
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log(CYCLE_ENDS);
    let log = project.path("token_refresher.log");
    let inode = project.stamp("token_refresher.log");
    fs::copy(&log, project.path("token_refresher.log.1")).unwrap();
    fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    cycle(&mut daemon);
    let bytes = fs::read(&log).unwrap();
    assert!(bytes.starts_with(b"20") && !bytes.contains(&0), "{}", daemon.log());
    assert_ne!(project.stamp("token_refresher.log"), inode);
    assert!(project.text("token_refresher.log.1").contains(CYCLE_ENDS));
    daemon.stop().expect_code(0);
}

#[test]
fn rotation_by_renaming_and_a_signal_goes_on_in_a_new_private_file() {
    let project = Project::new();
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log(CYCLE_ENDS);
    fs::rename(project.path("token_refresher.log"), project.path("token_refresher.log.1")).unwrap();
    // Until the signal comes, nothing is lost: it goes where the file went.
    daemon.signal(Signal::Usr1);
    daemon.wait_until("a cycle in the renamed file", || {
        project.text("token_refresher.log.1").matches(CYCLE_ENDS).count() == 2
    });
    daemon.signal(Signal::Hup);
    daemon.wait_for_log(CYCLE_ENDS);
    assert_eq!(project.mode("token_refresher.log"), 0o600);
    assert_eq!(project.text("token_refresher.log.1").matches(CYCLE_ENDS).count(), 2);
    daemon.stop().expect_code(0);
}

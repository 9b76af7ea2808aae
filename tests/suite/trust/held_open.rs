//! The tokens directory is one open directory during a cycle: where its path leads meanwhile makes no difference.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::PathBuf;

use crate::support::due::{Due, FILE, asking, due};
use crate::support::{Outcome, Program, Project, internals};

/// The name of the tokens directory after the attack.
const MOVED: &str = ".oauth-tokens.before";

/// Turns the tokens directory of a project into a link to another directory (the bait), which holds a copy of the
/// token file. The bait, as it was.
struct Turned<'a> {
    project: &'a Project,
    bait: PathBuf,
    token: String,
}

impl<'a> Turned<'a> {
    /// Makes the bait.
    fn prepare(project: &'a Project) -> Self {
        let bait = project.outside().join("bait");
        DirBuilder::new().mode(0o700).create(&bait).unwrap();
        fs::copy(project.token(FILE), bait.join(FILE)).unwrap();
        Self { project, token: fs::read_to_string(bait.join(FILE)).unwrap(), bait }
    }

    /// Puts a link to the bait in the place of the tokens directory.
    fn turn(&self) {
        fs::rename(self.project.path(".oauth-tokens"), self.project.path(MOVED)).unwrap();
        symlink(&self.bait, self.project.path(".oauth-tokens")).unwrap();
    }

    /// Nothing was written into the bait, and the new token and the configurations are where the token was.
    fn was_in_vain(self, due: &Due, log: &str) {
        let names: Vec<_> =
            fs::read_dir(&self.bait).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE], "{log}");
        assert_eq!(fs::read_to_string(self.bait.join(FILE)).unwrap(), self.token, "{log}");
        let there = self.project.text(&format!("{MOVED}/{FILE}"));
        let requests = due.endpoint.requests();
        let [Outcome::Granted { refresh_token: Some(new), .. }] =
            &*requests.iter().map(|request| request.outcome.clone()).collect::<Vec<_>>()
        else {
            panic!("{requests:?}: {log}")
        };
        assert!(there.contains(new), "{there}: {log}");
        for written in ["mcp.json", "vscode_mcp.json", "mcp-claude-code.json", ".token-refresher/status.json"]
        {
            assert!(self.project.path(MOVED).join(written).is_file(), "{written}: {log}");
        }
    }
}

fn program(due: &Due) -> Program {
    Program::new(&due.project).args("--once --client claude-code")
}

#[test]
fn a_link_in_place_of_the_directory_while_the_endpoint_answers_leads_nowhere() {
    let due = due();
    let turned = Turned::prepare(&due.project);
    let (hold, running) = asking(&due.endpoint, program(&due));
    turned.turn();
    drop(hold);
    let finished = running.wait().expect_code(0);
    turned.was_in_vain(&due, &finished.log);
}

#[test]
fn a_link_in_place_of_the_directory_while_a_lock_is_waited_for_leads_nowhere() {
    let due = due();
    let turned = Turned::prepare(&due.project);
    let lock = internals::lock(&due.project, FILE);
    let mut running = program(&due).start();
    running.wait_for_log("REFRESH: Found ");
    turned.turn();
    drop(lock);
    let finished = running.wait().expect_code(0);
    turned.was_in_vain(&due, &finished.log);
}

#[test]
fn a_link_in_place_of_the_directory_before_the_configurations_leads_nowhere() {
    let due = due();
    let turned = Turned::prepare(&due.project);
    let lock = internals::lock_configurations(&due.project);
    let mut running = program(&due).start();
    running.wait_for_log("Generating MCP configurations...");
    turned.turn();
    drop(lock);
    let finished = running.wait().expect_code(0);
    turned.was_in_vain(&due, &finished.log);
}

/// A configuration in the tokens directory is the program's own: a link there was followed and its target written.
#[test]
fn a_configuration_of_ours_is_not_written_through_a_link() {
    for (name, code) in [("mcp-claude-code.json", 1), ("mcp.json", 0), ("vscode_mcp.json", 0)] {
        let due = due();
        let elsewhere = due.project.write("elsewhere.json", "{}");
        symlink(&elsewhere, due.project.token(name)).unwrap();
        let finished = program(&due).run().expect_code(code);
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "{}", "{name}: {}", finished.log);
        if name.starts_with("mcp-") {
            assert!(finished.log.contains("it is a link, which is not followed"), "{}", finished.log);
        }
    }
}

/// A status file that is a link was read through it: its contents decide when a token is refreshed.
#[test]
fn the_status_file_is_not_read_through_a_link() {
    let due = due();
    program(&due).run().expect_code(0);
    let status = internals::own(&due.project, "status.json");
    let elsewhere = due.project.outside().join("status.json");
    fs::rename(&status, &elsewhere).unwrap();
    symlink(&elsewhere, &status).unwrap();
    let before = fs::read_to_string(&elsewhere).unwrap();
    let shown = Program::new(&due.project).args("status --json").run().expect_code(0);
    assert!(shown.stdout.contains("\"last_success_at\":null"), "{}", shown.stdout);
    program(&due).run().expect_code(0);
    assert!(fs::symlink_metadata(&status).unwrap().is_file(), "replaced by a file of the program's own");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), before);
}

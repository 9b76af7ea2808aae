//! The one window in which a kill loses a refresh token: from the answer's last byte to the write of the new token.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::figures::{Samples, Unit, title};
use crate::programs::Programs;
use crate::support::trace::{Windows, calls};
use crate::support::{Client, Endpoint, Program, Project, TokenFile};

const RUNS: usize = 100;

pub(crate) fn measure(programs: &Programs) {
    if !programs.counts_calls {
        println!("the window between an answer and its write is not measured: there is no strace");
        return;
    }
    title(
        "between the answer's last byte and its write, which a kill can lose (median, 99th percentile of 100 runs)",
    );
    print("alone", programs);
    let busy: Vec<Child> = (0..2).map(|_| busy()).collect();
    print("beside two busy processes", programs);
    for mut child in busy {
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
}

fn print(what: &str, programs: &Programs) {
    let (project, endpoint, client) = (Project::new(), Endpoint::start(), Client::new("app"));
    endpoint.register(client.clone());
    let output = project.outside().join("trace");
    let trace = ["strace", "-f", "-ttt", "-T", "--seccomp-bpf", "-e", "trace=recvfrom,pwrite64,fsync", "-o"];
    let trace: Vec<&str> = trace.into_iter().chain([output.to_str().unwrap()]).collect();
    let mut windows = Windows::default();
    for _ in 0..RUNS {
        let token = TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60);
        project.write_token(&token);
        Program::at(&programs.program, &project).below(&trace).once().expect_code(0);
        windows.take(&calls(&fs::read_to_string(&output).expect("a trace")));
    }
    for (until, times) in [("until it is written", windows.writing), ("until it is synced", windows.whole)] {
        let times = Samples::new(Unit::Time, times.iter().map(std::time::Duration::as_secs_f64).collect());
        let [median, most] = [times.at(0.5), times.at(0.99)].map(|seconds| Unit::Time.show(seconds));
        println!("{what}, {until}: {median}, {most} [goal: as narrow as can be]");
    }
}

/// A process that does nothing as fast as it can.
fn busy() -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().expect("a shell")
}

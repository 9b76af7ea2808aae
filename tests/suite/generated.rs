//! The man page and the completions, read by the programs they are for. What is not installed is said and
//! skipped; `.ci/run` installs all of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Project;
use crate::support::daemon::built_program;

/// The generated text, in a file.
fn generated(project: &Project, what: &str, file: &str) -> PathBuf {
    let output = Command::new(built_program()).args(["--generate", what]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    project.write(file, &output.stdout)
}

fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok();
    if !there {
        eprintln!("{program} is not installed: not tested with it");
    }
    there
}

/// A PATH on which the shells find the program.
fn with_the_program() -> std::ffi::OsString {
    let program = built_program();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = [program.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(directories).unwrap()
}

/// What a command prints on both outputs; its environment has nothing of the user's.
fn output(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("HOME", directory)
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", with_the_program())
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn the_man_page_is_read_without_complaint() {
    let project = Project::new();
    let page = generated(&project, "man", "token-refresher.1");
    let page = page.to_str().unwrap();
    if is_there("man") {
        let read = output("man", &["--warnings", "-l", page], project.root());
        assert!(read.contains("TOKEN_REFRESH_INTERVAL") && !read.contains("warning"), "{read}");
    }
    if Command::new("mandoc").arg("-Tlint").arg("/dev/null").output().is_ok() {
        assert_eq!(output("mandoc", &["-Tlint", page], project.root()), "");
    } else {
        eprintln!("mandoc is not installed: not tested with it");
    }
}

/// What a shell offers for a line with the cursor at its end: the whole words.
type Offers<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// The same questions for every shell.
fn asked(offers: Offers<'_>) {
    for (line, offered, withheld) in [
        ("token-refresher ", &["status", "check"][..], &["DEBUG"][..]),
        ("token-refresher --in", &["--interval"], &["--buffer"]),
        ("token-refresher --log-level ", &["DEBUG", "INFO", "WARNING", "ERROR"], &["status"]),
        ("token-refresher --generate ", &["man", "complete-zsh"], &["status"]),
        ("token-refresher status --", &["--json", "--dir"], &["--alive", "--interval"]),
        ("token-refresher check --", &["--alive", "--dir"], &["--json", "--interval"]),
        ("token-refresher --dir ", &["registry/"], &["a-file"]),
        ("token-refresher --env-file a-", &["a-file"], &["registry/"]),
        ("token-refresher token ", &["github-repos"], &["acme-client", "time"]),
        ("token-refresher revoke g", &["github-repos"], &["it"]),
        ("token-refresher status ", &["github-repos"], &["--json"]),
        ("token-refresher headers ", &["repos", "time"], &["github-repos"]),
        ("token-refresher bridge r", &["repos"], &["time"]),
        ("token-refresher login ", &["github-repos", "atlassian"], &["time"]),
        ("token-refresher --client c", &["claude-code", "cursor"], &["vscode", "claude-code=", "status"]),
        ("token-refresher --dir elsewhere token ", &["jira"], &["github-repos"]),
    ] {
        let words = offers(line);
        for word in offered {
            assert!(words.iter().any(|found| found == word), "{line:?} offers no {word}: {words:?}");
        }
        for word in withheld {
            assert!(!words.iter().any(|found| found == word), "{line:?} offers {word}: {words:?}");
        }
    }
}

fn project_with_a_file() -> Project {
    let project = Project::new();
    project.write("a-file", "");
    for name in ["github-repos-egress.json", "it's $(touch taken)-egress.json", "acme-client.json"] {
        project.write_tokens_file(name, "{}");
    }
    project.no_auth_server("time");
    project.write("elsewhere/.oauth-tokens/jira-egress.json", "{}");
    project
}

#[test]
fn bash_completes() {
    let project = project_with_a_file();
    let script = generated(&project, "complete-bash", "completion");
    if !is_there("bash") {
        return;
    }
    let ask = "source \"$0\"; compopt() { filenames=yes; }; read -r -a COMP_WORDS <<<\"$1\"
        [[ $1 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _token_refresher token-refresher \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
        for word in \"${COMPREPLY[@]}\"; do [[ $filenames && -d $word ]] && word+=/; echo \"$word\"; done";
    let offers = |line: &str| -> Vec<String> {
        let script = script.to_str().unwrap();
        let text = output("bash", &["--norc", "-c", ask, script, line], project.root());
        text.lines().map(str::to_owned).collect()
    };
    asked(&offers);
    // As the line must spell it, and nothing in it is run.
    assert_eq!(offers("token-refresher token i"), [r"it\'s\ \$\(touch\ taken\)"]);
    assert!(!project.path("taken").exists());
}

#[test]
fn fish_completes() {
    let project = project_with_a_file();
    let script = generated(&project, "complete-fish", "completion.fish");
    if !is_there("fish") {
        return;
    }
    asked(&|line| {
        let ask = format!("source {}; complete -C '{line}'", script.display());
        let text = output("fish", &["--no-config", "-c", &ask], project.root());
        text.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
    });
}

#[test]
fn zsh_completes() {
    let project = project_with_a_file();
    generated(&project, "complete-zsh", "functions/_token-refresher");
    if !is_there("zsh") {
        return;
    }
    // Completion works in an interactive shell alone: here one on a pseudo-terminal, which lists what it
    // would offer. The key says itself when it is done: what is typed ahead of the list would suppress it.
    let ask = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'PS1= PROMPT= RPROMPT=; stty -echo columns 200; fpath=('$PWD'/functions $fpath)'
        zpty -w shell 'autoload -Uz compinit; compinit -u -D; zle -N offer; bindkey "^I" offer; LISTMAX=1000'
        zpty -w shell 'offer() { zle list-choices; zle -R; print -r -- " ALL"-SAID }'
        zpty -w shell 'print READY''-NOW'
        zpty -r shell line '*READY-NOW*'
        zpty -w -n shell "$1"$'\t'
        zpty -r shell line '*ALL-SAID*'
        print -r -- "$line"
    "#;
    asked(&|line| {
        let text = output("zsh", &["-f", "-c", ask, "ask", line], project.root());
        text.split_whitespace().map(str::to_owned).collect()
    });
}

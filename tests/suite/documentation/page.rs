//! The pages, and what is in them.

use std::fs;
use std::path::{Path, PathBuf};

/// What a block may need that no test has.
const NEEDS: [&str; 4] = ["account", "container", "service", "sources"];

/// A page of Markdown.
pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A block of commands.
pub(super) struct Block {
    pub(super) scene: String,
    /// Each command with the output below it.
    pub(super) commands: Vec<(String, String)>,
}

/// All pages.
pub(super) fn all() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    paths.extend(
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/first-sign-in.md"]
            .map(|name| root.join(name)),
    );
    paths.sort();
    paths.into_iter().map(|path| Page { text: fs::read_to_string(&path).unwrap(), path }).collect()
}

impl Page {
    pub(super) fn is(&self, name: &str) -> bool {
        self.path.ends_with(name)
    }

    /// The blocks of commands that can be run here.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let Some(about) = line.strip_prefix("```console") else { continue };
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let mut scene = "fresh".to_owned();
            let mut runs = true;
            for word in about.split_whitespace() {
                match word.split_once('=') {
                    Some(("scene", name)) => name.clone_into(&mut scene),
                    Some(("needs", what)) if NEEDS.contains(&what) => runs = false,
                    _ => panic!("{}: {word}", self.path.display()),
                }
            }
            if runs {
                blocks.push(Block { scene, commands: commands(&body) });
            }
        }
        blocks
    }

    /// Everything between single backquotes, outside of blocks.
    pub(super) fn code_spans(&self) -> Vec<String> {
        let mut inside = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.starts_with("```") {
                inside = !inside;
            } else if !inside {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect()
    }

    /// Where its links lead.
    pub(super) fn links(&self) -> Vec<String> {
        let targets = self.text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(|(target, _)| target.to_owned()).collect()
    }

    /// The anchors of its headings, as forges make them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        let anchor = |heading: &str| {
            let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            words.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
        };
        headings.map(anchor).collect()
    }
}

/// The commands of a block, each with what it prints.
fn commands(body: &[&str]) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in body {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, output))) => output.extend([line, "\n"]),
            (None, None) => panic!("an output without a command: {line}"),
        }
    }
    commands
}

//! Which coding assistants a person seems to have: by the directories that they make in the home directory.

use std::path::Path;

use crate::clients::usual_option;

/// The client's name for `--client`, and what it leaves in the home directory.
const TRACES: [(&str, &str); 9] = [
    ("claude-code", ".claude"),
    ("codex", ".codex"),
    ("copilot", ".copilot"),
    ("cursor", ".cursor"),
    ("gemini", ".gemini"),
    ("kiro", ".kiro"),
    ("opencode", ".config/opencode"),
    ("vscode", ".config/Code"),
    ("windsurf", ".codeium/windsurf"),
];

/// A client that seems to be installed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Assistant {
    pub name: &'static str,
    /// The value of `--client` with which it needs nothing by hand.
    pub option: String,
}

/// The clients whose directories are there. Nothing is searched.
pub(super) fn found(home: &Path) -> Vec<Assistant> {
    let found = TRACES.iter().filter(|(_, trace)| home.join(trace).is_dir());
    found.map(|(name, _)| Assistant { name, option: usual_option(name) }).collect()
}

//! Guesses the person's coding assistants from the directories that they make in the home directory.

use std::path::Path;

use crate::clients::usual_option;

/// The client's name for `--client`, and a directory that the client makes in the home directory.
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

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Assistant {
    pub name: &'static str,
    /// The value of `--client` that needs no further step by hand.
    pub option: String,
}

/// The clients whose directories exist. Nothing else is searched.
pub(super) fn found(home: &Path) -> Vec<Assistant> {
    let found = TRACES.iter().filter(|(_, trace)| home.join(trace).is_dir());
    found.map(|(name, _)| Assistant { name, option: usual_option(name) }).collect()
}

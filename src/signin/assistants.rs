//! Which coding assistants a person seems to have: by the directories that they make in the home directory.

use std::path::Path;

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

/// The clients whose directories are there. Nothing is searched.
pub(super) fn found(home: &Path) -> Vec<&'static str> {
    TRACES.iter().filter(|(_, trace)| home.join(trace).is_dir()).map(|(name, _)| *name).collect()
}

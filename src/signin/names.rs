//! Names of token files: the name for a sign-in's file, and the file that a person means.

use std::net::IpAddr;
use std::path::Path;

use crate::oauth::EndpointUrl;

/// The word by which people know a host: `linear` of `mcp.linear.app`.
pub(super) fn of_host(host: &str) -> String {
    if host.parse::<IpAddr>().is_ok() {
        return host.replace(['.', ':'], "-");
    }
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    // In `co.uk` and the like, the name is the label before a short second level.
    let suffix = match labels[..] {
        [_, .., second, top] if second.len() <= 3 && top.len() == 2 && labels.len() > 2 => 2,
        [_, ..] => 1,
        [] => 0,
    };
    let name = labels.len().checked_sub(suffix + 1).and_then(|at| labels.get(at));
    cleaned(name.or_else(|| labels.first()).copied().unwrap_or_default())
}

/// The name of the file for a sign-in at `provider` for `server`.
pub(super) fn egress(provider: &str, server: &str) -> String {
    format!("{}-{}-egress.json", cleaned(provider), cleaned(server))
}

/// The file that `--name` means: a whole file name, or the name of the server's entry.
///
/// # Errors
/// Why the value is no name for a token file.
pub(super) fn given(name: &str) -> Result<String, String> {
    let whole = Path::new(name).extension().is_some_and(|ending| ending == "json");
    let file = if whole { name.to_owned() } else { format!("{name}-egress.json") };
    let plain =
        file.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-'));
    if !plain || file.starts_with('.') {
        return Err(format!(
            "--name: {name:?} is not a file name of letters, digits, dot, dash and underscore"
        ));
    }
    Ok(file)
}

/// Keeps letters, digits and dots; every other letter becomes a dash.
fn cleaned(name: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    name.to_ascii_lowercase().chars().map(letter).collect()
}

/// The MCP server that a word means, where the word is an address.
///
/// # Errors
/// Why the address is not valid.
pub(super) fn server(word: &str) -> Option<Result<EndpointUrl, String>> {
    word.contains("://").then(|| EndpointUrl::parse(word).map_err(|error| format!("{word}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_a_word() {
        for (host, word) in [
            ("mcp.linear.app", "linear"),
            ("linear.app", "linear"),
            ("mcp.example.co.uk", "example"),
            ("api.githubcopilot.com", "githubcopilot"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127-0-0-1"),
            ("::1", "--1"),
            ("mcp.box.com", "box"),
            ("x.ai", "x"),
        ] {
            assert_eq!(of_host(host), word, "{host}");
        }
    }

    #[test]
    fn files_are_named_after_both() {
        assert_eq!(egress("github", "repos"), "github-repos-egress.json");
        assert_eq!(egress("Acme Inc", "a/b"), "acme-inc-a-b-egress.json");
        assert_eq!(given("jira").unwrap(), "jira-egress.json");
        assert_eq!(given("ingress.json").unwrap(), "ingress.json");
        for name in ["../x", ".hidden", "a b", "a/b.json", ""] {
            assert!(given(name).is_err() || name.is_empty(), "{name}");
        }
    }
}

//! Names: which files of the directory are token files, and what a service is called.

use std::path::Path;

/// What a file's name says it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// `*-egress.json`: a service that stands in the configurations.
    Service,
    /// `ingress.json`: the gateway's own token.
    Gateway,
    /// Any other token: refreshed, in no configuration.
    Other,
}

/// What the name of a token file says it is.
pub(crate) fn role(file_name: &str) -> Role {
    match file_name {
        "ingress.json" => Role::Gateway,
        name if name.ends_with("-egress.json") => Role::Service,
        _ => Role::Other,
    }
}

/// Whether a name in the tokens directory may be a token file: `*.json`, not hidden, not one of the
/// files that we generate there, not one of the copies for people (`*readable*`).
pub(crate) fn may_be_token_file(file_name: &str, generated: &[String]) -> bool {
    // Tools write the ending in lower case; another spelling is somebody's own file.
    Path::new(file_name).extension().is_some_and(|ending| ending == "json")
        && !file_name.starts_with('.')
        && !file_name.to_ascii_lowercase().contains("readable")
        && !generated.iter().any(|ours| ours == file_name)
}

/// The file's name without `.json` and `-egress`: how the log calls a credential.
pub(crate) fn stem(file_name: &str) -> &str {
    let stem = file_name.strip_suffix(".json").unwrap_or(file_name);
    stem.strip_suffix("-egress").unwrap_or(stem)
}

/// The MCP server that `{provider}-{server}-egress.json` belongs to: the stem without the provider
/// (the file's own, else the built-in name that it begins with) and its dash, where something remains.
pub(crate) fn server<'a>(file_name: &'a str, provider: Option<&str>, built_in: Option<&str>) -> &'a str {
    let stem = stem(file_name);
    [provider, built_in]
        .into_iter()
        .flatten()
        .find_map(|provider| stem.strip_prefix(provider)?.strip_prefix('-'))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_after_their_files() {
        for (file, provider, built_in, expected) in [
            ("bedrock-agentcore-sre-gateway-egress.json", Some("bedrock-agentcore"), None, "sre-gateway"),
            ("bedrock-agentcore-sre-gateway-egress.json", None, Some("bedrock-agentcore"), "sre-gateway"),
            ("atlassian-atlassian-egress.json", Some("atlassian"), Some("atlassian"), "atlassian"),
            ("atlassian-egress.json", Some("atlassian"), Some("atlassian"), "atlassian"),
            ("atlassian--egress.json", Some("atlassian"), None, "atlassian-"),
            ("jira-egress.json", Some("atlassian"), None, "jira"),
            ("google-google-drive-egress.json", Some("google"), Some("google"), "google-drive"),
            ("githubber-x-egress.json", None, Some("github"), "githubber-x"),
        ] {
            assert_eq!(server(file, provider, built_in), expected, "{file}");
        }
    }

    #[test]
    fn token_files_are_told_from_the_rest() {
        let generated = ["mcp.json".to_owned(), "vscode_mcp.json".to_owned(), "mcp-cursor.json".to_owned()];
        for (name, expected) in [
            ("ingress.json", true),
            ("mcp-gateway-m2m-token.json", true),
            ("a-egress.json", true),
            ("mcp.json", false),
            ("mcp-cursor.json", false),
            (".hidden.json", false),
            (".a-egress.json.refresh", false),
            ("oauth-x-Readable.json", false),
            ("notes.txt", false),
        ] {
            assert_eq!(may_be_token_file(name, &generated), expected, "{name}");
        }
    }
}

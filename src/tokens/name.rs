//! Names: which files of the directory are token files, and the name of a service.

use std::path::Path;

/// The role of a token file, told from its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// `*-egress.json`: a service of the configurations.
    Service,
    /// `ingress.json`: the gateway's own token.
    Gateway,
    /// Any other token: refreshed, but in no configuration.
    Other,
}

pub(crate) fn role(file_name: &str) -> Role {
    match file_name {
        "ingress.json" => Role::Gateway,
        name if name.ends_with("-egress.json") => Role::Service,
        _ => Role::Other,
    }
}

/// Whether a name in the tokens directory may be a token file: `*.json`, not hidden, no file that this program
/// generates there, no copy for people (`*readable*`).
pub(crate) fn may_be_token_file(file_name: &str, is_configuration: fn(&str) -> bool) -> bool {
    // Tools write the ending in lower case; another spelling is a user's own file.
    Path::new(file_name).extension().is_some_and(|ending| ending == "json")
        && !file_name.starts_with('.')
        && !contains(file_name, "readable")
        && !is_configuration(file_name)
        && !is_copy(file_name)
}

/// Whether the file is a copy of a token file by a synchronisation tool, an editor or a file manager. Sending the
/// refresh token of a copy would spend that of the original.
pub(crate) fn is_copy(file_name: &str) -> bool {
    // Every mark below contains one of these. Most names contain none, and are decided without a copy in lower case.
    let marked = |at: usize| match file_name.as_bytes()[at] {
        b'~' | b' ' => true,
        b'.' => begins(&file_name.as_bytes()[at + 1..], &["bak", "orig", "old"]),
        b'c' | b'C' => begins(&file_name.as_bytes()[at + 1..], &["onflict", "opy"]),
        _ => false,
    };
    if !(0..file_name.len()).any(marked) {
        return false;
    }
    let name = file_name.to_ascii_lowercase();
    let Some(stem) = ["", "~", ".bak", ".orig", ".old"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending)?.strip_suffix(".json"))
    else {
        return false;
    };
    let numbered = |stem: &str| {
        let bare = stem.trim_end_matches(|letter: char| letter.is_ascii_digit());
        if bare.len() == stem.len() { None } else { bare.strip_suffix(' ').map(str::to_owned) }
    };
    let in_brackets = |stem: &str| numbered(stem.strip_suffix(')')?.replace('(', "").as_str());
    let base = in_brackets(stem).or_else(|| numbered(stem)).unwrap_or_else(|| stem.to_owned());
    name.strip_suffix(".json").is_none()
        || in_brackets(stem).is_some()
        || [".sync-conflict-", "conflicted copy", "case conflict", "_conflict-"]
            .iter()
            .any(|mark| stem.contains(mark))
        || ["copy of ", "copy-of-"].iter().any(|start| stem.starts_with(start))
        || ["~", ".bak", ".orig", " copy", " - copy"].iter().any(|end| base.ends_with(end))
}

/// Whether `part` is in `name`, in whichever case.
fn contains(name: &str, part: &str) -> bool {
    name.as_bytes().windows(part.len()).any(|here| here.eq_ignore_ascii_case(part.as_bytes()))
}

/// Whether `name` begins with one of these, in whichever case.
fn begins(name: &[u8], parts: &[&str]) -> bool {
    parts
        .iter()
        .any(|part| name.get(..part.len()).is_some_and(|here| here.eq_ignore_ascii_case(part.as_bytes())))
}

/// The file's name without `.json` and `-egress`, by which the log calls a credential.
pub(crate) fn stem(file_name: &str) -> &str {
    let stem = file_name.strip_suffix(".json").unwrap_or(file_name);
    stem.strip_suffix("-egress").unwrap_or(stem)
}

/// The MCP server of `{provider}-{server}-egress.json`: the stem without the provider and its dash, unless nothing
/// remains. The provider is the file's own, else the built-in name with which the stem begins. That name is looked for
/// only where the file's own does not fit: in ten thousand files this is seen.
pub(crate) fn server<'a, 'b>(
    file_name: &'a str,
    provider: Option<&str>,
    built_in: impl FnOnce() -> Option<&'b str>,
) -> &'a str {
    let stem = stem(file_name);
    let behind = |provider: &str| stem.strip_prefix(provider)?.strip_prefix('-');
    let found = provider.and_then(behind).or_else(|| built_in().and_then(behind));
    found.filter(|rest| !rest.is_empty()).unwrap_or(stem)
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
            assert_eq!(server(file, provider, || built_in), expected, "{file}");
        }
    }

    #[test]
    fn copies_are_known_by_their_names() {
        for name in [
            "a-egress.sync-conflict-20260101-120000-ABCDEFG.json",
            "a-egress (conflicted copy 2026-01-01 120000).json",
            "a-egress (Ann's conflicted copy 2026-01-01).json",
            "a-egress (Case Conflict).json",
            "a-egress_conflict-20260101-120000.json",
            "a-egress~.json",
            "a-egress.json~",
            "a-egress.json.bak",
            "a-egress.bak.json",
            "a-egress.json.orig",
            "Copy of a-egress.json",
            "a-egress - Copy.json",
            "a-egress - Copy (2).json",
            "a-egress copy.json",
            "a-egress copy 2.json",
            "a-egress (1).json",
        ] {
            assert!(is_copy(name), "{name}");
        }
        for name in [
            "a-egress.json",
            "copy-egress.json",
            "photocopy.json",
            "github-copy-egress.json",
            "conflict-egress.json",
            "oauth-x-2.json",
            "v 2.json",
            "notes.bak",
            "a.txt~",
        ] {
            assert!(!is_copy(name), "{name}");
        }
    }

    #[test]
    fn token_files_are_told_from_the_rest() {
        let is_configuration =
            |name: &str| ["mcp.json", "vscode_mcp.json", "mcp-cursor.json"].contains(&name);
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
            assert_eq!(may_be_token_file(name, is_configuration), expected, "{name}");
        }
    }
}

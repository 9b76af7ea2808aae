//! Names in the tokens directory that the configurations know, and the names that people use for them.

use std::io;

use crate::clients::{DefaultFile, names};
use crate::files::Directory;
use crate::oauth::Providers;
use crate::tokens::directory::{self, Listing};
use crate::tokens::name::{Role, role, server, stem};

/// The file of the gateway's own token.
pub(crate) const GATEWAY: &str = "ingress.json";

/// The file of the gateway's token with `AUTH_PROVIDER=keycloak`, where it exists.
pub(crate) const KEYCLOAK_GATEWAY: &str = "agent-ai-coding-assistant-m2m-token.json";

pub(crate) fn in_configurations(file: &str) -> bool {
    role(file) != Role::Other || file == KEYCLOAK_GATEWAY
}

/// Whether a token file of this name may decide about the entry `entry`. The gateway's files may, and the files for the
/// server of this name. Where two files are for one server, one entry has the whole stem as its name: the files for
/// such a server may, too. Only the file itself tells the provider, so any text may stand before the server's name.
pub(crate) fn may_be_entry(file: &str, entry: &str) -> bool {
    let is_for = |server: &str| {
        let before = stem(file).strip_suffix(server);
        before.is_some_and(|before| before.is_empty() || before.ends_with('-'))
    };
    let tails = entry.match_indices('-').map(|(dash, _)| &entry[dash + 1..]);
    role(file) != Role::Service
        || std::iter::once(entry).chain(tails).any(|server| !server.is_empty() && is_for(server))
}

/// Lists the tokens directory, without the configurations that this program writes there with any settings.
pub(crate) fn list_token_files(directory: &Directory) -> io::Result<Listing> {
    directory::list(directory, is_configuration)
}

/// Whether this program may write a configuration of this name: a default file, or `mcp-CLIENT.json`.
fn is_configuration(file: &str) -> bool {
    let client = file.strip_prefix("mcp-").and_then(|rest| rest.strip_suffix(".json"));
    DefaultFile::ALL.iter().any(|default| default.file_name() == file)
        || client.is_some_and(|client| names().any(|name| name == client))
}

/// The token files that a person means by `word`: the file of that name, else the files for the server of that name.
/// Where no known provider's file is for such a server, a file of a provider that no table knows may be.
pub(crate) fn meant<'a>(
    word: &str,
    files: impl Iterator<Item = &'a str> + Clone,
    providers: &Providers,
) -> Vec<&'a str> {
    if let Some(exact) = files.clone().find(|file| *file == word || stem(file) == word) {
        return vec![exact];
    }
    let is_for = |file: &&str| {
        role(file) == Role::Service
            && server(file, None, || providers.longest_name_prefix(stem(file))) == word
    };
    let found: Vec<_> = files.clone().filter(is_for).collect();
    if !found.is_empty() {
        return found;
    }
    let ends = |file: &&str| stem(file).strip_suffix(word).is_some_and(|before| before.ends_with('-'));
    files.filter(|file| role(file) == Role::Service && ends(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_an_entry_by_the_end_of_its_name() {
        for (file, entry, expected) in [
            ("wiki-egress.json", "wiki", true),
            ("any-wiki-egress.json", "wiki", true),
            ("mywiki-egress.json", "wiki", false),
            ("any-wiki-2-egress.json", "wiki", false),
            ("any-big-wiki-egress.json", "big-wiki", true),
            // Who of these has the name `wiki` decides what the other one is called.
            ("wiki-egress.json", "any-wiki", true),
            ("other-wiki-egress.json", "any-wiki", true),
            ("other-egress.json", "any-wiki", false),
            ("any--egress.json", "any-", true),
            ("ingress.json", "wiki", true),
            (KEYCLOAK_GATEWAY, "wiki", true),
        ] {
            assert_eq!(may_be_entry(file, entry), expected, "{file} {entry}");
        }
    }

    #[test]
    fn a_file_is_meant_by_its_name_or_by_its_servers() {
        let files = [
            "github-repos-egress.json",
            "linear-repos-egress.json",
            "atlassian-wiki-egress.json",
            "repos.json",
        ];
        for (word, expected) in [
            ("github-repos-egress.json", &files[..1]),
            ("github-repos", &files[..1]),
            ("repos", &files[3..]),
            ("wiki", &files[2..3]),
            ("github", &[]),
        ] {
            assert_eq!(meant(word, files.into_iter(), &Providers::builtin()), expected, "{word}");
        }
        assert_eq!(meant("repos", files[..3].iter().copied(), &Providers::builtin()), &files[..2]);
    }
}

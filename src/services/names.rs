//! Names in the tokens directory that the configurations know, and the names that people use for them.

use crate::clients::{DefaultFile, names};
use crate::oauth::Providers;
use crate::tokens::name::{Role, role, server, stem};

/// The file of the gateway's own token.
pub(crate) const GATEWAY: &str = "ingress.json";

/// The file of the gateway's token with `AUTH_PROVIDER=keycloak`, where it exists.
pub(crate) const KEYCLOAK_GATEWAY: &str = "agent-ai-coding-assistant-m2m-token.json";

pub(crate) fn in_configurations(file: &str) -> bool {
    role(file) != Role::Other || file == KEYCLOAK_GATEWAY
}

/// The names in the tokens directory that the program may write, with any settings.
pub(crate) fn generated() -> Vec<String> {
    let own = names().map(|name| format!("mcp-{name}.json"));
    DefaultFile::ALL.iter().map(|file| file.file_name().to_owned()).chain(own).collect()
}

/// The token files that a person means by `word`: the file of that name, else the files for the server of that name.
pub(crate) fn meant<'a>(
    word: &str,
    files: impl Iterator<Item = &'a str> + Clone,
    providers: &Providers,
) -> Vec<&'a str> {
    if let Some(exact) = files.clone().find(|file| *file == word || stem(file) == word) {
        return vec![exact];
    }
    let is_for = |file: &&str| {
        role(file) == Role::Service && server(file, None, providers.longest_name_prefix(stem(file))) == word
    };
    files.filter(is_for).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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

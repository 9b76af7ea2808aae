//! Servers of the registry that need a sign-in and have no token, and the command for it.

use crate::text::shell_command;

/// The number of servers that a line names. A registry may have hundreds.
const NAMED: usize = 10;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SignedOut {
    pub server: String,
    /// The provider at which users sign in, if the server's file names one.
    pub provider: Option<String>,
}

/// Names the servers that need a sign-in, with the command for it; `None` for none. `dir` is the project root.
pub(crate) fn sign_in_advice(signed_out: &[SignedOut], dir: &str) -> Option<String> {
    let first = signed_out.first()?;
    let names: Vec<&str> = signed_out.iter().take(NAMED).map(|one| one.server.as_str()).collect();
    let more = match signed_out.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (need, each) = if signed_out.len() == 1 {
        ("needs a sign-in and has no token", "")
    } else {
        ("need a sign-in and have no token", ", and so on for each")
    };
    // A name in a registry file may hold anything, and people paste this line into a shell.
    let harmless =
        |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let provider = first.provider.as_deref().filter(harmless).unwrap_or("PROVIDER");
    let command = shell_command(&["token-refresher", "login", provider, &first.server, "--dir", dir]);
    Some(format!("{}{more} {need}; run `{command}`{each}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_out(server: &str, provider: Option<&str>) -> SignedOut {
        SignedOut { server: server.to_owned(), provider: provider.map(str::to_owned) }
    }

    #[test]
    fn each_server_is_named_and_one_command_is_whole() {
        assert_eq!(sign_in_advice(&[], "/p"), None);
        for (provider, word) in [
            (Some("atlassian"), "atlassian"),
            (None, "PROVIDER"),
            (Some("a; rm -rf /"), "PROVIDER"),
            (Some("\u{1b}[31m"), "PROVIDER"),
        ] {
            let line = sign_in_advice(&[signed_out("jira", provider)], "/my p").unwrap();
            let command = format!("`token-refresher login {word} jira --dir '/my p'`");
            assert_eq!(line, format!("jira needs a sign-in and has no token; run {command}"));
        }
        let two = [signed_out("jira", Some("atlassian")), signed_out("wiki", None)];
        let line = sign_in_advice(&two, "/p").unwrap();
        assert!(line.starts_with("jira, wiki need a sign-in and have no token; run `"), "{line}");
        let many: Vec<_> = (10..30).map(|number| signed_out(&format!("s{number}"), None)).collect();
        let line = sign_in_advice(&many, "/p").unwrap();
        assert!(line.contains("s19 and 10 more need") && !line.contains("s20"), "{line}");
    }
}

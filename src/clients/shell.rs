//! A command line for a POSIX shell, which entries and advice give to a person or to a client.

/// A command for a POSIX shell that hands over `words` as they are.
pub(super) fn shell_command(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    quoted.join(" ")
}

fn shell_word(word: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(harmless) {
        word.to_owned()
    } else {
        // Nothing is special between single quotes but the single quote itself.
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_every_word_as_it_is() {
        let words = [
            "/opt/my tools/token-refresher",
            "it's",
            "",
            "a$HOME",
            "`id`",
            "x\"y\\z",
            "*",
            "~",
            "ü",
            "plain-1.2",
        ];
        let script = format!("for word in {}; do printf '%s\\n' \"$word\"; done", shell_command(&words));
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words.join("\n") + "\n");
        assert_eq!(
            shell_command(&["/usr/bin/x", "headers", "sre-gateway"]),
            "/usr/bin/x headers sre-gateway"
        );
    }
}

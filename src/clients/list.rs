//! `token-refresher clients`: the known clients, for people.

use super::table::{CLIENTS, Reference};

/// The text of `token-refresher clients`: what each client reads, how a rotated token reaches it,
/// and what has to be done by hand. At most 80 columns.
#[must_use]
pub fn list() -> String {
    let mut text = String::from(
        "Give --client NAME for a file of its own in the tokens directory, or\n\
         --client NAME=PATH to keep the entries in the file that the client reads.\n",
    );
    for client in &CLIENTS {
        let secrets = match client.reference {
            Reference::No => "in the file",
            Reference::Helper(_) => "not in the file: the client asks token-refresher",
            Reference::Files => "not in the file: the client reads .oauth-tokens/*.token",
        };
        let rows = [
            ("", client.file),
            ("secrets", secrets),
            ("new token", client.rotation),
            ("by hand", client.by_hand),
        ];
        text.push('\n');
        for (label, what) in rows.into_iter().filter(|(_, what)| !what.is_empty()) {
            let line = match label {
                "" => format!("{:<12}{what}\n", client.name),
                label => format!("  {label:<10}{what}\n"),
            };
            text.push_str(&line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_fits_a_terminal_and_says_the_same_of_every_client() {
        let text = list();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for client in &CLIENTS {
            assert!(text.contains(&format!("\n{:<12}{}\n", client.name, client.file)), "{}", client.name);
            assert!(
                text.contains(&format!("  new token {}\n", client.rotation)) && !client.rotation.is_empty()
            );
        }
    }
}

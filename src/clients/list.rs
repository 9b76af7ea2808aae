//! `token-refresher clients`: the known clients, for people.

use super::known::CLIENTS;
use super::notation::Reference;

/// The text of `token-refresher clients`, of at most 80 columns. Each client has its file, the way of a new token to
/// it, and the steps by hand.
pub(crate) fn list() -> String {
    let mut text = String::from(
        "Give --client NAME for a file of its own in the tokens directory, or\n\
         --client NAME=PATH to keep the entries in the file that the client reads.\n",
    );
    for client in CLIENTS {
        let secrets = match client.reference {
            _ if client.bridge => "not in the file: the client starts token-refresher bridge",
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
                "" => format!("{:<15}{what}\n", client.name),
                label => format!("  {label:<10}{what}\n"),
            };
            text.push_str(&line);
        }
    }
    text
}

/// The clients as a Markdown table. A test compares docs/assistants.md with the table.
#[cfg(test)]
fn markdown() -> String {
    use super::notation::McpClient;

    let command = |client: &McpClient| {
        // A client without a file of its own gets this program's file.
        let file = client.file.split([',', ' ']).next();
        match file.filter(|file| file.contains('/') || file.starts_with('.')) {
            Some(file) => format!("`--client {}={file}`", client.name),
            None => format!("`--client {}`", client.name),
        }
    };
    let row = |client: &McpClient| {
        let in_file = if client.refers_to_secrets() { "no" } else { "yes" };
        let McpClient { name, rotation, by_hand, .. } = client;
        let cells = [name, &*command(client), in_file, rotation, by_hand];
        let cells = cells.map(|cell| if cell.is_empty() { String::new() } else { format!(" {cell}") });
        format!("|{} |\n", cells.join(" |"))
    };
    let head = "| Assistant | Option | Tokens in its file | A new token reaches it | By hand |\n\
                | --- | --- | --- | --- | --- |\n";
    head.to_owned() + &CLIENTS.iter().map(row).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_this_table() {
        let page = include_str!("../../docs/assistants.md");
        assert!(page.contains(&markdown()), "the table in docs/assistants.md should be\n{}", markdown());
    }

    #[test]
    fn the_list_fits_a_terminal_and_says_the_same_of_every_client() {
        let text = list();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for client in CLIENTS {
            assert!(text.contains(&format!("\n{:<15}{}\n", client.name, client.file)), "{}", client.name);
            assert!(
                text.contains(&format!("  new token {}\n", client.rotation)) && !client.rotation.is_empty()
            );
        }
    }
}

//! Texts for other programs. The man page and the completions are made from the table, so that they agree with
//! `--help`. The systemd units and the manual of the files are here too.

#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a few kilobytes, made once: that they read like what they make counts more than allocations"
)]

mod bash;
mod files;
mod fish;
mod man;
mod offers;
mod zsh;

type TextForm = fn() -> String;

/// The texts by the names that `--generate` takes.
const FORMS: [(&str, TextForm); 7] = [
    ("man", man::page),
    ("man-files", files::manual),
    ("complete-bash", bash::completion),
    ("complete-zsh", zsh::completion),
    ("complete-fish", fish::completion),
    ("unit", files::unit),
    ("user-unit", files::user_unit),
];

/// The text called `name`; the error lists the names.
pub(super) fn generate(name: &str) -> Result<String, String> {
    let known = FORMS.iter().find(|(form, _)| *form == name);
    known.map(|(_, text)| text()).ok_or_else(|| {
        let names: Vec<&str> = FORMS.iter().map(|(form, _)| *form).collect();
        format!("--generate: {name:?} is not one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::COMMANDS;
    use crate::cli::flags::{FLAGS, flag};

    #[test]
    fn every_form_knows_every_option_and_command() {
        // The manual of the files and the units describe other things.
        let of_the_table = |(form, _): &(&str, TextForm)| *form == "man" || form.starts_with("complete");
        for (form, text) in FORMS.into_iter().filter(of_the_table) {
            // A man page breaks its lines, and each form escapes hyphens, colons and quotes in its own way.
            let words = |text: &str| {
                text.replace("\\&", "")
                    .replace(['\\', '\''], "")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let text = words(&text());
            for flag in FLAGS {
                assert!(text.contains(flag.long), "{form} does not know --{}", flag.long);
                // The man page sets paragraphs apart, and quoted names in another type.
                let explanation = if form == "man" {
                    flag.detail.split(['\'', '`', '\n']).next().unwrap()
                } else {
                    flag.help
                };
                assert!(text.contains(&words(explanation)), "{form} does not explain --{}", flag.long);
                for choice in flag.choices {
                    assert!(text.contains(choice), "{form}: --{} {choice}", flag.long);
                }
            }
            for command in COMMANDS {
                assert!(text.contains(command.name), "{form} does not know {}", command.name);
            }
        }
    }

    #[test]
    fn the_forms_are_those_of_the_option() {
        assert_eq!(flag("generate").choices, FORMS.map(|(form, _)| form));
    }

    #[test]
    fn an_unknown_form_is_told_the_known_ones() {
        let error = generate("html").unwrap_err();
        assert_eq!(
            error,
            "--generate: \"html\" is not one of man, man-files, complete-bash, complete-zsh, complete-fish, unit, \
             user-unit"
        );
    }
}

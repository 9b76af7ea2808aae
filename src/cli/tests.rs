//! Rules that the two tables keep.

use super::commands::COMMANDS;
use super::flag::Flag;
use super::flags::{FLAGS, FORMER, SIGN_IN_HEADING, by_heading, flag};
use std::collections::HashSet;

#[test]
fn names_are_unique() {
    let mut seen = HashSet::new();
    for flag in FLAGS {
        assert!(seen.insert(flag.long.to_owned()), "--{} twice", flag.long);
        if let Some(short) = flag.short {
            assert!(seen.insert(short.to_string()), "-{short} twice");
        }
        if let Some(variable) = flag.variable {
            assert!(seen.insert(variable.to_owned()), "{variable} twice");
        }
    }
    for (former, _) in FORMER {
        assert!(seen.insert((*former).to_owned()), "--{former} exists");
    }
}

#[test]
fn the_rows_of_a_heading_are_together() {
    let mut seen = HashSet::new();
    for flags in by_heading() {
        assert!(seen.insert(flags[0].group), "{:?} twice", flags[0].group);
    }
}

#[test]
fn variables_follow_the_rule() {
    // Names that are older than this program, or the gateway's own.
    let inherited = ["TOKEN_REFRESH_INTERVAL", "TOKEN_EXPIRY_BUFFER", "LOG_LEVEL", "REGISTRY_URL"];
    for flag in FLAGS {
        let ours = format!("TOKEN_REFRESHER_{}", flag.long.replace('-', "_").to_uppercase());
        match flag.variable {
            Some(variable) => assert!(variable == ours || inherited.contains(&variable), "{variable}"),
            // An option that prints a text and ends is no setting.
            None if flag.long == "generate" => {}
            // An option of one sign-in is no setting either.
            None if flag.group == SIGN_IN_HEADING => {}
            None => assert!(flag.value.is_none(), "--{} takes a value and has no variable", flag.long),
        }
    }
}

#[test]
fn rows_name_commands_that_exist() {
    for flag in FLAGS {
        for name in flag.commands {
            assert!(COMMANDS.iter().any(|command| command.name == *name), "--{}: {name}", flag.long);
        }
    }
}

#[test]
fn a_row_is_found_by_its_name() {
    const BUFFER: &Flag = flag("buffer");
    assert_eq!(BUFFER.variable, Some("TOKEN_EXPIRY_BUFFER"));
}

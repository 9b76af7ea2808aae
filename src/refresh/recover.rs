//! Settles the leftovers of a crash under the locks of a chain, before a request is sent.
//!
//! A file is touched only when its mark names exactly the tokens that it holds now. Otherwise another program has
//! written the file since, and the leftovers are of no use.

use std::io;

use super::member::Member;
use crate::files::{FileAt, Reserve};
use crate::ordered;
use crate::sealing::SecretMember;
use crate::tokens::{Document, Unusable};

/// An answer that a process stored, but could not bring into place before it died.
struct Interrupted {
    reserve: Reserve,
    length: usize,
    document: Document,
}

/// Finishes the work that a crash interrupted. A whole stored answer takes its place. Its refresh token goes to every
/// file that waited for the answer. Any other leftover is removed. After an error a whole answer is still in its
/// reserve.
pub(super) fn recover(members: &mut [Member]) -> io::Result<()> {
    let mut interrupted = Vec::new();
    for member in members.iter() {
        let whole = match member.doubt {
            Some(_) => whole_answer(&member.real)?,
            None => None,
        };
        if whole.is_none() {
            // Zeros, a part of a text, or a text about other tokens cannot be used.
            Reserve::remove_leftover(&member.real)?;
        }
        interrupted.push(whole);
    }
    let sent = |member: &Member| member.doubt.as_ref().and_then(|mark| mark.refresh);
    let whole = members.iter().zip(&interrupted).filter(|(_, whole)| whole.is_some());
    let chains = ordered::set(whole.filter_map(|(member, _)| sent(member)));
    for chain in chains {
        let indexes = (0..members.len()).filter(|index| sent(&members[*index]) == Some(chain));
        recover_chain(members, &indexes.collect::<Vec<_>>(), &mut interrupted)?;
    }
    Ok(())
}

fn whole_answer(real: &FileAt) -> io::Result<Option<Interrupted>> {
    let Some((reserve, text)) = Reserve::found(real)? else { return Ok(None) };
    let document = Document::parse(&text).ok().filter(Document::has_refresh_token);
    Ok(document.map(|document| Interrupted { reserve, length: text.len(), document }))
}

/// Settles the members at `indexes`, whose marks name the same refresh token. `interrupted` has the whole answer of
/// each member that has one.
fn recover_chain(
    members: &mut [Member],
    indexes: &[usize],
    interrupted: &mut [Option<Interrupted>],
) -> io::Result<()> {
    // A sealed text is copied unopened, together with the endpoint and client in its header.
    let found = |index: &usize| {
        let document = &interrupted[*index].as_ref()?.document;
        document.stored(SecretMember::RefreshToken).zip(document.refresh_fingerprint())
    };
    let Some((newest, fingerprint)) = indexes.iter().find_map(found) else { return Ok(()) };
    let mut ready = Vec::new();
    // As in a refresh, the whole chain is on disk before the first file is replaced.
    for &index in indexes {
        ready.push(match interrupted[index].take() {
            Some(Interrupted { mut reserve, length, document })
                if document.refresh_fingerprint() == Some(fingerprint) =>
            {
                reserve.seal(length)?;
                (index, reserve, document)
            }
            other => {
                let (reserve, document) = if let Some(found) = other {
                    (found.reserve, found.document)
                } else {
                    let document = members[index].document.clone();
                    let size = document.file_text().len() as u64;
                    (Reserve::create(&members[index].real, size)?, document)
                };
                let unusable = |why: Unusable| io::Error::other(why.to_string());
                let document = document.with_refresh_token(&newest).map_err(unusable)?;
                let mut reserve = reserve;
                reserve.store(document.file_text())?;
                (index, reserve, document)
            }
        });
    }
    for (index, mut reserve, document) in ready {
        let member = &mut members[index];
        reserve.take_place()?;
        member.stamp = reserve.stamp()?;
        member.document = document;
        member.recovered = member.doubt.take();
        // A mark that remains is harmless, because it names tokens that the file does not hold any more.
        let _ = member.lock.clear_note();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::super::locked::{Locked, lock_and_read};
    use super::super::mark::Mark;
    use super::super::member::{Obstacle, Patience};
    use super::*;
    use crate::clock::Timestamp;
    use crate::files::{Directory, leftover};
    use crate::scratch::Scratch;

    fn text(refresh: &str, access: &str) -> String {
        format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}","of":"{access}"}}"#)
    }

    /// A token file as a crash leaves it: with a mark for its tokens, and with these contents of its reserve.
    fn interrupted(scratch: &Scratch, name: &str, holds: &str, reserve: Option<&[u8]>) {
        let file = FileAt::of(&scratch.write(name, holds)).unwrap();
        let now = Timestamp::now();
        let mark = Mark::of(&Document::parse(holds).ok().unwrap(), now, now);
        fs::write(file.lock_file().unwrap().path(), mark.note()).unwrap();
        if let Some(bytes) = reserve {
            fs::write(leftover(&file).path(), bytes).unwrap();
        }
    }

    /// The path of the reserve of a token file.
    fn reserve_of(scratch: &Scratch, name: &str) -> PathBuf {
        leftover(&FileAt::of(&scratch.join(name)).unwrap()).path()
    }

    fn locked(scratch: &Scratch, names: &[&str]) -> Result<Locked, Obstacle> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        lock_and_read(
            &Directory::open(scratch).unwrap(),
            &names,
            &Patience { longest: Duration::ZERO, give_up: &|| false },
        )
    }

    fn with_zeros(text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(4096, 0);
        bytes
    }

    #[test]
    fn a_whole_answer_takes_its_place_and_anything_else_goes() {
        let whole = with_zeros(&text("new", "b"));
        for (what, reserve, holds) in [
            ("whole", Some(whole.as_slice()), text("new", "b")),
            ("zeros", Some(&[0; 4096][..]), text("old", "a")),
            ("torn", Some(&whole[..20]), text("old", "a")),
            ("no token in it", Some(&b"{}"[..]), text("old", "a")),
            ("nothing", None, text("old", "a")),
        ] {
            let scratch = Scratch::new();
            interrupted(&scratch, "a.json", &text("old", "a"), reserve);
            let found = locked(&scratch, &["a.json"]).unwrap();
            assert_eq!(fs::read_to_string(scratch.join("a.json")).unwrap(), holds, "{what}");
            assert_eq!(found.members[0].doubt.is_none(), what == "whole", "{what}");
            assert!(!reserve_of(&scratch, "a.json").exists(), "{what}");
        }
    }

    #[test]
    fn an_answer_for_tokens_that_the_file_does_not_hold_any_more_is_dropped() {
        let scratch = Scratch::new();
        interrupted(&scratch, "a.json", &text("old", "a"), Some(text("new", "b").as_bytes()));
        scratch.write("a.json", text("old", "another"));
        let found = locked(&scratch, &["a.json"]).unwrap();
        assert!(found.members[0].doubt.is_none() && !reserve_of(&scratch, "a.json").exists());
        assert_eq!(fs::read_to_string(scratch.join("a.json")).unwrap(), text("old", "another"));
    }

    #[test]
    fn one_whole_answer_brings_its_refresh_token_to_all_that_waited_for_it() {
        let scratch = Scratch::new();
        interrupted(&scratch, "a.json", &text("old", "a"), Some(&[0; 100]));
        interrupted(&scratch, "b.json", &text("old", "b"), Some(&with_zeros(&text("new", "b2"))));
        interrupted(&scratch, "c.json", &text("old", "c"), None);
        locked(&scratch, &["a.json", "b.json", "c.json"]).unwrap();
        for (name, access) in [("a.json", "a"), ("b.json", "b2"), ("c.json", "c")] {
            assert_eq!(fs::read_to_string(scratch.join(name)).unwrap(), text("new", access));
            assert!(!reserve_of(&scratch, name).exists());
        }
    }

    #[test]
    fn answers_of_two_sign_ins_do_not_get_in_each_others_way() {
        let scratch = Scratch::new();
        interrupted(&scratch, "a.json", &text("one", "a"), Some(text("one-new", "a2").as_bytes()));
        interrupted(&scratch, "b.json", &text("two", "b"), Some(text("two-new", "b2").as_bytes()));
        locked(&scratch, &["a.json", "b.json"]).unwrap();
        assert_eq!(fs::read_to_string(scratch.join("a.json")).unwrap(), text("one-new", "a2"));
        assert_eq!(fs::read_to_string(scratch.join("b.json")).unwrap(), text("two-new", "b2"));
    }

    #[test]
    fn a_whole_answer_outlives_a_failure_to_settle_it() {
        let scratch = Scratch::new();
        interrupted(&scratch, "a.json", &text("old", "a"), Some(text("new", "a2").as_bytes()));
        interrupted(&scratch, "b.json", &text("old", "b"), None);
        // A directory has the name of the reserve, so it cannot be removed as a file.
        fs::create_dir(reserve_of(&scratch, "b.json")).unwrap();
        assert!(matches!(locked(&scratch, &["a.json", "b.json"]), Err(Obstacle::Local(_))));
        assert_eq!(fs::read_to_string(reserve_of(&scratch, "a.json")).unwrap(), text("new", "a2"));
        fs::remove_dir(reserve_of(&scratch, "b.json")).unwrap();
        locked(&scratch, &["a.json", "b.json"]).unwrap();
        assert_eq!(fs::read_to_string(scratch.join("b.json")).unwrap(), text("new", "b"));
    }
}

//! Who writes when: each way in which a file can change between reading and replacing it.

use std::os::unix::fs::symlink;

use super::*;
use crate::scratch::Scratch;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

fn names(scratch: &Scratch) -> Vec<String> {
    let entries = std::fs::read_dir(&**scratch).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_keeps_its_mode_and_a_new_one_is_private() {
    let scratch = Scratch::new();
    let path = scratch.write("a.json", "{}");
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let file = UserFile::read(&path).unwrap();
    assert_eq!((file.text(), file.is_open_to_others()), (Some("{}"), true));
    file.replace("{1}", false).unwrap();
    drop(file);
    assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("{1}", 0o640));
    UserFile::read(&path).unwrap().replace("{2}", true).unwrap();
    assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("{2}", 0o600));

    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    UserFile::read(&path).unwrap().close_to_others().unwrap();
    assert_eq!(mode(&path), 0o700);

    let new = scratch.join("new.json");
    let file = UserFile::read(&new).unwrap();
    assert_eq!((file.text(), file.is_open_to_others()), (None, false));
    file.replace("n", false).unwrap();
    assert_eq!((std::fs::read_to_string(&new).unwrap().as_str(), mode(&new)), ("n", 0o600));
    assert_eq!(names(&scratch), ["a.json", "new.json"]);
}

#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.join("dotfiles")).unwrap();
    let target = scratch.write("dotfiles/a.json", "old");
    let link = scratch.join("a.json");
    symlink("dotfiles/a.json", &link).unwrap();
    UserFile::read(&link).unwrap().replace("new", false).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "new");
    assert_eq!(names(&scratch), ["a.json", "dotfiles"]);
}

/// A change of a file between reading and replacing it.
type Interference = fn(&Path);

#[test]
fn what_somebody_else_wrote_meanwhile_is_not_replaced() {
    let interferences: [(&str, Interference); 5] = [
        ("written in place", |path| std::fs::write(path, "theirs, longer").unwrap()),
        ("written in place, same size", |path| std::fs::write(path, "THEIRS").unwrap()),
        ("replaced", |path| {
            std::fs::write(path.with_extension("x"), "before").unwrap();
            std::fs::rename(path.with_extension("x"), path).unwrap();
        }),
        ("removed", |path| std::fs::remove_file(path).unwrap()),
        ("made a link", |path| {
            std::fs::rename(path, path.with_extension("y")).unwrap();
            symlink(path.with_extension("y"), path).unwrap();
        }),
    ];
    for (what, interfere) in interferences {
        let scratch = Scratch::new();
        let path = scratch.write("a.json", "before");
        let file = UserFile::read(&path).unwrap();
        interfere(&path);
        let there = std::fs::read_to_string(&path).ok();
        assert!(!file.is_unchanged(), "{what}: all there is where files cannot be exchanged");
        assert!(matches!(file.replace("ours", false), Err(NotReplaced::Changed)), "{what}");
        assert_eq!(std::fs::read_to_string(&path).ok(), there, "{what}");
        assert!(names(&scratch).iter().all(|name| !name.ends_with(".token-refresher")), "{what}");
    }
}

#[test]
fn a_file_that_appears_meanwhile_is_not_replaced() {
    let scratch = Scratch::new();
    let path = scratch.join("a.json");
    let file = UserFile::read(&path).unwrap();
    std::fs::write(&path, "theirs").unwrap();
    assert!(matches!(file.replace("ours", false), Err(NotReplaced::Changed)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
}

#[test]
fn what_cannot_be_edited_is_said() {
    let scratch = Scratch::new();
    symlink("nowhere", scratch.join("link")).unwrap();
    scratch.write("latin1.json", b"\xe9");
    for (name, said) in [
        ("none/a.json", "its directory is not there; make"),
        ("link", "it is a link that leads nowhere"),
        ("latin1.json", "cannot be read: it is not UTF-8 text"),
        (".", "cannot be read: it is not a regular file"),
    ] {
        let why = UserFile::read(&scratch.join(name)).unwrap_err();
        assert!(why.to_string().starts_with(said), "{name}: {why}");
    }
    let path = scratch.write("a.json", "{}");
    std::fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let refused = UserFile::read(&path).unwrap().replace("x", false).unwrap_err();
    assert!(matches!(refused, NotReplaced::Failed(NotEditable::ReadOnly)));
}

#[test]
fn what_came_in_between_goes_back_in_its_order() {
    let scratch = Scratch::new();
    let path = scratch.write("a.json", "before");
    let file = UserFile::read(&path).unwrap();
    let before = file.before.as_ref().unwrap().found.stamp;
    let new = scratch.write(".a.json.token-refresher", "ours");
    let temporary = FileAt::of(&new).unwrap();
    // A write after the last check: only the exchange can notice.
    scratch.write("theirs", "theirs");
    std::fs::rename(scratch.join("theirs"), &path).unwrap();
    assert!(matches!(file.exchange(&temporary, before), Err(NotReplaced::Changed)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
    assert_eq!(names(&scratch), ["a.json"]);

    std::fs::write(&new, "ours").unwrap();
    let now = Stamp::at(&path).unwrap();
    assert!(file.exchange(&temporary, now).is_ok());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "ours");

    std::fs::write(&new, "ours").unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(file.exchange(&temporary, now), Err(NotReplaced::Changed)));
    assert!(!path.exists());
}

#[test]
fn two_of_us_wait_for_each_other() {
    let scratch = Scratch::new();
    let path = scratch.write("count", "0");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let file = UserFile::read(&path).unwrap();
                    let next = file.text().unwrap().parse::<u32>().unwrap() + 1;
                    file.replace(&next.to_string(), false).unwrap();
                }
            });
        }
    });
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "100");
}

/// The access control list of a file, as the system stores it.
fn access_list(path: &Path) -> Option<Vec<u8>> {
    let mut list = vec![0; 1000];
    let length = rustix::fs::getxattr(path, c"system.posix_acl_access", &mut list[..]).ok()?;
    list.truncate(length);
    Some(list)
}

/// Runs `setfacl`; `false` where the file system or the machine has no lists.
fn set_list(arguments: &[&str], path: &Path) -> bool {
    let ran = std::process::Command::new("setfacl").args(arguments).arg(path).output();
    let done = ran.is_ok_and(|output| output.status.success());
    if !done {
        eprintln!("skipped: no access control lists here");
    }
    done
}

/// The mode of a file with a list was copied without the list: its group got what the list gave to one user.
#[test]
fn a_list_stays_and_opens_the_file_to_nobody_else() {
    let scratch = Scratch::new();
    let path = scratch.write("a.json", "{}");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    if !set_list(&["-m", "u:12345:rw"], &path) {
        return;
    }
    let before = access_list(&path).expect("a list");
    assert_eq!(mode(&path), 0o660, "the mask of the list");
    UserFile::read(&path).unwrap().replace("{1}", false).unwrap();
    assert_eq!((access_list(&path), mode(&path)), (Some(before), 0o660));
    // With a secret in it, the file is for its owner alone: the list is still there and masked.
    UserFile::read(&path).unwrap().replace("{2}", true).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert!(access_list(&path).is_some());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{2}");
}

#[test]
fn a_list_that_the_directory_hands_down_is_not_taken_over() {
    let scratch = Scratch::new();
    let path = scratch.write("a.json", "{}");
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    if !set_list(&["-d", "-m", "u:12345:rwx"], &scratch.join(".")) {
        return;
    }
    UserFile::read(&path).unwrap().replace("{1}", false).unwrap();
    assert_eq!((access_list(&path), mode(&path)), (None, 0o640));
}

#[test]
fn other_attributes_stay() {
    let scratch = Scratch::new();
    let path = scratch.write("a.json", "{}");
    let set = |name: &std::ffi::CStr, value: &[u8]| {
        rustix::fs::setxattr(&path, name, value, rustix::fs::XattrFlags::empty())
    };
    if set(c"user.comment", b"mine").is_err() {
        eprintln!("skipped: no extended attributes here");
        return;
    }
    set(c"user.empty", b"").unwrap();
    set(c"user.long", &[7; 2000]).unwrap();
    for private in [false, true] {
        UserFile::read(&path).unwrap().replace(if private { "{1}" } else { "{2}" }, private).unwrap();
        for (name, value) in
            [(c"user.comment", &b"mine"[..]), (c"user.empty", b""), (c"user.long", &[7; 2000])]
        {
            let mut there = [0; 3000];
            let length = rustix::fs::getxattr(&path, name, &mut there[..]).unwrap();
            assert_eq!(&there[..length], value, "{name:?}");
        }
    }
}

/// The other name kept the old text, and its owner edited that one from then on.
#[test]
fn a_file_with_two_names_is_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.write("a.json", "{}");
    std::fs::hard_link(&path, scratch.join("b.json")).unwrap();
    let refused = UserFile::read(&path).unwrap().replace("{1}", false).unwrap_err();
    let NotReplaced::Failed(why) = refused else { panic!("{refused:?}") };
    assert!(why.to_string().contains("a second name"), "{why}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
    assert_eq!(names(&scratch), ["a.json", "b.json"]);
    // A symbolic link is one way out, and one name another.
    std::fs::remove_file(scratch.join("b.json")).unwrap();
    symlink("a.json", scratch.join("b.json")).unwrap();
    UserFile::read(&scratch.join("b.json")).unwrap().replace("{1}", false).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{1}");
}

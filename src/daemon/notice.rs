//! Notices at once when a file of interest is written, by inotify on the directories of these files.
//!
//! An event only tells the loop to look; [`super::watch`] finds the change. Without inotify (no watch is left, another
//! kernel) the loop finds the change within a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::ordered;
use crate::settings::Settings;
use crate::threads;

/// The time between the first event of a burst and the wake-up: an editor writes in several steps.
const SETTLE: Duration = Duration::from_millis(200);

/// The room for events in one read, in bytes: a thousand events or more, so that a burst wakes the loop once.
const ROOM: usize = 64 << 10;

/// The most links in one path: as many as the kernel follows.
const MOST_LINKS: usize = 40;

/// The names of interest in a directory; `None`: all names.
type Names = Option<BTreeSet<OsString>>;

type WatchedNames = BTreeMap<PathBuf, Names>;

/// A watched directory.
struct WatchedDirectory {
    directory: PathBuf,
    names: Names,
}

/// The watches by their inotify number.
type Watches = BTreeMap<i32, WatchedDirectory>;

/// The watches of this process.
pub(super) struct Notices {
    inotify: Arc<OwnedFd>,
    watches: Arc<Mutex<Watches>>,
}

impl Notices {
    /// Starts to listen. `wake` is called some time after an event. `None` where the system gives this process no
    /// inotify.
    pub(super) fn listen(wake: impl Fn() + Send + 'static) -> Option<Self> {
        let listening = inotify::init(CreateFlags::CLOEXEC).and_then(|inotify| {
            let (inotify, watches) = (Arc::new(inotify), Arc::default());
            let (events, known) = (Arc::clone(&inotify), Arc::clone(&watches));
            let started = threads::start("inotify", move || read_events(&events, &known, wake));
            started.map(|()| Self { inotify, watches }).map_err(|_| Errno::AGAIN)
        });
        if let Err(error) = &listening {
            log::debug!(target: "REFRESH", "changes are noticed within a minute: inotify: {error}");
        }
        listening.ok()
    }

    /// Watches the files of `settings` and the targets of their links, and nothing else. Returns whether a watch is
    /// new: earlier changes there made no event.
    pub(super) fn follow(&self, settings: &Settings) -> bool {
        let mask = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = Watches::new();
        for (directory, names) in places(settings) {
            // A missing directory is noticed in its parent, or within a minute.
            let Ok(number) = inotify::add_watch(&*self.inotify, &directory, mask) else { continue };
            // Two names of one directory share a watch.
            match wanted.get_mut(&number) {
                None => drop(wanted.insert(number, WatchedDirectory { directory, names })),
                Some(known) => known.names = both(known.names.take(), names),
            }
        }
        for number in watches.keys().filter(|number| !wanted.contains_key(number)) {
            // The removal fails where the directory is gone, and the watch with it.
            let _ = inotify::remove_watch(&*self.inotify, *number);
        }
        let new = wanted.keys().any(|number| !watches.contains_key(number));
        *watches = wanted;
        new
    }
}

/// Waits for events until the process ends.
fn read_events(inotify: &OwnedFd, watches: &Mutex<Watches>, wake: impl Fn()) {
    let mut room = vec![MaybeUninit::uninit(); ROOM];
    let mut reader = Reader::new(inotify, &mut room);
    let mut matters = false;
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                let watches = watches.lock().unwrap_or_else(PoisonError::into_inner);
                matters |= is_of_interest(watches.get(&event.wd()), event.events(), name);
            }
            Err(Errno::INTR) => {}
            Err(error) => {
                log::debug!(target: "REFRESH", "changes are noticed within a minute: inotify: {error}");
                return;
            }
        }
        if matters && reader.is_buffer_empty() {
            matters = false;
            std::thread::sleep(SETTLE);
            wake();
        }
    }
}

/// Whether the loop should look after an event for `name` in the directory of `watched`.
fn is_of_interest(watched: Option<&WatchedDirectory>, events: ReadFlags, name: Option<&OsStr>) -> bool {
    if events.contains(ReadFlags::QUEUE_OVERFLOW) {
        return true;
    }
    if events.contains(ReadFlags::IGNORED) {
        return false;
    }
    let (Some(watched), Some(name)) = (watched, name) else { return watched.is_some() };
    if watched.names.as_ref().is_some_and(|names| !names.contains(name)) {
        return false;
    }
    // A new file is incomplete until its writer closes it. A link or a directory is complete.
    let made = events.contains(ReadFlags::CREATE);
    !made || watched.directory.join(name).symlink_metadata().is_ok_and(|metadata| !metadata.is_file())
}

/// The directories in which a change can matter. Among them are those of the tokens and the servers. For `.env` and for
/// token files that are links, each directory on the way counts too.
fn places(settings: &Settings) -> WatchedNames {
    let mut places = WatchedNames::new();
    for directory in [&settings.tokens_dir, &settings.servers_dir] {
        trail(directory, &mut places);
    }
    trail(&settings.env_file, &mut places);
    for entry in std::fs::read_dir(&settings.tokens_dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            trail(&entry.path(), &mut places);
        }
    }
    for directory in [&settings.tokens_dir, &settings.servers_dir] {
        places.insert(directory.clone(), None);
    }
    places
}

/// Adds the places of `path` and of every link on the way to its file.
fn trail(path: &Path, places: &mut WatchedNames) {
    let mut rest: Vec<OsString> = names(path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = rest.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let target = std::fs::read_link(&next).ok().filter(|_| links < MOST_LINKS);
        if target.is_some() || rest.is_empty() {
            let known = places.entry(at.clone()).or_insert_with(|| Some(BTreeSet::new()));
            if let Some(names) = known {
                names.insert(name.clone());
            }
        }
        match target {
            None => at = next,
            Some(target) => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(names(&target));
            }
        }
    }
}

/// The names on a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}

fn both(left: Names, right: Names) -> Names {
    left.zip(right).map(|(left, right)| ordered::set(left.into_iter().chain(right)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::scratch::Scratch;

    fn of(path: &Path) -> Vec<(PathBuf, Vec<OsString>)> {
        let mut places = WatchedNames::new();
        trail(path, &mut places);
        let named = |(directory, names): (PathBuf, Names)| (directory, names.unwrap().into_iter().collect());
        places.into_iter().map(named).collect()
    }

    #[test]
    fn every_link_on_the_way_is_watched_where_it_is() {
        let scratch = Scratch::new();
        let root = scratch.canonicalize().unwrap();
        // Kubernetes mounts a secret so: `.env` leads through a link, which is replaced.
        std::fs::create_dir_all(root.join("secret/..2026")).unwrap();
        std::fs::write(root.join("secret/..2026/.env"), "").unwrap();
        symlink("..2026", root.join("secret/..data")).unwrap();
        symlink("..data/.env", root.join("secret/.env")).unwrap();
        symlink("secret/./../secret/.env", root.join(".env")).unwrap();
        let names = |names: &[&str]| names.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(
            of(&root.join(".env")),
            [
                (root.clone(), names(&[".env"])),
                (root.join("secret"), names(&["..data", ".env"])),
                (root.join("secret/..2026"), names(&[".env"])),
            ]
        );
        assert_eq!(of(&root.join("missing")), [(root.clone(), names(&["missing"]))]);
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(of(&root.join("loop")), [(root.clone(), names(&["loop"]))]);
    }

    #[test]
    fn an_event_matters_by_its_name_and_when_the_file_is_complete() {
        let scratch = Scratch::new();
        scratch.write("a", "");
        symlink("a", scratch.join("b")).unwrap();
        let watched = |names: &[&str]| WatchedDirectory {
            directory: scratch.to_path_buf(),
            names: (!names.is_empty()).then(|| names.iter().map(OsString::from).collect()),
        };
        let (all, env) = (watched(&[]), watched(&[".env"]));
        for (case, watched, events, name, expected) in [
            ("a file was written", Some(&all), ReadFlags::CLOSE_WRITE, Some("a"), true),
            ("another name", Some(&env), ReadFlags::CLOSE_WRITE, Some("a"), false),
            ("the name", Some(&env), ReadFlags::MOVED_TO, Some(".env"), true),
            ("a file begins", Some(&all), ReadFlags::CREATE, Some("a"), false),
            ("a link was made", Some(&all), ReadFlags::CREATE, Some("b"), true),
            ("the directory went away", Some(&env), ReadFlags::DELETE_SELF, None, true),
            ("the watch ended", Some(&all), ReadFlags::IGNORED, None, false),
            ("of a watch that is gone", None, ReadFlags::CLOSE_WRITE, Some("a"), false),
            ("events were lost", None, ReadFlags::QUEUE_OVERFLOW, None, true),
        ] {
            assert_eq!(is_of_interest(watched, events, name.map(OsStr::new)), expected, "{case}");
        }
    }
}

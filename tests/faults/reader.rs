//! A client that looks at everything all the time, as an editor that watches its configuration does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

/// What the reader saw.
#[derive(Default, Debug)]
pub(crate) struct Saw {
    /// Files that were read.
    pub reads: usize,
    /// What must never be seen, in words.
    pub wrong: Vec<String>,
}

/// Reads every `*.json` of a directory again and again, until told to stop; fails on a text that is not
/// whole JSON, and on any file there, hidden ones and those in `.token-refresher` too, that others may open.
pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Saw>,
}

impl Reader {
    /// Starts; `look` is called with the name and the contents of each file.
    pub(crate) fn start(directory: PathBuf, mut look: impl FnMut(&str, &Value) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut saw = Saw::default();
                while !stop.load(Ordering::Relaxed) {
                    look_through(&directory, &mut saw, &mut look);
                    look_through(&directory.join(".token-refresher"), &mut saw, &mut |_, _| {});
                    thread::sleep(Duration::from_micros(200));
                }
                saw
            }
        });
        Self { stop, thread }
    }

    /// Stops; fails where something was wrong.
    pub(crate) fn finish(self) -> Saw {
        self.stop.store(true, Ordering::Relaxed);
        let saw = self.thread.join().unwrap();
        assert!(saw.wrong.is_empty(), "{:?}", saw.wrong);
        saw
    }
}

fn look_through(directory: &Path, saw: &mut Saw, look: &mut impl FnMut(&str, &Value)) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Gone between the listing and the look: renamed.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
            saw.wrong.push(format!("{name} is open to others: {:o}", metadata.permissions().mode()));
        }
        if entry.path().extension() != Some("json".as_ref()) || name.starts_with('.') {
            continue;
        }
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        saw.reads += 1;
        match serde_json::from_str(&text) {
            Ok(document) => look(&name, &document),
            Err(error) => saw.wrong.push(format!("{name} is torn: {error}: {} bytes", text.len())),
        }
    }
}

//! One sync for the changes of several threads.
//!
//! A sync covers the changes that were made before it began. Threads that come during a sync wait for its end, and then
//! share the next one.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The syncs of one directory.
#[derive(Default)]
pub(super) struct SharedSync {
    table: Mutex<SyncTable>,
    ended: Condvar,
}

#[derive(Default)]
struct SyncTable {
    /// How many syncs have begun, and how many have ended. At most one is under way.
    begun: u64,
    ended: u64,
    /// The number of each failed sync, and the system's error.
    failed: Vec<(u64, Option<i32>)>,
}

impl SharedSync {
    /// Makes this thread's changes durable: by `sync`, or by the sync of another thread that begins from now on. The
    /// system reports a failure once, so the thread that syncs passes it on to all who waited.
    pub(super) fn after_changes(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut table = self.table();
        let covering = table.begun + 1;
        while table.ended + 1 < covering {
            table = self.ended.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        if table.begun < covering {
            table.begun = covering;
            drop(table);
            let result = sync();
            let mut table = self.table();
            table.ended = covering;
            if let Err(error) = &result {
                table.failed.push((covering, error.raw_os_error()));
            }
            drop(table);
            self.ended.notify_all();
            return result;
        }
        while table.ended < covering {
            table = self.ended.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        match table.failed.iter().find(|(number, _)| *number == covering) {
            Some((_, Some(code))) => Err(io::Error::from_raw_os_error(*code)),
            Some((_, None)) => Err(io::Error::other("the directory could not be synced")),
            None => Ok(()),
        }
    }

    fn table(&self) -> MutexGuard<'_, SyncTable> {
        // No thread panics while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::thread;

    use super::*;

    #[test]
    fn those_who_come_during_a_sync_share_the_next_one_and_its_failure() {
        let shared = SharedSync::default();
        let syncs = AtomicUsize::new(0);
        let (go_on, wait) = mpsc::channel::<()>();
        let (began, is_under_way) = mpsc::channel();
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                shared.after_changes(move || {
                    began.send(()).unwrap();
                    wait.recv().map_err(io::Error::other)
                })
            });
            is_under_way.recv().unwrap();
            let others: Vec<_> = (0..5)
                .map(|_| {
                    scope.spawn(|| {
                        shared.after_changes(|| {
                            syncs.fetch_add(1, Ordering::SeqCst);
                            // All threads that are to share the sync have come by now, or wait for the next one.
                            Err(io::Error::from_raw_os_error(libc::EIO))
                        })
                    })
                })
                .collect();
            while shared.table.lock().unwrap().begun != 1 {
                thread::yield_now();
            }
            go_on.send(()).unwrap();
            assert!(first.join().unwrap().is_ok(), "it has succeeded");
            for other in others {
                assert_eq!(other.join().unwrap().unwrap_err().raw_os_error(), Some(libc::EIO));
            }
            assert!((1..=5).contains(&syncs.load(Ordering::SeqCst)));
        });
        assert!(shared.after_changes(|| Ok(())).is_ok(), "a later one is another");
    }

    /// The promise: a sync that began after a change covers the change.
    #[test]
    fn no_change_is_left_out() {
        let (shared, clock) = (SharedSync::default(), AtomicU64::new(0));
        let syncs = AtomicUsize::new(0);
        // When the latest sync began, once the sync has ended.
        let covered = AtomicU64::new(0);
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..500 {
                        let changed = clock.fetch_add(1, Ordering::SeqCst);
                        let sync = || {
                            let began = clock.fetch_add(1, Ordering::SeqCst);
                            syncs.fetch_add(1, Ordering::SeqCst);
                            thread::yield_now();
                            covered.fetch_max(began, Ordering::SeqCst);
                            Ok(())
                        };
                        shared.after_changes(sync).unwrap();
                        assert!(covered.load(Ordering::SeqCst) > changed);
                    }
                });
            }
        });
        assert!(syncs.load(Ordering::SeqCst) <= 4000);
    }
}

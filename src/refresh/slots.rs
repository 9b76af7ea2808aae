//! How many chains are refreshed at once.
//!
//! A job has a slot from its first lock until its answer is written. The rest of the job waits for the disk, which
//! keeps no other request waiting.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The slots of a cycle.
pub(crate) struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One slot, until it is dropped.
pub(crate) struct Slot<'a>(&'a Slots);

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), freed: Condvar::new() }
    }

    /// Takes a slot, and waits for one if needed.
    pub(crate) fn take(&self) -> Slot<'_> {
        let mut free = self.free();
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Slot(self)
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        // A number cannot be left half changed by a panic.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free() += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn no_more_than_so_many_have_one() {
        let (slots, busy) = (Slots::new(3), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let slot = slots.take();
                        assert!(busy.fetch_add(1, Ordering::SeqCst) < 3);
                        thread::yield_now();
                        busy.fetch_sub(1, Ordering::SeqCst);
                        drop(slot);
                    }
                });
            }
        });
        assert_eq!(*slots.free(), 3);
    }
}

//! The place of a job among those that may have a request in flight.

/// The place, from the job's first lock until its answer is written; let go when it is dropped. The rest of the job
/// waits for the disk, which keeps no other request waiting.
pub(crate) struct Slot<'a> {
    /// Where the place is from.
    pub slots: &'a dyn Slots,
    /// Its number there.
    pub number: u64,
}

/// The places of a cycle.
pub(crate) trait Slots: Sync {
    /// Takes a place back.
    fn free(&self, number: u64);
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.free(self.number);
    }
}

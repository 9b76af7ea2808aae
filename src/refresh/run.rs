//! Runs a job by the steps for its kind.

use super::context::Context;
use super::job::{Done, Job};
use super::slot::Slot;
use super::{chain, old_copy};

impl Job {
    /// Does the job. `slot` is released when the answer is written.
    pub(crate) fn run(&self, context: &Context<'_>, slot: Slot<'_>) -> Done {
        match self {
            Self::Refresh(chain) => chain::refresh(chain, context, slot),
            Self::Repair { copy, newest } => {
                let done = old_copy::repair(copy, *newest, context);
                drop(slot);
                done
            }
        }
    }
}

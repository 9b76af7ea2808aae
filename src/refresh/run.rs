//! A job is run by the steps for its kind.

use super::context::Context;
use super::job::{Done, Job};
use super::{chain, old_copy};

impl Job {
    /// Does the job.
    pub(crate) fn run(&self, context: &Context<'_>) -> Done {
        match self {
            Self::Refresh(chain) => chain::refresh(chain, context),
            Self::Repair { copy, newest } => old_copy::repair(copy, *newest, context),
        }
    }
}

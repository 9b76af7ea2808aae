//! Refreshing one credential.
//!
//! A [`Job`] takes the locks of one chain (all files with one refresh token) and sends at most one request. Further
//! work is another job in [`Done`]. The order of the steps is the promise "no token is lost, none is spent twice":
//!
//! 1. **Lock** every file of the chain, in the order of their paths (`locked`). A busy lock means that another process
//!    is refreshing the chain.
//! 2. **Read again** (`chain`). A crash's leftovers are settled first (`recover`). A chain that is not due any more is
//!    left alone. A chain with another refresh token by now becomes another job.
//! 3. **Reserve** the room for the new file beside each file (`precautions`). A full disk, a read-only directory or a
//!    foreign file is found out here, and nothing has been sent.
//! 4. **Mark** the refresh token as sent, durably, in each lock file (`mark`): after a crash the mark tells whether the
//!    token may be spent. A grant that spends nothing makes no mark.
//! 5. **Send** one request (`request`). The mark is made when the endpoint is connected to, just before the token
//!    leaves.
//! 6. **Interpret** the answer (`interpret`, `verdict`). Without new tokens the files stay as they are, and the mark
//!    stays only while the outcome is unknown.
//! 7. **Store** the new tokens in every reserve and sync it (`storing`). From here on no crash loses them.
//! 8. **Look again** at each file: another program may have written it during the request.
//! 9. **Replace** each file by its reserve, sync the directory, clear the mark, unlock.
//!
//! Where steps 7 to 9 fail, [`Storing`] keeps locks, reserves and answer, and is tried again until it is done.

mod chain;
mod config;
mod context;
mod endpoints;
mod interpret;
mod job;
mod leftovers;
mod lifetime;
mod locked;
mod look;
mod mark;
mod may_send;
mod member;
mod neighbours;
mod old_copy;
mod precautions;
mod recover;
mod report;
mod request;
mod run;
mod seal_file;
mod slot;
mod stop;
mod storing;

#[cfg(test)]
mod tests;
mod unseal;
mod verdict;

pub(crate) use config::{client_file, of as config_of};
pub(crate) use context::{Context, Limits, Written};
pub(crate) use endpoints::Endpoints;
pub(crate) use job::{Chain, Done, Job};
pub(crate) use leftovers::{recover_leftover, written_by_us};
pub(crate) use report::{Report, Reports};
pub(crate) use seal_file::{SealOrder, Sealed, seal_file};
pub(crate) use slot::{Slot, Slots};
pub(crate) use stop::Stop;
pub(crate) use storing::Storing;
pub(crate) use verdict::BUSY_AGAIN;

//! Files: open, lock, reserve, durable replace. All other modules write files through this one.
//!
//! Knows directories, bytes and inodes, and nothing of tokens. A file is a name in a directory that is held open
//! ([`FileAt`]); a path is for messages. `refresh` calls these functions in an order that keeps the promise "nothing is
//! lost, nothing is spent twice".

pub(crate) use read::MAX_SIZE;

mod attributes;
mod directory;
mod file_at;
mod follow;
mod holder;
mod inode;
mod journal;
mod last_read;
mod lock;
mod new_file;
mod open;
mod owner_only;
mod parts;
mod pipe;
mod read;
mod read_error;
mod reason;
mod replace;
mod reserve;
mod room;
mod shared_sync;
mod trust;
mod user_file;

pub(crate) use directory::{Directory, OWN_DIRECTORY, make_private_directory};
pub(crate) use file_at::FileAt;
pub(crate) use follow::follow_to;
pub(crate) use holder::{Holder, holder};
pub(crate) use inode::{Inode, Stamp};
pub(crate) use journal::{Journal, JournalEnd};
pub(crate) use last_read::LastRead;
pub(crate) use lock::{Lock, LockError};
pub(crate) use new_file::write_new;
pub(crate) use owner_only::close_to_others;
pub(crate) use parts::Replaced;
pub(crate) use pipe::{is_pipe, read_pipe};
pub(crate) use read::{read_bytes, read_order, read_order_bytes, read_own, read_private, read_text};
pub(crate) use read_error::ReadError;
pub(crate) use reason::reason;
pub(crate) use replace::{replace_parts, replace_public, replace_text};
pub(crate) use reserve::{Reserve, leftover, leftover_target};
pub(crate) use room::make_room;
pub(crate) use user_file::{NotReplaced, UserFile};

//! Files: open, lock, reserve, durable replace. The only code of the program that writes.
//!
//! Everything here is about paths, bytes and inodes; it knows nothing of tokens. The order in
//! which the pieces are used is the promise "nothing is lost, nothing is spent twice" and is
//! kept in `refresh`.

pub(crate) use read::MAX_SIZE;

mod attributes;
mod directory;
mod follow;
mod holder;
mod lock;
mod open;
mod pipe;
mod read;
mod read_error;
mod reason;
mod replace;
mod reserve;
mod stamp;
mod trust;
mod user_file;

pub(crate) use directory::{OWN_DIRECTORY, directory_of, lock_of, make_private_directory, own_directory};
pub(crate) use follow::follow;
pub(crate) use holder::{Holder, holder};
pub(crate) use lock::{Lock, LockError};
pub(crate) use pipe::{is_pipe, read_pipe};
pub(crate) use read::{read_bytes, read_listed, read_order, read_order_bytes, read_private, read_whole};
pub(crate) use read_error::ReadError;
pub(crate) use reason::reason;
pub(crate) use replace::{Replaced, replace_public, replace_text};
pub(crate) use reserve::{Reserve, is_mount_point, leftover, leftover_target};
pub(crate) use stamp::Stamp;
pub(crate) use trust::{Foreign, directory_is_private, open_to_others};
pub(crate) use user_file::{NotReplaced, UserFile};

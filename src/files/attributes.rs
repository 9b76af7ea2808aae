//! Extended attributes and access control lists, which a replaced file must not lose.
//!
//! With an access control list, the group bits of the mode are the mask of the list. To copy the mode alone would open
//! the file to its group. The list is an attribute like others, so all attributes are copied.

use std::ffi::CStr;
use std::fs::File;
use std::io;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// The attribute that holds the access control list.
pub(super) const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// The largest list of names, and the largest value, that Linux returns.
const LARGEST: usize = 64 << 10;

/// Gives `new` the attributes of `old`. Must be called before the mode is set. A list that only `new` has, inherited
/// from its directory, is removed.
pub(super) fn copy_attributes(old: &File, new: &File) -> io::Result<()> {
    let mut names = Vec::with_capacity(LARGEST);
    match flistxattr(old, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {}
        // A file system without attributes.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let names =
        names.split_inclusive(|byte| *byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok());
    let mut has_list = false;
    for name in names {
        let mut value = Vec::with_capacity(LARGEST);
        match fgetxattr(old, name, rustix::buffer::spare_capacity(&mut value)) {
            Ok(_) => {}
            // The attribute was removed meanwhile, or only its file system reads it.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
            Err(error) => return Err(error.into()),
        }
        has_list |= name == ACCESS_LIST;
        match fsetxattr(new, name, &value, XattrFlags::empty()) {
            Ok(()) => {}
            // Labels of the system (SELinux, capabilities): the system has given the new file its label.
            Err(_) if !name.to_bytes().starts_with(b"user.") && name != ACCESS_LIST => {}
            Err(error) => return Err(error.into()),
        }
    }
    if has_list {
        return Ok(());
    }
    match fremovexattr(new, ACCESS_LIST) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

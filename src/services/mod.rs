//! From token files to the services of the configurations: the server of each file, the gateway's file, and the
//! tokens. Cycles and commands both use this wing.

mod gather;
mod names;
mod source;

pub(crate) use gather::{Gathered, gather, is_keycloak, record_of};
pub(crate) use names::{GATEWAY, KEYCLOAK_GATEWAY, in_configurations, list_token_files, may_be_entry, meant};
pub(crate) use source::{TokenSource, recorded_providers};

//! From token files to the services of the configurations: which file is which server's, which one speaks to the
//! gateway, and the tokens that they hold. The same for a cycle and for the commands.

mod gather;
mod names;
mod source;

pub(crate) use gather::{Gathered, gather, is_keycloak, record_of};
pub(crate) use names::{GATEWAY, KEYCLOAK_GATEWAY, generated, in_configurations, meant};
pub(crate) use source::{TokenSource, recorded_providers};

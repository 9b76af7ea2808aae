//! Names in the tokens directory with a meaning for the configurations.

use crate::clients::{DefaultFile, names};
use crate::tokens::name::{Role, role};

/// The gateway's own token.
pub(crate) const GATEWAY: &str = "ingress.json";

/// With `AUTH_PROVIDER=keycloak` this file's token is the gateway's, where it exists.
pub(crate) const KEYCLOAK_GATEWAY: &str = "agent-ai-coding-assistant-m2m-token.json";

/// Whether a token file of this name appears in the configurations.
pub(crate) fn in_configurations(file: &str) -> bool {
    role(file) != Role::Other || file == KEYCLOAK_GATEWAY
}

/// The names in the tokens directory that the program may write, whether or not it keeps them today.
pub(crate) fn generated() -> Vec<String> {
    let own = names().map(|name| format!("mcp-{name}.json"));
    DefaultFile::ALL.iter().map(|file| file.file_name().to_owned()).chain(own).collect()
}

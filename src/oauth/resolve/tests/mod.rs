//! Tables for the resolution: files as they exist in the wild, and the requests for them.

mod python_service;
mod request;
mod rules;

use std::cell::RefCell;
use std::fmt;

use super::*;
use crate::oauth::provider::ClientAuthMethod;
use crate::oauth::request::TokenEndpoint;
use crate::secret::Secret;

fn config(file: &str, members: &[(&str, &str)]) -> CredentialConfig {
    CredentialConfig::of_members(file, members)
}

struct World<'a> {
    environment: &'a [(&'a str, &'a str)],
    clients: Vec<ClientFile>,
    rows: &'a str,
}

const EMPTY: World<'_> = World { environment: &[], clients: Vec::new(), rows: "{}" };

fn found(config: &CredentialConfig, world: &World<'_>) -> (Resolution, Vec<String>) {
    let environment =
        Environment::new(world.environment.iter().map(|(name, value)| (name.into(), value.into())));
    let providers = Providers::with_user_rows(world.rows).unwrap();
    let trail = RefCell::new(Vec::new());
    let say = |line: fmt::Arguments| trail.borrow_mut().push(line.to_string());
    let resolution = resolve_with_trail(config, &environment, &world.clients, &providers, &say);
    (resolution, trail.take())
}

fn request(config: &CredentialConfig, world: &World<'_>) -> TokenRequest {
    match found(config, world) {
        (Resolution::Refresh(request), _) => *request,
        (Resolution::Monitored(why) | Resolution::Misconfigured(why), trail) => panic!("{why}\n{trail:#?}"),
    }
}

/// Endpoint, authentication, client and parameters in one line.
fn summary(config: &CredentialConfig, world: &World<'_>) -> String {
    match found(config, world).0 {
        Resolution::Monitored(why) => format!("monitored: {why}"),
        Resolution::Misconfigured(why) => format!("misconfigured: {why}"),
        Resolution::Refresh(request) => {
            let issuer = if matches!(request.target, TokenEndpoint::FromIssuer(_)) { "issuer " } else { "" };
            let method = request.authentication.method.map_or("discovered", ClientAuthMethod::name);
            let parameters: Vec<String> =
                request.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!(
                "{issuer}{} {method} {}{} {}",
                request.endpoint(),
                request.client_id.as_deref().unwrap_or("-"),
                if request.client_secret.is_some() { "+secret" } else { "" },
                parameters.join("&"),
            )
        }
    }
}

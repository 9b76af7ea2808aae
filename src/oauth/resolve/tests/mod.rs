//! Tables for the resolution: files as they exist in the wild, and the requests that come of them.

mod python_service;
mod request;
mod rules;

use std::collections::BTreeMap;

use super::*;
use crate::oauth::request::Target;
use crate::oauth::row::Method;
use crate::secret::Secret;

/// Hints from pairs of member and value.
fn hints(file: &str, members: &[(&str, &str)]) -> Hints {
    let mut hints = Hints { file: file.to_owned(), ..Hints::default() };
    for (name, value) in members {
        let value = (*value).to_owned();
        match *name {
            "server" => hints.server = Some(value),
            "provider" => hints.provider = Some(value),
            "token_endpoint" => hints.token_endpoint = Some(value),
            "issuer" => hints.issuer = Some(value),
            "grant_type" => hints.grant_type = Some(value),
            "method" => hints.token_endpoint_auth_method = Some(value),
            "client_id" => hints.client_id = Some(value),
            "client_secret" => hints.client_secret = Some(Secret::new(value)),
            "private_key" => hints.private_key = Some(Secret::new(value)),
            "refresh_token" => hints.has_refresh_token = true,
            "audience" => hints.audience = Some(value),
            "resource" => hints.resource = Some(value),
            "scope" => hints.scope = Some(value),
            "tenant" => hints.tenant = Some(value),
            "keycloak_url" => hints.keycloak_url = Some(value),
            "realm" => hints.realm = Some(value),
            "user_pool_id" => hints.user_pool_id = Some(value),
            "region" => hints.region = Some(value),
            "domain" => hints.domain = Some(value),
            "auth_method" => hints.auth_method = Some(value),
            _ => {
                hints.members.insert((*name).to_owned(), value);
            }
        }
    }
    hints
}

struct World<'a> {
    environment: &'a [(&'a str, &'a str)],
    clients: Vec<ClientFile>,
    rows: &'a str,
}

const EMPTY: World<'_> = World { environment: &[], clients: Vec::new(), rows: "{}" };

fn found(hints: &Hints, world: &World<'_>) -> (Resolution, Vec<String>) {
    let environment: BTreeMap<_, _> = world.environment.iter().copied().collect();
    let variable = |name: &str| environment.get(name).map(ToString::to_string);
    resolve(hints, &variable, &world.clients, &Providers::with_user_rows(world.rows).unwrap())
}

fn request(hints: &Hints, world: &World<'_>) -> Request {
    match found(hints, world) {
        (Resolution::Refresh(request), _) => *request,
        (Resolution::Monitored(why) | Resolution::Misconfigured(why), trail) => panic!("{why}\n{trail:#?}"),
    }
}

/// Endpoint, authentication, client and parameters in one line.
fn summary(hints: &Hints, world: &World<'_>) -> String {
    match found(hints, world).0 {
        Resolution::Monitored(why) => format!("monitored: {why}"),
        Resolution::Misconfigured(why) => format!("misconfigured: {why}"),
        Resolution::Refresh(request) => {
            let issuer = if matches!(request.target, Target::Issuer(_)) { "issuer " } else { "" };
            let method = request.method.map_or("discovered", Method::name);
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

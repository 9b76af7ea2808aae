//! What a configuration holds: one [`Service`] per MCP server, with its address and the headers
//! that a request to it needs. The formats in this wing only differ in how they write that down.

use crate::secret::Secret;
use crate::servers::{Server, Transport};

/// Where the gateway is when nobody said (the Python service's users run it on their machine).
const NO_GATEWAY: &str = "http://localhost";

/// The token of a service that needs a sign-in: what `*-egress.json` says of it.
pub(crate) struct Egress {
    /// The server's name, unique among them.
    pub name: String,
    /// The file's `provider`.
    pub provider: Option<String>,
    /// The bare access token.
    pub access_token: Secret,
    /// The Atlassian site that the token is for.
    pub cloud_id: Option<String>,
}

/// The gateway's own token: what `ingress.json` (or the file that takes its place) says.
pub(crate) struct Ingress {
    /// The file's `provider`, with or without `_m2m`.
    pub provider: Option<String>,
    /// The bare access token.
    pub access_token: Secret,
    /// The OAuth client that the token was issued to.
    pub client_id: Option<String>,
    /// Cognito: the user pool.
    pub user_pool_id: Option<String>,
    /// Cognito: the AWS region; without one it is the head of the pool's id.
    pub region: Option<String>,
    /// Keycloak: the realm.
    pub realm: Option<String>,
    /// Keycloak: the address of the server.
    pub keycloak_url: Option<String>,
}

/// The value of a header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// `Bearer ` and this access token.
    Bearer(Secret),
    /// Not a secret: a client id, a region, an address.
    Plain(String),
}

impl Value {
    /// The value as it is sent.
    pub(crate) fn to_text(&self) -> Secret {
        match self {
            Self::Bearer(token) => Secret::new(format!("Bearer {}", token.expose())),
            Self::Plain(text) => Secret::new(text.as_str()),
        }
    }
}

/// A header that a request to the service needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// The header's name, one of [`HEADER_NAMES`].
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// Every header name that [`services`] can give a service. In an entry of ours these are ours.
pub(super) const HEADER_NAMES: [&str; 8] = [
    "Authorization",
    "X-Atlassian-Cloud-Id",
    "X-Authorization",
    "X-User-Pool-Id",
    "X-Client-Id",
    "X-Region",
    "X-Keycloak-Realm",
    "X-Keycloak-URL",
];

/// One MCP server as every configuration knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Service {
    /// The name of its entry.
    pub name: String,
    /// The address of its endpoint.
    pub url: String,
    /// How to talk to it.
    pub transport: Transport,
    /// The service's own access token; none for a server that takes requests without.
    pub authorization: Option<Secret>,
    /// The headers beside `Authorization`: the gateway's, and the service's site.
    pub extra: Vec<Header>,
}

impl Service {
    /// All headers, `Authorization` first.
    pub(crate) fn headers(&self) -> impl Iterator<Item = Header> + '_ {
        let own = self.authorization.iter();
        let own = own.map(|token| Header { name: "Authorization", value: Value::Bearer(token.clone()) });
        own.chain(self.extra.iter().cloned())
    }
}

/// What the configurations hold.
#[derive(Debug)]
pub(crate) struct Services {
    /// By name, each name once.
    pub list: Vec<Service>,
    /// What was left out and what was assumed, one line each.
    pub warnings: Vec<String>,
}

/// Builds the services from the egress tokens and the servers that take requests without one.
/// Where both have a name, the token wins and the server gives the address.
pub(crate) fn services(
    egress: &[Egress],
    ingress: Option<&Ingress>,
    servers: &[Server],
    gateway: Option<&str>,
) -> Services {
    let mut all = Services { list: Vec::new(), warnings: Vec::new() };
    let gateway_headers =
        ingress.map_or_else(Vec::new, |ingress| gateway_headers(ingress, &mut all.warnings));
    let base = gateway.unwrap_or(NO_GATEWAY).trim_end_matches('/');
    for token in egress {
        let server = servers.iter().find(|server| server.name == token.name);
        let endpoint =
            server.map_or_else(|| format!("/mcp/{}/mcp", path_part(&token.name)), Server::endpoint);
        let mut extra: Vec<Header> = site_header(token).into_iter().collect();
        extra.extend(gateway_headers.iter().cloned());
        all.add(Service {
            name: token.name.clone(),
            url: format!("{base}{endpoint}"),
            transport: server.map_or(Transport::StreamableHttp, |server| server.transport),
            authorization: Some(token.access_token.clone()),
            extra,
        });
    }
    let signed_in = |server: &&Server| egress.iter().any(|token| token.name == server.name);
    for server in servers.iter().filter(|server| server.no_auth && !signed_in(server)) {
        let name = free_name(server, &mut all);
        all.add(Service {
            name,
            url: format!("{base}{}", server.endpoint()),
            transport: server.transport,
            authorization: None,
            extra: gateway_headers.clone(),
        });
    }
    if gateway.is_none() && !all.list.is_empty() {
        all.warnings.push(format!(
            "no gateway address is set, so configurations point to {NO_GATEWAY}; set REGISTRY_URL or --registry-url"
        ));
    }
    all.list.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

impl Services {
    fn add(&mut self, service: Service) {
        if let Some(problem) = self.problem(&service) {
            self.warnings
                .push(format!("{} stands in no configuration: {problem}", service.name.escape_debug()));
        } else {
            self.list.push(service);
        }
    }

    fn has(&self, name: &str) -> bool {
        self.list.iter().any(|service| service.name == name)
    }

    fn problem(&self, service: &Service) -> Option<&'static str> {
        if service.name.is_empty() || service.name.chars().any(char::is_control) {
            return Some("its name is empty or holds control characters");
        }
        if self.has(&service.name) {
            return Some("another service has its name");
        }
        if !service.authorization.as_ref().is_none_or(|token| is_field_value(token.expose())) {
            return Some("its access token holds characters that cannot stand in a header");
        }
        None
    }
}

/// The server's name, or its whole path in dashes where another server has the name already:
/// nothing is dropped silently.
fn free_name(server: &Server, all: &mut Services) -> String {
    if !all.has(&server.name) {
        return server.name.clone();
    }
    let long = server.path.trim_matches('/').replace('/', "-");
    all.warnings
        .push(format!("{}: another server is called {}; this one is {long}", server.file, server.name));
    long
}

/// Which site of an Atlassian account a token is for. The server behind the gateway needs it,
/// so it does not depend on the gateway having a token of its own.
fn site_header(token: &Egress) -> Option<Header> {
    let atlassian = token.provider.as_deref().is_none_or(|provider| provider == "atlassian");
    let id = token.cloud_id.as_deref().filter(|id| atlassian && is_field_value(id))?;
    Some(Header { name: "X-Atlassian-Cloud-Id", value: Value::Plain(id.to_owned()) })
}

/// The gateway's headers, in the order in which the Python service wrote them.
fn gateway_headers(ingress: &Ingress, warnings: &mut Vec<String>) -> Vec<Header> {
    if !is_field_value(ingress.access_token.expose()) {
        warnings.push(
            "the gateway token holds characters that cannot stand in a header and is left out".to_owned(),
        );
        return Vec::new();
    }
    let provider = ingress.provider.as_deref().unwrap_or("");
    let provider = provider.strip_suffix("_m2m").unwrap_or(provider);
    // A file whose provider is not known sends what it holds.
    let is = |name: &str| provider == name || !matches!(provider, "cognito" | "keycloak");
    let pool = ingress.user_pool_id.as_deref().filter(|_| is("cognito"));
    let region = ingress.region.as_deref().filter(|_| is("cognito"));
    let region = region.or_else(|| pool.and_then(|pool| pool.split_once('_')).map(|(region, _)| region));
    let plain = [
        ("X-User-Pool-Id", pool),
        ("X-Client-Id", ingress.client_id.as_deref()),
        ("X-Region", region),
        ("X-Keycloak-Realm", ingress.realm.as_deref().filter(|_| is("keycloak"))),
        ("X-Keycloak-URL", ingress.keycloak_url.as_deref().filter(|_| is("keycloak"))),
    ];
    let mut headers =
        vec![Header { name: "X-Authorization", value: Value::Bearer(ingress.access_token.clone()) }];
    for (name, value) in plain {
        match value {
            Some(text) if is_field_value(text) => {
                headers.push(Header { name, value: Value::Plain(text.to_owned()) });
            }
            Some(_) => warnings.push(format!("the value of {name} cannot stand in a header and is left out")),
            None => {}
        }
    }
    headers
}

/// Whether a text may be (the rest of) a header's value: visible ASCII and inner spaces. RFC 9110
/// section 5.5 also lets bytes over 0x7f through; clients differ in what they make of those.
fn is_field_value(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A name as one part of a URL's path: what RFC 3986 does not leave alone is percent-encoded.
fn path_part(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::with_capacity(name.len()), |mut part, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(part, "%{byte:02X}");
        }
        part
    })
}

#[cfg(test)]
mod tests;

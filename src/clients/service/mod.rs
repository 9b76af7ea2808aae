//! The contents of all configurations: one [`Service`] per MCP server, with its address and the headers of a request.
//! The other files of this wing write them down in different notations.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::address::Address;
use super::signed_out::SignedOut;
use crate::secret::Secret;
use crate::servers::{McpTransport, Server, ServerAuth};

/// The characters of a name that are percent-encoded in a URL's path: all but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The gateway's address where none is set: users of the Python service run the gateway on their machine.
const NO_GATEWAY: &str = "http://localhost";

/// The token of a service that needs a sign-in, from its `*-egress.json`.
pub(crate) struct Egress<'a> {
    /// The server's name, unique among them.
    pub name: &'a str,
    /// The file's `provider`.
    pub provider: Option<&'a str>,
    /// The bare access token.
    pub access_token: Secret,
    /// The Atlassian site that the token is for.
    pub cloud_id: Option<&'a str>,
    /// The server's own address, where the server is not behind the gateway.
    pub server_url: Option<&'a str>,
}

/// The gateway's own token, from `ingress.json` or the file that replaces it.
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

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum HeaderValue {
    /// `Bearer ` and this access token.
    Bearer(Secret),
    /// Not a secret: a client id, a region, an address. Thousands of services share those of the gateway.
    Plain(Arc<str>),
}

impl HeaderValue {
    /// The value as sent, in two parts.
    pub(crate) fn parts(&self) -> [&str; 2] {
        match self {
            Self::Bearer(token) => ["Bearer ", token.expose()],
            Self::Plain(text) => ["", text],
        }
    }

    /// The value as sent.
    pub(crate) fn to_text(&self) -> Secret {
        // The text is joined at its length: one that grows leaves copies behind.
        Secret::new(self.parts().concat())
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// One of [`HEADER_NAMES`].
    pub name: &'static str,
    pub value: HeaderValue,
}

/// All header names that [`services`] can give a service. This program decides about these headers in its entries.
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

/// One MCP server as all configurations know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Service {
    /// The name of the entry.
    pub name: String,
    /// The address of the server's endpoint.
    pub url: String,
    pub transport: McpTransport,
    /// The service's own access token; none for a server that needs none.
    pub authorization: Option<Secret>,
    /// The headers beside `Authorization`: the gateway's, and the service's site.
    pub extra: Vec<Header>,
    /// Whether requests go to the gateway, and so need its token where it has one.
    pub behind_gateway: bool,
}

impl Service {
    /// All headers, `Authorization` first.
    pub(crate) fn headers(&self) -> impl Iterator<Item = Header> + '_ {
        let own = self.authorization.iter();
        let own =
            own.map(|token| Header { name: "Authorization", value: HeaderValue::Bearer(token.clone()) });
        own.chain(self.extra.iter().cloned())
    }
}

/// The contents of the configurations.
#[derive(Debug)]
pub(crate) struct Services {
    /// Sorted by name, each name once.
    pub list: Vec<Service>,
    /// Servers that need a sign-in and have no token.
    pub signed_out: Vec<SignedOut>,
    /// Services that were left out, and assumptions that were made, one line each.
    pub warnings: Vec<String>,
}

/// Builds the services from the egress tokens and from the servers that need no token of their own. Such servers are
/// open or, with a token of the gateway, get their credentials from the gateway. Where a token and a server have one
/// name, the service has the token and the server's address.
pub(crate) fn services(
    egress: &[Egress],
    ingress: Option<&Ingress>,
    servers: &[Server],
    gateway: Option<&str>,
) -> Services {
    let mut all =
        ServiceList { base: gateway.unwrap_or(NO_GATEWAY).trim_end_matches('/'), ..ServiceList::default() };
    all.gateway_headers =
        ingress.map_or_else(Vec::new, |ingress| gateway_headers(ingress, &mut all.warnings));
    let mut by_name = HashMap::new();
    for server in servers {
        by_name.entry(server.name.as_str()).or_insert(server);
    }
    for token in egress {
        all.add_signed_in(token, by_name.get(token.name).copied());
    }
    let signed_in: HashSet<&str> = egress.iter().map(|token| token.name).collect();
    for server in servers.iter().filter(|server| !signed_in.contains(server.name.as_str())) {
        all.add_server(server);
    }
    if gateway.is_none() && all.needs_gateway {
        all.warnings.push(format!(
            "no gateway address is set, so configurations point to {NO_GATEWAY}; set REGISTRY_URL or --registry-url"
        ));
    }
    Services { list: all.by_name.into_values().collect(), signed_out: all.signed_out, warnings: all.warnings }
}

#[derive(Default)]
struct ServiceList<'a> {
    /// The gateway's address, without a slash at its end.
    base: &'a str,
    gateway_headers: Vec<Header>,
    /// Whether some address is under the gateway's.
    needs_gateway: bool,
    by_name: BTreeMap<String, Service>,
    signed_out: Vec<SignedOut>,
    warnings: Vec<String>,
}

impl ServiceList<'_> {
    /// Adds the service of a token; `server` is the registry's server of that name.
    fn add_signed_in(&mut self, token: &Egress, server: Option<&Server>) {
        let mut service = Service {
            name: token.name.to_owned(),
            url: String::new(),
            transport: McpTransport::StreamableHttp,
            authorization: Some(token.access_token.clone()),
            extra: site_header(token).into_iter().collect(),
            behind_gateway: true,
        };
        if let Some(url) = token.server_url {
            let Some(address) = Address::parse(url) else {
                let name = token.name.escape_debug();
                let line =
                    format!("{name} stands in no configuration: its server_url is no http or https address");
                return self.warnings.push(line);
            };
            url.clone_into(&mut service.url);
            if address.path().trim_end_matches('/').ends_with(McpTransport::Sse.suffix()) {
                service.transport = McpTransport::Sse;
            }
            // The gateway's token must reach no other host.
            service.behind_gateway =
                Address::parse(self.base).is_some_and(|gateway| gateway.has_origin_of(&address));
        } else {
            let endpoint = server.map_or_else(
                || format!("/mcp/{}/mcp", utf8_percent_encode(token.name, RESERVED)),
                Server::endpoint,
            );
            service.url = self.under_gateway(&endpoint);
            service.transport = server.map_or(McpTransport::StreamableHttp, |server| server.transport);
        }
        if service.behind_gateway {
            service.extra.extend(self.gateway_headers.iter().cloned());
        }
        self.add(service);
    }

    /// Adds the service of a server without a token, unless requests to it would be refused.
    fn add_server(&mut self, server: &Server) {
        match &server.auth {
            ServerAuth::ByGateway if self.gateway_headers.is_empty() => return,
            ServerAuth::Open | ServerAuth::ByGateway => {}
            ServerAuth::SignIn(provider) => {
                let signed_out = SignedOut { server: server.name.clone(), provider: provider.clone() };
                return self.signed_out.push(signed_out);
            }
        }
        let Some(name) = self.free_name(server) else { return };
        let service = Service {
            name,
            url: self.under_gateway(&server.endpoint()),
            transport: server.transport,
            authorization: None,
            extra: self.gateway_headers.clone(),
            behind_gateway: true,
        };
        self.add(service);
    }

    fn under_gateway(&mut self, endpoint: &str) -> String {
        self.needs_gateway = true;
        format!("{}{endpoint}", self.base)
    }

    fn add(&mut self, service: Service) {
        let problem = match self.by_name.entry(service.name.clone()) {
            _ if service.name.is_empty() || service.name.chars().any(char::is_control) => {
                "its name is empty or holds control characters"
            }
            Entry::Occupied(_) => "another service has its name",
            _ if !service.authorization.as_ref().is_none_or(|token| is_field_value(token.expose())) => {
                "its access token holds characters that cannot stand in a header"
            }
            Entry::Vacant(free) => {
                free.insert(service);
                return;
            }
        };
        self.warnings.push(format!("{} stands in no configuration: {problem}", service.name.escape_debug()));
    }

    /// The server's name, or its whole path in dashes where another service has the name. Where both are taken the
    /// server is left out. Either case gets a warning.
    fn free_name(&mut self, server: &Server) -> Option<String> {
        let Server { name, file, path, .. } = server;
        if !self.by_name.contains_key(name) {
            return Some(name.clone());
        }
        let long = path.trim_matches('/').replace('/', "-");
        let is_free = !self.by_name.contains_key(&long);
        self.warnings.push(if is_free {
            format!("{file}: another server is called {name}; this one is {long}")
        } else {
            format!("{file} stands in no configuration: another service has its name, {long}")
        });
        is_free.then_some(long)
    }
}

/// The header for the site of an Atlassian account that a token is for. The server behind the gateway reads the
/// header, whether or not the gateway has a token.
fn site_header(token: &Egress) -> Option<Header> {
    let atlassian = token.provider.is_none_or(|provider| provider == "atlassian");
    let id = token.cloud_id.filter(|id| atlassian && is_field_value(id))?;
    Some(Header { name: "X-Atlassian-Cloud-Id", value: HeaderValue::Plain(id.into()) })
}

/// The gateway's headers, in the order of the Python service.
fn gateway_headers(ingress: &Ingress, warnings: &mut Vec<String>) -> Vec<Header> {
    if !is_field_value(ingress.access_token.expose()) {
        warnings.push(
            "the gateway token holds characters that cannot stand in a header and is left out".to_owned(),
        );
        return Vec::new();
    }
    let provider = ingress.provider.as_deref().unwrap_or("");
    let provider = provider.strip_suffix("_m2m").unwrap_or(provider);
    // A file of an unknown provider sends all values that it holds.
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
        vec![Header { name: "X-Authorization", value: HeaderValue::Bearer(ingress.access_token.clone()) }];
    for (name, value) in plain {
        match value {
            Some(text) if is_field_value(text) => {
                headers.push(Header { name, value: HeaderValue::Plain(text.into()) });
            }
            Some(_) => warnings.push(format!("the value of {name} cannot stand in a header and is left out")),
            None => {}
        }
    }
    headers
}

/// Whether a text may be a header's value, or the rest of one: visible ASCII and inner spaces. RFC 9110 section 5.5
/// allows bytes over 0x7f, but clients read those differently.
fn is_field_value(text: &str) -> bool {
    !text.is_empty() && text.trim().len() == text.len() && crate::secret::is_printable(text)
}

#[cfg(test)]
mod tests;

//! From what a token file says to the request that refreshes it.
//!
//! A pure function over values. Which rule decided what goes into the trail, for `--log-level
//! DEBUG`. The order is fixed: where to ask (the file's endpoint, its Keycloak members, the table,
//! the issuer's metadata), as which client (the file, a client-credential file, the environment),
//! and with what.

mod credentials;
mod environment;
mod target;
pub(super) mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::credentials::Client;
use self::template::{Source, Values};
use super::hints::{ClientFile, Hints, filled, text};
use super::outcome::GrantType;
use super::providers::Providers;
use super::request::{Request, SigningKey};
use super::row::{Basic, Row};
use super::wording;

/// What can be done for a credential.
pub(crate) enum Resolution {
    /// It can be refreshed, with this request.
    Refresh(Box<Request>),
    /// Nobody could refresh it: it is watched until it ends. Says why.
    Monitored(String),
    /// It could be refreshed if a setting were there or right. Says which.
    Misconfigured(String),
}

/// Finds out how to refresh a credential. `variable` looks a name up in the environment and `.env`;
/// an empty value counts as absent. The second value says which rule decided what, in order.
pub(crate) fn resolve(
    hints: &Hints,
    variable: &dyn Fn(&str) -> Option<String>,
    clients: &[ClientFile],
    providers: &Providers,
) -> (Resolution, Vec<String>) {
    let file = wording::shown(&hints.file, &[]);
    let mut resolver = Resolver { hints, file, variable, clients, providers, trail: Vec::new() };
    let resolution =
        resolver.request().map_or_else(|stop| stop, |found| Resolution::Refresh(Box::new(found)));
    (resolution, resolver.trail)
}

struct Resolver<'a> {
    hints: &'a Hints,
    /// The file's name, fit for a message.
    file: String,
    variable: &'a dyn Fn(&str) -> Option<String>,
    clients: &'a [ClientFile],
    providers: &'a Providers,
    trail: Vec<String>,
}

fn misconfigured(message: impl Into<String>) -> Resolution {
    Resolution::Misconfigured(message.into())
}

impl Resolver<'_> {
    fn request(&mut self) -> Result<Request, Resolution> {
        let named = self.named_row();
        let grant = self.grant(named.as_deref())?;
        let (target, row) = self.target(named, grant)?;
        let client = self.client(&row, grant)?;
        if client.id.is_none() && row.basic != Basic::SecretAsUser {
            return Err(misconfigured(self.no_client(&row, grant, "client_id")));
        }
        if grant == GrantType::ClientCredentials
            && client.secret.is_none()
            && self.hints.private_key.is_none()
        {
            return Err(misconfigured(self.no_client(&row, grant, "client_secret")));
        }
        let method = self.method(&row, grant, &client, &target)?;
        let parameters = self.parameters(&row, grant, &client)?;
        let values = self.values(&row, client.id.as_deref());
        let sign_in = row.sign_in.as_deref().and_then(|page| template::fill(page, &values).ok());
        Ok(Request {
            file: self.file.clone(),
            target,
            grant,
            method,
            client_id: client.id,
            client_secret: client.secret,
            key: self
                .hints
                .private_key
                .clone()
                .map(|pem| SigningKey { pem, id: self.hints.private_key_id.clone() }),
            parameters,
            sign_in,
            row,
        })
    }

    fn say(&mut self, line: impl Into<String>) {
        self.trail.push(line.into());
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).as_deref().and_then(filled).map(str::to_owned)
    }

    /// The provider's name in the file without the suffix for an application's own tokens.
    fn provider_name(&self) -> Option<&str> {
        text(self.hints.provider.as_ref()).map(|name| name.strip_suffix("_m2m").unwrap_or(name))
    }

    fn named_row(&mut self) -> Option<Arc<Row>> {
        // The Python service keeps the ingress token's provider in the environment.
        let ingress =
            || (self.hints.file == "ingress.json").then(|| self.variable("AUTH_PROVIDER")).flatten();
        let (name, whence) = match self.provider_name() {
            Some(name) => (name.to_owned(), "the file's provider"),
            None => (ingress()?, "AUTH_PROVIDER"),
        };
        let row = self.providers.named(&name).cloned();
        let found = if row.is_some() { "is in the table" } else { "is not in the table" };
        self.say(format!("{whence} {name:?} {found}"));
        row
    }

    /// An application's own token is asked for anew, a person's needs their refresh token: it is
    /// never replaced by an application's, whatever credentials there are.
    fn grant(&mut self, row: Option<&Row>) -> Result<GrantType, Resolution> {
        let hints = self.hints;
        if row.is_some_and(|row| row.refreshable == Some(false)) {
            let title = row.map_or("the provider", |row| &row.title);
            return Err(Resolution::Monitored(format!(
                "{title} has no refresh: its tokens stay until revoked"
            )));
        }
        let said = text(hints.grant_type.as_ref());
        let credentials = GrantType::ClientCredentials.name();
        let machine = match said {
            Some(name) if name == credentials => Some("the file's grant_type"),
            // Any other grant that is said is a person's.
            _ if said.is_some() || hints.has_refresh_token => None,
            _ if text(hints.auth_method.as_ref()) == Some(credentials) => {
                Some("the file's metadata.auth_method")
            }
            _ if text(hints.provider.as_ref()).is_some_and(|name| name.ends_with("_m2m")) => {
                Some("provider ends in _m2m")
            }
            _ if row.is_some_and(|row| row.machine) => Some("the provider has applications' tokens only"),
            _ if hints.file == "ingress.json" || hints.file.ends_with("-m2m-token.json") => {
                Some("the file's name")
            }
            _ => None,
        };
        if let Some(why) = machine {
            self.say(format!("grant client_credentials: {why}"));
            return Ok(GrantType::ClientCredentials);
        }
        if hints.has_refresh_token {
            self.say("grant refresh_token: the file has one");
            return Ok(GrantType::RefreshToken);
        }
        Err(Resolution::Monitored("it is a person's token and has no refresh token".to_owned()))
    }

    /// `scope` only where an application asks for its own token: in a token file it is what was
    /// granted, and a refresh without it keeps that (RFC 6749 6).
    fn parameters(
        &self,
        row: &Row,
        grant: GrantType,
        client: &Client,
    ) -> Result<Vec<(String, String)>, Resolution> {
        let hints = self.hints;
        let mut parameters = vec![("grant_type".to_owned(), grant.name().to_owned())];
        let mut set = |name: &str, value: String| match parameters.iter_mut().find(|(known, _)| known == name)
        {
            Some((_, known)) => *known = value,
            None => parameters.push((name.to_owned(), value)),
        };
        let scope = text(hints.scope.as_ref()).or(client.scope.as_deref());
        for (name, value) in [
            ("scope", scope.filter(|_| grant == GrantType::ClientCredentials)),
            ("audience", text(hints.audience.as_ref())),
            ("resource", text(hints.resource.as_ref())),
        ] {
            if let Some(value) = value {
                set(name, value.to_owned());
            }
        }
        let mut values = self.values(row, client.id.as_deref());
        values.scope = client.scope.as_deref();
        for (name, parameter) in row.parameters.of(grant) {
            match template::first(&parameter.from, &values) {
                Some(value) => set(name, value),
                None if parameter.required => {
                    let how = template::where_to_set(name, &parameter.from, &self.file);
                    return Err(misconfigured(format!("{} needs {name}: {how}", row.title)));
                }
                None => {}
            }
        }
        if let Some(separator) = &row.scope_separator {
            for (_, value) in parameters.iter_mut().filter(|(name, _)| name == "scope") {
                *value = value.split_whitespace().collect::<Vec<_>>().join(separator);
            }
        }
        Ok(parameters)
    }

    fn values<'v>(&'v self, row: &'v Row, client_id: Option<&'v str>) -> Known<'v> {
        Known { resolver: self, row, client_id, scope: None, client_file: self.client_file() }
    }
}

/// Where a row's variables are looked up.
struct Known<'a> {
    resolver: &'a Resolver<'a>,
    row: &'a Row,
    client_id: Option<&'a str>,
    /// The scope that came with the client.
    scope: Option<&'a str>,
    client_file: Option<&'a ClientFile>,
}

impl Values for Known<'_> {
    fn member(&self, name: &str) -> Option<String> {
        let beside = || match name {
            "client_id" => self.client_id,
            "scope" => self.scope,
            _ => self.client_file?.members.get(name).map(String::as_str),
        };
        self.resolver.hints.member(name).or_else(beside).map(str::to_owned)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.resolver.variable(name)
    }

    fn sources(&self, name: &str) -> Option<&[Source]> {
        self.row.variables.get(name).map(Vec::as_slice)
    }
}

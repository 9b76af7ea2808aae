//! The input of every step of the resolution, and the trail of their decisions.

use std::fmt;

use crate::oauth::config::{ClientFile, CredentialConfig, filled};
use crate::oauth::provider::Provider;
use crate::oauth::providers::Providers;
use crate::oauth::request::TokenRequest;
use crate::oauth::template::{TemplateValues, ValueSource};
use crate::settings::Environment;

/// How a credential can be refreshed, or why not.
pub(crate) enum Resolution {
    /// The credential can be refreshed, with this request.
    Refresh(Box<TokenRequest>),
    /// No request could refresh the credential, for this reason: it is watched until it ends.
    Monitored(String),
    /// The credential could be refreshed if this setting were present or right.
    Misconfigured(String),
}

/// Takes the rules that decided, in their order.
pub(crate) type RuleTrail<'a> = &'a dyn Fn(fmt::Arguments<'_>);

pub(super) struct Resolver<'a> {
    pub config: &'a CredentialConfig,
    /// The file's name, fit for a message.
    pub file: String,
    pub environment: &'a Environment,
    pub clients: &'a [ClientFile],
    pub providers: &'a Providers,
    pub trail: RuleTrail<'a>,
}

pub(super) fn misconfigured(message: impl Into<String>) -> Resolution {
    Resolution::Misconfigured(message.into())
}

impl Resolver<'_> {
    /// Tells which rule decided what.
    pub(super) fn say(&self, line: fmt::Arguments<'_>) {
        (self.trail)(line);
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).as_deref().and_then(filled).map(str::to_owned)
    }

    /// The provider's name in the file, without the suffix for an application's own tokens.
    pub(super) fn provider_name(&self) -> Option<&str> {
        self.config.member("provider").map(|name| name.strip_suffix("_m2m").unwrap_or(name))
    }

    pub(super) fn client_file(&self) -> Option<&ClientFile> {
        let id = self.config.client_id()?;
        self.clients
            .iter()
            .find(|file| file.client_id.trim() == id && !file.client_secret.expose().is_empty())
    }

    pub(super) fn values<'v>(&'v self, row: &'v Provider, client_id: Option<&'v str>) -> ProviderValues<'v> {
        ProviderValues { resolver: self, row, client_id, scope: None, client_file: self.client_file() }
    }
}

/// The values for a row's variables.
pub(super) struct ProviderValues<'a> {
    pub resolver: &'a Resolver<'a>,
    pub row: &'a Provider,
    pub client_id: Option<&'a str>,
    /// The scope that came with the client.
    pub scope: Option<&'a str>,
    pub client_file: Option<&'a ClientFile>,
}

impl TemplateValues for ProviderValues<'_> {
    fn member(&self, name: &str) -> Option<String> {
        let beside = || match name {
            "client_id" => self.client_id,
            "scope" => self.scope,
            _ => self.client_file?.members.get(name).map(String::as_str),
        };
        self.resolver.config.member(name).or_else(beside).map(str::to_owned)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.resolver.variable(name)
    }

    fn sources(&self, name: &str) -> Option<&[ValueSource]> {
        self.row.sources(name)
    }
}

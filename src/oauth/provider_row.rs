//! A provider's row for the sign-in.

use std::sync::Arc;
use std::time::Duration;

use super::endpoint::EndpointUrl;
use super::login::LoginRules;
use super::outcome::GrantType;
use super::provider::Provider;
use super::providers::Providers;
use super::request::bound_endpoint;

/// A provider's row for the sign-in. Without facts where the provider is not in the table.
#[derive(Clone)]
pub(crate) struct ProviderRow(pub(super) Arc<Provider>);

impl ProviderRow {
    /// The provider's name in the table; empty where the table lacks the provider.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// The name of the provider for people.
    pub(crate) fn title(&self) -> &str {
        &self.0.title
    }

    /// How a person signs in at the provider.
    pub(crate) fn login(&self) -> &LoginRules {
        self.0.login.get()
    }

    /// The text that a secret for the token endpoint of this row and origin is sealed for.
    pub(crate) fn bound_endpoint(&self, grant: GrantType, origin: &str) -> String {
        bound_endpoint(Some(&self.0.name), grant, origin)
    }

    /// The separator of scopes in a request.
    pub(crate) fn scope_separator(&self) -> &str {
        self.0.scope_separator.as_deref().unwrap_or(" ")
    }

    /// The usual lifetime of an access token.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.0.lifetime
    }
}

impl Providers {
    /// The row of that name or alias.
    pub(crate) fn row_named(&self, name: &str) -> Option<ProviderRow> {
        self.named(name).cloned().map(ProviderRow)
    }

    /// The row of the provider that has this endpoint, or a row that only knows the host.
    pub(crate) fn row_at(&self, endpoint: &EndpointUrl) -> ProviderRow {
        let unknown = || Arc::new(Provider { title: endpoint.host.clone(), ..Provider::default() });
        ProviderRow(self.at(endpoint).cloned().unwrap_or_else(unknown))
    }
}

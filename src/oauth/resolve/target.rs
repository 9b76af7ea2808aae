//! The token endpoint of a file: its own, its members', the table's, or the one in the issuer's metadata.

use std::sync::Arc;

use super::context::{Resolution, Resolver, misconfigured};
use crate::oauth::endpoint::EndpointUrl;
use crate::oauth::outcome::GrantType;
use crate::oauth::provider::Provider;
use crate::oauth::request::TokenEndpoint;
use crate::oauth::template::{self, Unset};

/// A row whose template has a variable without a value.
struct MissingVariable {
    row: Arc<Provider>,
    variable: String,
}

impl Resolver<'_> {
    /// The token endpoint, and the row with the provider's rules.
    pub(super) fn target(
        &self,
        named: Option<Arc<Provider>>,
        grant: GrantType,
    ) -> Result<(TokenEndpoint, Arc<Provider>), Resolution> {
        let config = self.config;
        if let Some(url) = config.member("token_endpoint") {
            let endpoint = self.checked(url, "token_endpoint")?;
            self.say(format_args!("endpoint {}: the file's token_endpoint", endpoint.shown));
            let row = self.row_at(named, &endpoint);
            return Ok(self.with_variant(endpoint, row));
        }
        let recognised = self.providers.recognised(config).cloned();
        let candidates = [(recognised, "the file's members"), (named.clone(), "the table")];
        let mut missing = None;
        for (row, whence) in candidates {
            let Some(row) = row else { continue };
            match self.in_table(&row, grant) {
                None => {}
                Some(Ok(url)) => {
                    let endpoint = self.checked(&url, &format!("endpoint of {}", row.name))?;
                    self.say(format_args!("endpoint {}: {whence}, row {}", endpoint.shown, row.name));
                    return Ok(self.with_variant(endpoint, row));
                }
                Some(Err(Unset(variable))) => missing = missing.or(Some(MissingVariable { row, variable })),
            }
        }
        if let Some(url) = config.member("issuer") {
            let issuer = self.checked(url, "issuer")?;
            self.say(format_args!("endpoint: from the metadata of issuer {}", issuer.shown));
            let row = self.row_at(named, &issuer);
            return Ok((TokenEndpoint::FromIssuer(issuer), row));
        }
        if missing.is_none()
            && let Some(row) = self.row_of_file_name()
        {
            match self.by_file_name(row, grant) {
                Ok(found) => return Ok(found),
                Err(lacking) => missing = lacking,
            }
        }
        if let Some(found) = self.by_claims(grant) {
            return Ok(found);
        }
        Err(misconfigured(self.no_endpoint(named.as_deref(), missing.as_ref())))
    }

    fn checked(&self, url: &str, what: &str) -> Result<EndpointUrl, Resolution> {
        EndpointUrl::parse(url).map_err(|error| misconfigured(format!("{what} in {}: {error}", self.file)))
    }

    /// The row of the file's provider, or of the provider at that endpoint, or a row without facts.
    fn row_at(&self, named: Option<Arc<Provider>>, endpoint: &EndpointUrl) -> Arc<Provider> {
        let unknown = || {
            let name = self.provider_name().unwrap_or(&endpoint.host).to_owned();
            Arc::new(Provider { title: name.clone(), name, ..Provider::default() })
        };
        named.or_else(|| self.providers.at(endpoint).cloned()).unwrap_or_else(unknown)
    }

    fn in_table(&self, row: &Provider, grant: GrantType) -> Option<Result<String, Unset>> {
        let template = row.token_endpoint.of(grant)?;
        Some(template::fill(template, &self.values(row, self.config.client_id())))
    }

    /// The built-in row that made the address of `target`, and the file's or variable's values in it.
    pub(super) fn made_by(
        &self,
        target: &TokenEndpoint,
        row: &Provider,
        grant: GrantType,
        client_id: Option<&str>,
    ) -> Option<String> {
        let named_by_file = self.config.member("token_endpoint").is_some();
        if named_by_file || !row.built_in || matches!(target, TokenEndpoint::FromIssuer(_)) {
            return None;
        }
        let grant = if row.variant_of.is_some() { GrantType::ClientCredentials } else { grant };
        let given = template::given(row.token_endpoint.of(grant)?, &self.values(row, client_id));
        Some(std::iter::once(row.name.clone()).chain(given).collect::<Vec<_>>().join(" "))
    }

    /// The row whose name begins the name of a file without a `provider`.
    pub(super) fn row_of_file_name(&self) -> Option<Arc<Provider>> {
        if self.config.member("provider").is_some() {
            return None;
        }
        let stem = self.config.file.strip_suffix("-egress.json")?;
        self.providers.named(self.providers.longest_name_prefix(stem)?).cloned()
    }

    /// The endpoint for a file `{provider}-{server}-egress.json` without a `provider` member, as the service's
    /// documentation shows such files.
    fn by_file_name(
        &self,
        row: Arc<Provider>,
        grant: GrantType,
    ) -> Result<(TokenEndpoint, Arc<Provider>), Option<MissingVariable>> {
        let url = match self.in_table(&row, grant) {
            None => return Err(None),
            Some(Err(Unset(variable))) => return Err(Some(MissingVariable { row, variable })),
            Some(Ok(url)) => url,
        };
        let endpoint = EndpointUrl::parse(&url).map_err(|_| None)?;
        self.say(format_args!(
            "endpoint {}: the table, row {} after the file's name",
            endpoint.shown, row.name
        ));
        Ok(self.with_variant(endpoint, row))
    }

    /// The endpoint of the issuer that the access token names. Only where the file names no origin and the table knows
    /// the issuer's host: device sign-ins of Entra, raw answers of Okta and Auth0.
    fn by_claims(&self, grant: GrantType) -> Option<(TokenEndpoint, Arc<Provider>)> {
        let config = self.config;
        let issuer = config.member("token.iss").filter(|_| !config.names_origin())?;
        let issuer = EndpointUrl::parse(issuer).ok().filter(|issuer| issuer.secure)?;
        let row = self.providers.at(&issuer)?.clone();
        self.say(format_args!("row {}: the access token's issuer {}", row.name, issuer.shown));
        // Entra's tenant is a claim too; the others' servers are found by their metadata.
        let made = self.in_table(&row, grant).filter(|_| config.member("token.tid").is_some());
        Some(match made.and_then(|url| EndpointUrl::parse(&url.ok()?).ok()) {
            Some(endpoint) => self.with_variant(endpoint, row),
            None => (TokenEndpoint::FromIssuer(issuer), row),
        })
    }

    fn with_variant(&self, endpoint: EndpointUrl, row: Arc<Provider>) -> (TokenEndpoint, Arc<Provider>) {
        let Some(variant) = self.providers.variant(&row, &endpoint).cloned() else {
            return (TokenEndpoint::Known(endpoint), row);
        };
        self.say(format_args!("row {} instead: the endpoint lies in its domain", variant.name));
        // The file's own endpoint stays. The variant's template replaces one from the table.
        let own = self.config.member("token_endpoint").is_some();
        let made = self.in_table(&variant, GrantType::ClientCredentials).filter(|_| !own);
        let endpoint = made.and_then(|url| EndpointUrl::parse(&url.ok()?).ok()).unwrap_or(endpoint);
        (TokenEndpoint::Known(endpoint), variant)
    }

    fn no_endpoint(&self, named: Option<&Provider>, missing: Option<&MissingVariable>) -> String {
        let file = &self.file;
        if let Some(MissingVariable { row, variable }) = missing {
            let sources = row.sources(variable).unwrap_or_default();
            let how = template::where_to_set(variable, sources, file);
            return format!("the address of {} is not complete: {how}", row.title);
        }
        match (self.provider_name(), named) {
            (Some(name), None) => {
                format!("unknown provider {name:?}: add token_endpoint to {file}, or a row to providers.json")
            }
            (Some(name), Some(_)) => {
                format!("no token endpoint is known for {name}: add token_endpoint or issuer to {file}")
            }
            (None, _) if self.config.file == "ingress.json" => match self.variable("AUTH_PROVIDER") {
                Some(name) => {
                    format!("AUTH_PROVIDER names the unknown provider {name:?}: add token_endpoint to {file}")
                }
                None => format!(
                    "no token endpoint is known: add token_endpoint, issuer or provider to {file}, or set AUTH_PROVIDER"
                ),
            },
            (None, _) => {
                format!("no token endpoint is known: add token_endpoint, issuer or provider to {file}")
            }
        }
    }
}

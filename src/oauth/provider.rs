//! One provider as data: every fact that differs from provider to provider.
//!
//! The general code reads a row and never compares a provider's name. So another provider needs a row in the user's
//! `providers.json`, and no new release. Where a row is silent, RFC 6749 holds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::login::LoginRules;
use super::outcome::{Class, GrantType};
use super::row_part::RowPart;
use super::template::ValueSource;

/// A provider's row.
#[derive(Clone, Default)]
pub(super) struct Provider {
    /// The row's key in the table.
    pub name: String,
    /// Whether the row is the program's own, without a key of the user's.
    pub built_in: bool,
    /// The name of the provider for people.
    pub title: String,
    /// Other names that token files use for the provider.
    pub aliases: Vec<String>,
    /// The hosts of the token endpoints, or their domains. A file with only an endpoint is recognised by its host.
    pub hosts: Vec<String>,
    /// The row that this row replaces for an endpoint in one of `hosts`.
    pub variant_of: Option<String>,
    /// Members that identify a file as this provider's if all are present.
    pub recognised_by: Vec<String>,
    /// The token endpoint, with `{variables}`.
    pub token_endpoint: EndpointTemplates,
    /// The sources of each variable's value, first match wins.
    pub variables: Vec<(String, Vec<ValueSource>)>,
    /// Accepted client authentication, in order of preference.
    pub client_authentication: Vec<ClientAuthMethod>,
    /// The encoding of the header for `client_secret_basic`.
    pub basic_encoding: BasicEncoding,
    /// Whether `client_secret_basic` sends the client id in the form too.
    pub client_id_in_form: bool,
    /// The encoding of the parameters.
    pub body: BodyFormat,
    /// Headers beside the general ones.
    pub headers: BTreeMap<String, String>,
    /// Parameters beside the general ones.
    pub parameters: ByGrant<Vec<(String, Parameter)>>,
    /// The separator of scopes in a request, if it is not a blank.
    pub scope_separator: Option<String>,
    /// Whether an answer may bring a new refresh token.
    pub rotation: Rotation,
    /// How long after its first use a replaced refresh token may be sent again, if known.
    pub grace: Option<Duration>,
    /// The usual lifetime of an access token, for answers without one.
    pub lifetime: Option<Duration>,
    /// The places of the values in an answer.
    pub answer: RowPart<AnswerPaths>,
    /// The meaning of the errors.
    pub errors: RowPart<ErrorRules>,
    /// How a person signs in.
    pub login: RowPart<LoginRules>,
    /// The page where a person signs in, with `{variables}`.
    pub authorization_endpoint: Option<String>,
    /// Whether the provider's tokens are always an application's own.
    pub client_credentials_only: bool,
    /// `false` for a provider whose tokens neither expire nor can be refreshed.
    pub refreshable: Option<bool>,
    /// Variables of the environment with client credentials for an application's own tokens.
    pub environment: Vec<ClientSet>,
}

/// How an answer of a provider is read.
#[derive(Clone, Copy)]
pub(super) struct AnswerRules<'a> {
    pub paths: &'a AnswerPaths,
    pub errors: &'a ErrorRules,
}

impl Provider {
    pub(super) fn answer_rules(&self) -> AnswerRules<'_> {
        AnswerRules { paths: self.answer.get(), errors: self.errors.get() }
    }

    /// The sources of a variable's value; `None` for the member of that name.
    pub(super) fn sources(&self, variable: &str) -> Option<&[ValueSource]> {
        self.variables.iter().find(|(name, _)| name == variable).map(|(_, sources)| sources.as_slice())
    }
}

/// How a client proves its identity; the names are those of RFC 7591.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAuthMethod {
    /// In the Authorization header (RFC 6749 2.3.1).
    ClientSecretBasic,
    /// In the body.
    ClientSecretPost,
    /// Only the client id: a public client.
    None,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

impl ClientAuthMethod {
    /// Whether a client with such credentials uses this method.
    pub(super) const fn fits(self, has_secret: bool, has_key: bool) -> bool {
        match self {
            Self::ClientSecretBasic | Self::ClientSecretPost => has_secret,
            Self::PrivateKeyJwt => has_key && !has_secret,
            Self::None => !has_secret && !has_key,
        }
    }

    /// The RFC 7591 name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method of that name, if this program supports it.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::ClientSecretBasic, Self::ClientSecretPost, Self::None, Self::PrivateKeyJwt]
            .into_iter()
            .find(|method| method.name() == name)
    }
}

/// The text of a Basic header before base64.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BasicEncoding {
    /// Id and secret, percent-encoded (RFC 6749 2.3.1).
    #[default]
    Form,
    /// Id and secret as they are, for servers that do not decode.
    Raw,
    /// The secret as user name and an empty password; the id is not sent.
    SecretAsUser,
}

/// The encoding of the parameters.
#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BodyFormat {
    /// `application/x-www-form-urlencoded`, as RFC 6749 says.
    #[default]
    Form,
    /// A JSON object of strings.
    Json,
}

/// Whether an answer brings a new refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rotation {
    /// With every answer.
    Always,
    /// Depending on the provider's settings; also assumed where nothing is known.
    #[default]
    Optional,
    /// Never: the same request may be sent again at any time.
    Never,
}

/// A value for each grant.
#[derive(Clone, Default)]
pub(super) struct ByGrant<T: Default> {
    pub refresh_token: T,
    pub client_credentials: T,
}

impl<T: Default> ByGrant<T> {
    pub(super) const fn of(&self, grant: GrantType) -> &T {
        match grant {
            GrantType::RefreshToken => &self.refresh_token,
            GrantType::ClientCredentials => &self.client_credentials,
        }
    }
}

/// One endpoint for all grants, or one for each.
#[derive(Clone)]
pub(super) enum EndpointTemplates {
    /// For both grants.
    One(String),
    /// A template for each grant; the provider does not support a grant without one.
    Each(ByGrant<Option<String>>),
}

impl Default for EndpointTemplates {
    fn default() -> Self {
        Self::Each(ByGrant::default())
    }
}

impl EndpointTemplates {
    pub(super) fn of(&self, grant: GrantType) -> Option<&str> {
        match self {
            Self::One(template) => Some(template),
            Self::Each(each) => each.of(grant).as_deref(),
        }
    }
}

/// A request parameter.
#[derive(Clone)]
pub(super) struct Parameter {
    /// The sources of the value, first match wins.
    pub from: Vec<ValueSource>,
    /// Whether the request is pointless without the parameter.
    pub required: bool,
}

/// Dotted paths, of which the first present one counts.
pub(super) type Paths = Cow<'static, [Cow<'static, str>]>;

/// The places of the values in an answer.
#[derive(Clone)]
pub(super) struct AnswerPaths {
    pub access_token: Paths,
    pub refresh_token: Paths,
    pub expires_in: Paths,
    pub expires_at: Paths,
    pub refresh_expires_in: Paths,
    /// A member that is `false` in a failure, whatever the status.
    pub success: Cow<'static, str>,
    /// Members that the token file keeps.
    pub keep: Vec<String>,
}

impl Default for AnswerPaths {
    fn default() -> Self {
        const ACCESS_TOKEN: &[Cow<'static, str>] = &[Cow::Borrowed("access_token")];
        const REFRESH_TOKEN: &[Cow<'static, str>] = &[Cow::Borrowed("refresh_token")];
        const EXPIRES_IN: &[Cow<'static, str>] = &[Cow::Borrowed("expires_in")];
        // Azure's older endpoints send the second one.
        const EXPIRES_AT: &[Cow<'static, str>] = &[Cow::Borrowed("expires_at"), Cow::Borrowed("expires_on")];
        // Keycloak's name, GitHub's and LinkedIn's, Intuit's.
        const REFRESH_EXPIRES_IN: &[Cow<'static, str>] = &[
            Cow::Borrowed("refresh_expires_in"),
            Cow::Borrowed("refresh_token_expires_in"),
            Cow::Borrowed("x_refresh_token_expires_in"),
        ];
        Self {
            access_token: Cow::Borrowed(ACCESS_TOKEN),
            refresh_token: Cow::Borrowed(REFRESH_TOKEN),
            expires_in: Cow::Borrowed(EXPIRES_IN),
            expires_at: Cow::Borrowed(EXPIRES_AT),
            refresh_expires_in: Cow::Borrowed(REFRESH_EXPIRES_IN),
            success: Cow::Borrowed("ok"),
            keep: Vec::new(),
        }
    }
}

/// The meaning of errors, beyond RFC 6749.
#[derive(Clone, Default)]
pub(super) struct ErrorRules {
    /// Members that may hold the code, `error` where empty.
    pub code: Vec<String>,
    pub sign_in_again: Vec<String>,
    pub configuration: Vec<String>,
    pub passing: Vec<String>,
    /// Applied first, before the status.
    pub rules: Vec<ErrorRule>,
}

/// A class for one error in one situation; all conditions must hold.
#[derive(Clone)]
pub(super) struct ErrorRule {
    /// The status codes of the rule; none for any.
    pub status: Vec<u16>,
    /// The error code; none for any.
    pub code: Option<String>,
    /// A text that must occur in `field`.
    pub contains: Option<String>,
    /// The member in which `contains` is looked for; `error_description` where absent.
    pub field: Option<String>,
    /// The class of such an error.
    pub class: Class,
}

/// Names of variables that hold client credentials; `#` is a number from 1 to 100.
#[derive(Clone)]
pub(super) struct ClientSet {
    pub client_id: String,
    pub client_secret: String,
    /// The scope to request.
    pub scope: Option<String>,
    /// The provider of the client.
    pub provider: Option<String>,
    /// The MCP server of the client.
    pub server: Option<String>,
}

//! Reads a provider's row from its JSON object.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value};

use super::login::{LoginRules, Redirect};
use super::outcome::Class;
use super::provider::{
    AnswerPaths, BasicEncoding, BodyFormat, ByGrant, ClientAuthMethod, ClientSet, EndpointTemplates,
    ErrorRule, ErrorRules, Parameter, Paths, Provider, Rotation,
};
use super::row_object::{RowMistake, RowObject, RowValue, plain};
use super::row_part::PartOfRow;
use super::template::ValueSource;

/// The keys that a built-in row does not read with the others. Each but the notes is a part that is read when it is
/// needed.
pub(super) const READ_LATER: [&str; 4] = [LoginRules::KEY, AnswerPaths::KEY, ErrorRules::KEY, "notes"];

/// Reads all keys of a row. The row's name is not among them.
pub(super) fn read_row(object: Map<String, Value>) -> Result<Provider, RowMistake> {
    let (mut row, mut from) = (Provider::default(), RowObject::new(object));
    from.read("title", &mut row.title)?;
    from.read("aliases", &mut row.aliases)?;
    from.read("hosts", &mut row.hosts)?;
    // The keys of that row are in the object already.
    from.check::<String>("like")?;
    from.read("variant_of", &mut row.variant_of)?;
    from.read("recognised_by", &mut row.recognised_by)?;
    from.read("token_endpoint", &mut row.token_endpoint)?;
    from.read("variables", &mut row.variables)?;
    from.read("client_authentication", &mut row.client_authentication)?;
    from.read("basic_encoding", &mut row.basic_encoding)?;
    from.read("client_id_in_form", &mut row.client_id_in_form)?;
    from.read("body", &mut row.body)?;
    from.read("headers", &mut row.headers)?;
    from.read("parameters", &mut row.parameters)?;
    from.read("scope_separator", &mut row.scope_separator)?;
    from.read("rotation", &mut row.rotation)?;
    from.read("grace_seconds", &mut row.grace)?;
    from.read("lifetime_seconds", &mut row.lifetime)?;
    from.read(AnswerPaths::KEY, &mut row.answer)?;
    from.read(ErrorRules::KEY, &mut row.errors)?;
    from.read(LoginRules::KEY, &mut row.login)?;
    from.read("authorization_endpoint", &mut row.authorization_endpoint)?;
    from.read("client_credentials_only", &mut row.client_credentials_only)?;
    from.read("refreshable", &mut row.refreshable)?;
    from.read("environment", &mut row.environment)?;
    from.check::<Vec<String>>("notes")?;
    from.end()?;
    Ok(row)
}

/// Values that are one of a few words, or a number.
macro_rules! plain {
    ($($kind:ty),+) => {
        $(impl RowValue for $kind {
            fn read(value: Value) -> Result<Self, RowMistake> {
                plain(value)
            }
        })+
    };
}

plain!(BasicEncoding, BodyFormat, Class, ClientAuthMethod, Redirect, Rotation, u16);

/// A number of seconds.
impl RowValue for Duration {
    fn read(value: Value) -> Result<Self, RowMistake> {
        plain::<u32>(value).map(|seconds| Self::from_secs(u64::from(seconds)))
    }
}

impl RowValue for ValueSource {
    fn read(value: Value) -> Result<Self, RowMistake> {
        Self::parse(&String::read(value)?).map_err(RowMistake::new)
    }
}

impl<T: RowValue + Default> RowValue for ByGrant<T> {
    fn read(value: Value) -> Result<Self, RowMistake> {
        let (mut each, mut from) = (Self::default(), RowObject::of(value)?);
        from.read("refresh_token", &mut each.refresh_token)?;
        from.read("client_credentials", &mut each.client_credentials)?;
        from.end()?;
        Ok(each)
    }
}

impl RowValue for EndpointTemplates {
    fn read(value: Value) -> Result<Self, RowMistake> {
        match value {
            Value::String(template) => Ok(Self::One(template)),
            Value::Object(_) => ByGrant::read(value).map(Self::Each),
            _ => Err(RowMistake::new("expected a URL template, or an object with one for each grant")),
        }
    }
}

impl RowValue for Parameter {
    fn read(value: Value) -> Result<Self, RowMistake> {
        let mut from = RowObject::of(value)?;
        let mut parameter = Self { from: from.required("from")?, required: false };
        from.read("required", &mut parameter.required)?;
        from.end()?;
        Ok(parameter)
    }
}

impl RowValue for Cow<'static, str> {
    fn read(value: Value) -> Result<Self, RowMistake> {
        String::read(value).map(Self::Owned)
    }
}

impl RowValue for Paths {
    fn read(value: Value) -> Result<Self, RowMistake> {
        Vec::read(value).map(Self::Owned)
    }
}

impl PartOfRow for AnswerPaths {
    const KEY: &str = "answer";
}

impl RowValue for AnswerPaths {
    fn read(value: Value) -> Result<Self, RowMistake> {
        let (mut paths, mut from) = (Self::default(), RowObject::of(value)?);
        from.read("access_token", &mut paths.access_token)?;
        from.read("refresh_token", &mut paths.refresh_token)?;
        from.read("expires_in", &mut paths.expires_in)?;
        from.read("expires_at", &mut paths.expires_at)?;
        from.read("refresh_expires_in", &mut paths.refresh_expires_in)?;
        from.read("success", &mut paths.success)?;
        from.read("keep", &mut paths.keep)?;
        from.end()?;
        Ok(paths)
    }
}

impl PartOfRow for ErrorRules {
    const KEY: &str = "errors";
}

impl RowValue for ErrorRules {
    fn read(value: Value) -> Result<Self, RowMistake> {
        let (mut rules, mut from) = (Self::default(), RowObject::of(value)?);
        from.read("code", &mut rules.code)?;
        from.read("sign_in_again", &mut rules.sign_in_again)?;
        from.read("configuration", &mut rules.configuration)?;
        from.read("passing", &mut rules.passing)?;
        from.read("rules", &mut rules.rules)?;
        from.end()?;
        Ok(rules)
    }
}

impl RowValue for ErrorRule {
    fn read(value: Value) -> Result<Self, RowMistake> {
        let mut from = RowObject::of(value)?;
        let class = from.required("class")?;
        let mut rule = Self { status: Vec::new(), code: None, contains: None, field: None, class };
        from.read("status", &mut rule.status)?;
        from.read("code", &mut rule.code)?;
        from.read("contains", &mut rule.contains)?;
        from.read("field", &mut rule.field)?;
        from.end()?;
        Ok(rule)
    }
}

impl RowValue for ClientSet {
    fn read(value: Value) -> Result<Self, RowMistake> {
        let mut from = RowObject::of(value)?;
        let (client_id, client_secret) = (from.required("client_id")?, from.required("client_secret")?);
        let mut set = Self { client_id, client_secret, scope: None, provider: None, server: None };
        from.read("scope", &mut set.scope)?;
        from.read("provider", &mut set.provider)?;
        from.read("server", &mut set.server)?;
        from.end()?;
        Ok(set)
    }
}

impl PartOfRow for LoginRules {
    const KEY: &str = "login";
}

impl RowValue for LoginRules {
    fn read(value: Value) -> Result<Self, RowMistake> {
        let (mut rules, mut from) = (Self::default(), RowObject::of(value)?);
        from.read("issuer", &mut rules.issuer)?;
        from.read("device_authorization_endpoint", &mut rules.device_authorization_endpoint)?;
        from.read("revocation_endpoint", &mut rules.revocation_endpoint)?;
        from.read("redirect", &mut rules.redirect)?;
        from.read("no_pkce", &mut rules.no_pkce)?;
        from.read("refresh_scope", &mut rules.refresh_scope)?;
        from.read("scope_parameter", &mut rules.scope_parameter)?;
        from.read("parameters", &mut rules.parameters)?;
        from.read("secret_required", &mut rules.secret_required)?;
        from.read("before", &mut rules.before)?;
        from.read("instead", &mut rules.instead)?;
        from.read("unverified", &mut rules.unverified)?;
        from.check::<Vec<String>>("sources")?;
        from.end()?;
        Ok(rules)
    }
}

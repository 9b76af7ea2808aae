//! The table of providers: the built-in rows and the user's.
//!
//! The data is in `providers.json` beside this file, and `built_in` cuts it into rows. A user's `providers.json` has
//! the same form. Its keys replace those of a built-in row of the same name, and new names make new rows.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::built_in::{BUILT_IN, ROWS};
use super::config::CredentialConfig;
use super::endpoint::EndpointUrl;
use super::outcome::GrantType;
use super::provider::Provider;
use super::row::{Row, provider};
use super::row_text::{Objects, Pairs, merged};
use super::template::{self, TemplateValues, ValueSource};

/// The values for a row's variables that the row itself has.
struct RowAlone<'a>(&'a Provider);

impl TemplateValues for RowAlone<'_> {
    fn member(&self, _: &str) -> Option<String> {
        None
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn sources(&self, name: &str) -> Option<&[ValueSource]> {
        self.0.sources(name)
    }
}

/// Every known provider.
#[derive(Default)]
pub(crate) struct Providers {
    rows: Vec<Row>,
    /// The rows of [`Self::overridden`].
    overridden: Vec<String>,
}

impl Providers {
    /// The built-in table. No row is read yet.
    pub(crate) fn builtin() -> Self {
        Self { rows: ROWS.iter().map(Row::unread).collect(), overridden: Vec::new() }
    }

    /// The built-in table and the text of a user's `providers.json`. Every row of the user is read, so that a mistake
    /// is reported at once.
    pub(crate) fn with_user_rows(text: &str) -> Result<Self, String> {
        let mut objects = Objects::new();
        merge(&mut objects, BUILT_IN)?;
        let built_in = objects.clone();
        merge(&mut objects, text)?;
        let own = |name: &str| built_in.iter().find(|(known, _)| known == name).map(|(_, object)| object);
        let (mut rows, mut overridden) = (Vec::new(), Vec::new());
        for (name, object) in objects {
            let before = match own(&name) {
                Some(before) => Some(before),
                None => object.get("variant_of").and_then(Value::as_str).and_then(own),
            };
            let is_built_in = own(&name) == Some(&object);
            if !is_built_in && before.is_some_and(|before| endpoints(before) != endpoints(&object)) {
                overridden.push(name.escape_debug().to_string());
            }
            rows.push(Row::of(provider(name, object, is_built_in)?));
        }
        Ok(Self { rows, overridden })
    }

    /// The names of all rows.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(Row::name)
    }

    /// The row with that name or alias, in any case.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Provider>> {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        self.rows
            .iter()
            .find(|row| is(row.name()))
            .or_else(|| self.rows.iter().find(|row| row.aliases().any(is)))
            .map(Row::provider)
    }

    /// The row that the members of the file identify.
    pub(super) fn recognised(&self, config: &CredentialConfig) -> Option<&Arc<Provider>> {
        let has = |row: &Row| row.recognised_by().all(|name| config.member(name).is_some());
        self.rows.iter().find(|row| row.recognised_by().next().is_some() && has(row)).map(Row::provider)
    }

    /// Whether the built-in row `name` alone decides that its endpoint for this grant has this origin. No part of the
    /// origin may come from a file, a variable or a row of the user.
    pub(super) fn built_in_decides(name: &str, grant: GrantType, origin: &str) -> bool {
        static BUILT_IN_ROWS: LazyLock<Providers> = LazyLock::new(Providers::builtin);
        let decided = || {
            let row = BUILT_IN_ROWS.rows.iter().find(|row| row.name() == name)?.provider();
            let template = row.token_endpoint.of(grant)?;
            let of_origin = template.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
            EndpointUrl::parse(&template::fill(&of_origin, &RowAlone(row)).ok()?).ok()
        };
        decided().is_some_and(|url| url.origin() == origin)
    }

    /// The user's rows that send a built-in provider's secrets to another endpoint than the program's own row.
    pub(crate) fn overridden(&self) -> &[String] {
        &self.overridden
    }

    /// The row whose hosts include this endpoint's.
    pub(super) fn at(&self, endpoint: &EndpointUrl) -> Option<&Arc<Provider>> {
        let at = |row: &&Row| row.variant_of().is_none() && lies_in(row, endpoint);
        self.rows.iter().find(at).map(Row::provider)
    }

    /// The row that replaces `row` at that endpoint, if there is one.
    pub(super) fn variant(&self, row: &Provider, endpoint: &EndpointUrl) -> Option<&Arc<Provider>> {
        let of = |other: &Row| other.variant_of() == Some(&row.name);
        self.rows.iter().find(|other| of(other) && lies_in(other, endpoint)).map(Row::provider)
    }

    /// The longest provider name or alias with which `stem` begins: all of it, or up to a dash. For a file name like
    /// `{provider}-{server}`.
    pub(crate) fn longest_name_prefix(&self, stem: &str) -> Option<&str> {
        // The last byte before a dash tells most names apart without a comparison: a scan asks for each of many files.
        let ends = |length: usize| matches!(stem.as_bytes().get(length), None | Some(b'-'));
        let begins = |name: &str| ends(name.len()) && stem.starts_with(name);
        self.rows
            .iter()
            .flat_map(|row| std::iter::once(row.name()).chain(row.aliases()))
            .filter(|name| begins(name))
            .max_by_key(|name| name.len())
    }
}

fn lies_in(row: &Row, endpoint: &EndpointUrl) -> bool {
    row.hosts().any(|host| endpoint.lies_in(host))
}

/// Puts the rows of `text` on top of `objects`.
fn merge(objects: &mut Objects, text: &str) -> Result<(), String> {
    let table: Pairs<Pairs<Value>> =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| error.to_string())?;
    for (name, keys) in table.0 {
        let object = merged(objects, &name, keys)?;
        match objects.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = object,
            None => objects.push((name, object)),
        }
    }
    Ok(())
}

/// The keys that decide where the secrets of a row are sent.
fn endpoints(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let leads = |key: &str| key.ends_with("_endpoint") || ["variables", "issuer"].contains(&key);
    let login = object.get("login").and_then(Value::as_object).into_iter().flatten();
    object.iter().chain(login).filter(|(key, _)| leads(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_decides_where_no_file_has_a_say() {
        let grant = GrantType::RefreshToken;
        for (name, origin, expected) in [
            ("github", "https://github.com", true),
            ("github", "https://ghe.example", false),
            ("google", "https://oauth2.googleapis.com", true),
            ("microsoft", "https://login.microsoftonline.com", true),
            ("keycloak", "https://idp.example", false),
            ("auth0", "https://tenant.auth0.com", false),
            ("nobody", "https://idp.example", false),
        ] {
            assert_eq!(Providers::built_in_decides(name, grant, origin), expected, "{name} {origin}");
        }
    }
    use crate::oauth::GrantType;
    use crate::oauth::provider::Rotation;

    #[test]
    fn rows_that_lead_a_built_in_provider_elsewhere_are_named() {
        for (text, expected) in [
            (r#"{"acme": {"token_endpoint": "https://acme.example/t"}}"#, &[][..]),
            (r#"{"github": {"title": "Ours", "grace_seconds": 5}}"#, &[]),
            (r#"{"google": {"token_endpoint": "https://e.example/t"}}"#, &["google"]),
            (r#"{"github": {"variables": {"host": ["=e.example"]}}}"#, &["github"]),
            (r#"{"google": {"login": {"issuer": "https://e.example"}}}"#, &["google"]),
            (r#"{"x": {"variant_of": "github", "token_endpoint": "https://e.example/t"}}"#, &["x"]),
        ] {
            let providers = Providers::with_user_rows(text).unwrap();
            assert_eq!(providers.overridden(), expected, "{text}");
        }
        assert!(Providers::builtin().overridden().is_empty());
    }

    #[test]
    fn the_built_in_table_loads() {
        let providers = Providers::builtin();
        // 33 providers and AgentCore's second form.
        assert_eq!(providers.rows.len(), 34);
        let mut objects = Objects::new();
        merge(&mut objects, BUILT_IN).unwrap();
        for (row, (name, object)) in ROWS.iter().zip(objects) {
            assert_eq!(row.name, name);
            assert_eq!(row.object(&|_| true).unwrap(), object, "as if all were read at once");
            let whole = provider(name, object, true).unwrap();
            let later = Row::unread(row);
            let (later, rules) = (later.provider(), whole.answer_rules());
            assert_eq!(later.answer_rules().errors.sign_in_again, rules.errors.sign_in_again, "{}", row.name);
            assert_eq!(later.answer_rules().paths.access_token, rules.paths.access_token, "{}", row.name);
            assert_eq!(later.login.get().instead, whole.login.get().instead, "{}", row.name);
        }
    }

    #[test]
    fn names_and_hosts_are_unambiguous() {
        let providers = Providers::builtin();
        for row in providers.rows.iter().map(Row::provider) {
            for name in std::iter::once(&row.name).chain(&row.aliases) {
                assert_eq!(providers.named(name).unwrap().name, row.name);
            }
            for host in row.hosts.iter().filter(|_| row.variant_of.is_none()) {
                let endpoint = EndpointUrl::parse(&format!("https://{host}/token")).unwrap();
                assert_eq!(providers.at(&endpoint).unwrap().name, row.name, "{host}");
            }
        }
    }

    #[test]
    fn every_row_says_what_a_request_needs() {
        for row in Providers::builtin().rows.iter().map(Row::provider) {
            assert!(!row.title.is_empty() && !row.client_authentication.is_empty(), "{}", row.name);
            for grant in [GrantType::RefreshToken, GrantType::ClientCredentials] {
                if let Some(template) = row.token_endpoint.of(grant) {
                    let fixed = template.starts_with("https://") || template.starts_with('{');
                    assert!(fixed, "{}: {template}", row.name);
                }
            }
        }
    }

    #[test]
    fn a_user_overrides_and_adds_rows() {
        let providers = Providers::with_user_rows(
            r#"{"okta": {"grace_seconds": 30},
                "acme": {"like": "okta", "token_endpoint": "https://acme.example/token", "rotation": "always"},
                "plain": {}}"#,
        )
        .unwrap();
        let okta = providers.named("Okta").unwrap();
        assert_eq!(okta.grace.unwrap().as_secs(), 30);
        assert!(okta.token_endpoint.of(GrantType::RefreshToken).unwrap().contains("{auth_server}"));
        let acme = providers.named("acme").unwrap();
        assert!(acme.rotation == Rotation::Always && acme.hosts.is_empty());
        assert_eq!(acme.grace.unwrap().as_secs(), 30);
        assert_eq!(providers.named("plain").unwrap().title, "plain");
    }

    #[test]
    fn a_mistake_is_said_with_row_and_key() {
        for (text, complaint) in [
            ("", "EOF"),
            ("[]", "an object"),
            (r#"{"acme": 3}"#, "an object"),
            (r#"{"acme": {"colour": 3}}"#, "row acme, key colour: unknown field"),
            (r#"{"acme": {"body": "xml"}}"#, "row acme, key body: unknown variant"),
            (r#"{"acme": {"grace_seconds": -1}}"#, "row acme, key grace_seconds"),
            (r#"{"acme": {"like": "nobody"}}"#, "row acme, key like: there is no row nobody"),
            (
                r#"{"acme": {"errors": {"rules": [{"code": "x"}]}}}"#,
                "row acme, key errors: missing field `class`",
            ),
            (r#"{"acme": {"token_endpoint": 7}}"#, "row acme, key token_endpoint: expected a URL template"),
            (r#"{"acme": {"headers": {"a b": "c"}}}"#, "row acme, key headers: \"a b\" is not a header"),
            (r#"{"acme": {"headers": {"a": "b\nc"}}}"#, "row acme, key headers"),
            (r#"{"acme": {"variables": {"host": "x"}}}"#, "row acme, key variables: invalid type"),
            (r#"{"acme": {}, "acme": {}}"#, "acme is there twice"),
            (r#"{"acme": {"body": "form", "body": "json"}}"#, "body is there twice"),
        ] {
            let error = Providers::with_user_rows(text).err().unwrap();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }

    #[test]
    fn the_longest_name_wins_and_ends_at_a_dash() {
        let providers = Providers::builtin();
        for (stem, name) in [
            ("atlassian-jira", Some("atlassian")),
            ("atlassian", Some("atlassian")),
            ("bedrock-agentcore-sre-gateway", Some("bedrock-agentcore")),
            ("sentry-integration-x", Some("sentry-integration")),
            ("entra-mail", Some("entra")),
            ("githubby-x", None),
            ("acme-x", None),
        ] {
            assert_eq!(providers.longest_name_prefix(stem), name, "{stem}");
        }
    }
}

//! The built-in providers as a Markdown table for docs/tokens.md. A test compares the page with the data.

#![allow(clippy::unwrap_used, reason = "only tests call this")]

use serde_json::{Map, Value};

use super::built_in::BUILT_IN;
use super::provider::{BasicEncoding, BodyFormat, ClientAuthMethod, Provider, Rotation};
use super::providers::Providers;
use super::{CredentialConfig, Resolution, resolve};
use crate::clock::Words;
use crate::settings::Environment;

const HEAD: &str = "| Provider | Token endpoint | Client authentication | The file must hold | A refresh token |\n\
                    | --- | --- | --- | --- | --- |\n";

/// One row for each provider, in the order of their names.
pub(super) fn markdown() -> String {
    let texts: Map<String, Value> = serde_json::from_str(BUILT_IN).unwrap();
    let providers = Providers::builtin();
    let line = |(name, text): (&String, &Value)| {
        let row = providers.named(name).unwrap();
        let text = RowText { own: text, like: text["like"].as_str().map(|like| &texts[like]) };
        let cells = [provider(row), text.endpoints(), authentication(row), text.needs(row), replacement(row)];
        format!("| {} |\n", cells.join(" | "))
    };
    HEAD.to_owned() + &texts.iter().map(line).collect::<String>()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn provider(row: &Provider) -> String {
    let aliases = row.aliases.iter().map(|alias| code(alias)).collect::<Vec<_>>().join(", ");
    if aliases.is_empty() { code(&row.name) } else { format!("{} ({aliases})", code(&row.name)) }
}

fn authentication(row: &Provider) -> String {
    let methods = row.client_authentication.iter().map(|method| match (method, row.basic_encoding) {
        (ClientAuthMethod::ClientSecretBasic, BasicEncoding::SecretAsUser) => {
            "basic, the secret as user name"
        }
        (ClientAuthMethod::ClientSecretBasic, BasicEncoding::Raw) => "basic without encoding",
        (ClientAuthMethod::ClientSecretBasic, BasicEncoding::Form) => "basic",
        (ClientAuthMethod::ClientSecretPost, _) => "post",
        (ClientAuthMethod::None, _) => "none",
        (ClientAuthMethod::PrivateKeyJwt, _) => "key",
    });
    let body = if row.body == BodyFormat::Json { "; as JSON" } else { "" };
    format!("{}{body}", methods.collect::<Vec<_>>().join(", "))
}

/// The effect of a refresh on the refresh token.
fn replacement(row: &Provider) -> String {
    if row.refreshable == Some(false) {
        return "is never issued: tokens are watched only".to_owned();
    }
    if row.client_credentials_only {
        return "is never issued: client credentials".to_owned();
    }
    let (when, then) = match row.rotation {
        Rotation::Always => ("is replaced each time", ""),
        Rotation::Optional => ("may be replaced", "then "),
        Rotation::Never => return "stays".to_owned(),
    };
    match row.grace {
        None => when.to_owned(),
        Some(grace) if grace.is_zero() => format!("{when}; {then}the old one is dead at once"),
        Some(grace) => format!("{when}; {then}the old one works for {} more", Words(grace)),
    }
}

/// A row as it is written, and the row from which it starts.
struct RowText<'a> {
    own: &'a Value,
    like: Option<&'a Value>,
}

impl RowText<'_> {
    fn key(&self, name: &str) -> &Value {
        let like = self.like.unwrap_or(self.own);
        self.own.get(name).or_else(|| like.get(name)).unwrap_or(&Value::Null)
    }

    fn templates(&self) -> Vec<(&str, &str)> {
        match self.key("token_endpoint") {
            Value::String(template) => vec![("", template)],
            Value::Object(each) => ["refresh_token", "client_credentials"]
                .into_iter()
                .filter_map(|grant| Some((grant, each.get(grant)?.as_str()?)))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn endpoints(&self) -> String {
        let templates = self.templates();
        let shown = templates.iter().map(|(grant, template)| match *grant {
            "client_credentials" => format!("; client credentials: {}", code(template)),
            _ => code(template),
        });
        if templates.is_empty() { "of its `issuer`".to_owned() } else { shown.collect() }
    }

    fn needs(&self, row: &Provider) -> String {
        let mut needs = Vec::new();
        if row.basic_encoding != BasicEncoding::SecretAsUser {
            needs.push(code("client_id"));
        }
        let public = row.client_authentication.contains(&ClientAuthMethod::None);
        needs.push(format!("{}{}", code("client_secret"), if public { " if it has one" } else { "" }));
        if self.templates().is_empty() {
            needs.push(code("issuer"));
        }
        let mut machine = Vec::new();
        for (grant, template) in self.templates() {
            match grant {
                "client_credentials" => {
                    machine.extend(variables_in(template).iter().map(|name| self.first(name)));
                }
                _ => needs.extend(variables_in(template).iter().map(|name| self.variable(name))),
            }
        }
        machine.extend(self.required_parameters());
        if !machine.is_empty() {
            needs.push(format!("for client credentials {}", machine.join(", ")));
        }
        needs.join(", ")
    }

    /// Parameters of the client credentials grant that the user must give.
    fn required_parameters(&self) -> impl Iterator<Item = String> {
        let parameters = self.key("parameters")["client_credentials"].as_object();
        let has_default = |one: &Value| one["from"].as_array().is_some_and(|from| from.iter().any(is_text));
        let required = move |(_, one): &(&String, &Value)| one["required"] == true && !has_default(one);
        parameters.into_iter().flatten().filter(required).map(|(name, _)| code(name))
    }

    /// The member of the file from which a variable comes first.
    fn first(&self, name: &str) -> String {
        code(self.key("variables")[name][0].as_str().unwrap_or(name))
    }

    /// The sources of a template's variable: members of the file, variables of the environment, and the default.
    fn variable(&self, name: &str) -> String {
        let Some(sources) = self.key("variables")[name].as_array() else { return code(name) };
        let (mut from, mut otherwise) = (Vec::new(), String::new());
        // A claim of the access token is not listed, since no user writes one.
        let written = sources.iter().filter_map(Value::as_str).filter(|source| !source.starts_with("token."));
        for source in written {
            match source.strip_prefix('=') {
                None => from.push(code(source.split('?').next().unwrap_or_default())),
                Some(text) if text.contains('{') => {
                    let parts = variables_in(text).into_iter().map(|name| self.variable(name));
                    let parts = parts.collect::<Vec<_>>().join(" with ");
                    // The same members in another form are no further sources.
                    let new = !parts.starts_with(&from.join(" or "));
                    from.extend(new.then_some(parts));
                }
                Some(text) => otherwise = format!(" (else {})", code(text)),
            }
        }
        format!("{}{otherwise}", from.join(" or "))
    }
}

/// Whether a source is the text itself and not the name of one.
fn is_text(source: &Value) -> bool {
    source.as_str().is_some_and(|source| source.starts_with('='))
}

/// The names in braces.
fn variables_in(template: &str) -> Vec<&str> {
    template
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}').map(|(name, _)| name.split('|').next().unwrap_or(name)))
        .collect()
}

const PAGE: &str = include_str!("../../docs/tokens.md");

#[test]
fn the_documentation_has_this_table() {
    assert!(PAGE.contains(&markdown()), "the table in docs/tokens.md should be\n{}", markdown());
}

/// `tests/suite/endpoint_answers/own_rows.rs` plays the example's answers.
#[test]
fn the_documented_example_of_a_row_finds_its_endpoint() {
    let blocks = PAGE.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    let rows = blocks.into_iter().find(|block| block.contains("\"acme\"")).unwrap();
    let providers = Providers::with_user_rows(rows).unwrap();
    for (region, endpoint) in
        [(None, "https://eu.acme.example/token"), (Some("us"), "https://us.acme.example/token")]
    {
        let config = CredentialConfig::of_members(
            "acme-egress.json",
            &[("provider", "acme"), ("client_id", "c"), ("client_secret", "s"), ("refresh_token", "r")],
        );
        let environment = Environment::new(region.map(|region| ("ACME_REGION".into(), region.into())));
        let resolution = resolve(&config, &environment, &[], &providers);
        let Resolution::Refresh(request) = resolution else { panic!("it can be refreshed") };
        assert_eq!(request.endpoint(), endpoint);
    }
}

//! Filling the `{variables}` of a provider's row.
//!
//! A source is written as one short text. `name` is a member of the token file, and `$NAME` a variable of the
//! environment. `=text` is the text itself, which may have `{variables}` again. `source?part` counts only if the value
//! contains `part`. `{name|joined}` is the value without underscores (a Cognito pool id as a host name has it).

use crate::oauth::config::filled;
use crate::oauth::encode::percent_encode;

/// One source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::oauth) struct ValueSource {
    kind: SourceKind,
    /// The value counts only if it contains this.
    must_contain: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum SourceKind {
    Member(String),
    Variable(String),
    Text(String),
}

impl ValueSource {
    pub(in crate::oauth) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(text) = text.strip_prefix('=') {
            return Ok(Self { kind: SourceKind::Text(text.to_owned()), must_contain: None });
        }
        let (name, must_contain) = match text.split_once('?') {
            Some((name, part)) => (name, Some(part.to_owned())),
            None => (text, None),
        };
        let kind = match name.strip_prefix('$') {
            Some(name) => SourceKind::Variable(name.to_owned()),
            None => SourceKind::Member(name.to_owned()),
        };
        match &kind {
            SourceKind::Member(name) | SourceKind::Variable(name) if name.is_empty() => {
                Err("a source needs a name: member, $VARIABLE or =text")
            }
            _ => Ok(Self { kind, must_contain }),
        }
    }
}

/// The values of members and variables.
pub(super) trait TemplateValues {
    /// A member of the token file, or of the client-credential file that serves it.
    fn member(&self, name: &str) -> Option<String>;
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;
    /// The sources of a template variable; `None` for the member of that name.
    fn sources(&self, name: &str) -> Option<&[ValueSource]>;
}

/// The remedy for a missing value, as the end of a sentence.
pub(super) fn where_to_set(name: &str, sources: &[ValueSource], file: &str) -> String {
    let mut members: Vec<&str> = Vec::new();
    let mut variables: Vec<&str> = Vec::new();
    for source in sources {
        match &source.kind {
            // No user writes a claim of the access token into the file.
            SourceKind::Member(name) if name.starts_with("token.") => {}
            SourceKind::Member(name) => members.push(name),
            SourceKind::Variable(name) => variables.push(name),
            SourceKind::Text(_) => {}
        }
    }
    if members.is_empty() {
        members.push(name);
    }
    let set =
        if variables.is_empty() { String::new() } else { format!(", or set {}", variables.join(" or ")) };
    format!("add {} to {file}{set}", members.join(" or "))
}

/// The limit for variables in variables, so that a circle of variables ends.
const DEEPEST: u8 = 8;

/// The first source that has a value.
pub(super) fn first(sources: &[ValueSource], values: &dyn TemplateValues) -> Option<String> {
    first_at(sources, values, 0)
}

fn first_at(sources: &[ValueSource], values: &dyn TemplateValues, depth: u8) -> Option<String> {
    sources.iter().find_map(|source| value_of(source, values, depth))
}

fn value_of(source: &ValueSource, values: &dyn TemplateValues, depth: u8) -> Option<String> {
    let value = match &source.kind {
        SourceKind::Member(name) => values.member(name),
        SourceKind::Variable(name) => values.variable(name),
        SourceKind::Text(text) => fill_at(text, values, depth + 1).ok(),
    }?;
    let value = filled(&value)?;
    let wanted = source.must_contain.as_deref().is_none_or(|part| value.contains(part));
    wanted.then(|| value.to_owned())
}

/// The values that a filled template has from members and variables, in their order. Values from the row itself are
/// left out.
pub(super) fn given(template: &str, values: &dyn TemplateValues) -> Vec<String> {
    given_at(template, values, 0)
}

fn given_at(template: &str, values: &dyn TemplateValues, depth: u8) -> Vec<String> {
    let names = template.split('{').skip(1).filter_map(|part| part.split(['|', '}']).next());
    let of_name = |name: &str| {
        let sources = values.sources(name).filter(|_| depth <= DEEPEST);
        let used = sources.and_then(|sources| {
            sources.iter().find_map(|source| Some((source, value_of(source, values, depth)?)))
        });
        match used {
            Some((ValueSource { kind: SourceKind::Text(text), .. }, _)) => given_at(text, values, depth + 1),
            Some((_, value)) => vec![value],
            None => values.member(name).into_iter().collect(),
        }
    };
    names.flat_map(of_name).collect()
}

/// The name of a template's variable that has no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unset(pub String);

/// Fills a URL template. The first value is taken as an origin, with `https://` where it has no scheme. A value in the
/// place of a host loses its scheme. All later values are percent-encoded.
pub(super) fn fill(template: &str, values: &dyn TemplateValues) -> Result<String, Unset> {
    fill_at(template, values, 0)
}

fn fill_at(template: &str, values: &dyn TemplateValues, depth: u8) -> Result<String, Unset> {
    let mut url = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((variable, after)) = after.split_once('}') else { break };
        url.push_str(before);
        let (name, joined) = match variable.split_once('|') {
            Some((name, filter)) => (name, filter == "joined"),
            None => (variable, false),
        };
        let mut value = lookup(name, values, depth).ok_or_else(|| Unset(name.to_owned()))?;
        if joined {
            value.retain(|character| character != '_');
        }
        place(&mut url, &value);
        rest = after;
    }
    url.push_str(rest);
    Ok(url)
}

fn lookup(name: &str, values: &dyn TemplateValues, depth: u8) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    match values.sources(name) {
        Some(sources) => first_at(sources, values, depth),
        None => values.member(name).as_deref().and_then(filled).map(str::to_owned),
    }
}

fn place(url: &mut String, value: &str) {
    let value = value.trim_end_matches('/');
    match url.split_once("://") {
        None if url.is_empty() && value.contains("://") => url.push_str(value),
        None if url.is_empty() => {
            url.push_str("https://");
            url.push_str(value);
        }
        // The host: people write the whole URL where a host belongs.
        Some((_, host)) if !host.contains('/') => {
            url.push_str(value.split_once("://").map_or(value, |(_, host)| host));
        }
        _ => url.push_str(&percent_encode(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Table {
        members: BTreeMap<&'static str, &'static str>,
        variables: BTreeMap<&'static str, &'static str>,
        sources: BTreeMap<String, Vec<ValueSource>>,
    }

    impl TemplateValues for Table {
        fn member(&self, name: &str) -> Option<String> {
            self.members.get(name).map(ToString::to_string)
        }
        fn variable(&self, name: &str) -> Option<String> {
            self.variables.get(name).map(ToString::to_string)
        }
        fn sources(&self, name: &str) -> Option<&[ValueSource]> {
            self.sources.get(name).map(Vec::as_slice)
        }
    }

    fn sources<const N: usize>(named: [(&str, &[&str]); N]) -> BTreeMap<String, Vec<ValueSource>> {
        let parsed = |text: &&str| ValueSource::parse(text).unwrap();
        named.map(|(name, texts)| (name.to_owned(), texts.iter().map(parsed).collect())).into()
    }

    #[test]
    fn a_value_is_fitted_to_its_place() {
        let members = BTreeMap::from([
            ("bare", "idp.example"),
            ("url", "http://idp.example:8080/auth/"),
            ("realm", "my realm/x"),
        ]);
        let table = Table { members, ..Table::default() };
        for (template, url) in [
            ("{url}/realms/{realm}/token", Ok("http://idp.example:8080/auth/realms/my%20realm%2Fx/token")),
            ("{bare}/token", Ok("https://idp.example/token")),
            ("https://{url}/token", Ok("https://idp.example:8080/auth/token")),
            ("https://a.{bare}/token", Ok("https://a.idp.example/token")),
            ("https://{missing}/token", Err("missing")),
            ("https://fixed.example/{token", Ok("https://fixed.example/{token")),
        ] {
            assert_eq!(
                fill(template, &table).as_deref().map_err(|Unset(name)| name.as_str()),
                url,
                "{template}"
            );
        }
    }

    #[test]
    fn the_first_source_with_a_value_counts() {
        let table = Table {
            members: BTreeMap::from([("domain", "prefix"), ("pool", "eu-west-1_AbC"), ("blank", "  ")]),
            variables: BTreeMap::from([("DOMAIN", "idp.example")]),
            sources: sources([
                ("origin", &["blank", "domain?.", "$DOMAIN?."]),
                ("host", &["=x-{pool|joined}.example"]),
            ]),
        };
        assert_eq!(fill("{origin}/t", &table).unwrap(), "https://idp.example/t");
        assert_eq!(fill("https://{host}/t", &table).unwrap(), "https://x-eu-west-1AbC.example/t");
    }

    #[test]
    fn variables_in_a_circle_have_no_value() {
        let table = Table { sources: sources([("a", &["={b}"]), ("b", &["={a}"])]), ..Table::default() };
        assert_eq!(fill("https://{a}/", &table), Err(Unset("a".to_owned())));
    }

    #[test]
    fn a_source_without_a_name_is_refused() {
        for text in ["", "$", "?x"] {
            assert!(ValueSource::parse(text).is_err(), "{text}");
        }
    }
}

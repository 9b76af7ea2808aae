//! The headers of revision 2026-07-28, which repeat parts of a message.
//!
//! A tool's schema may name more arguments to repeat, so lists of tools are read on their way. A tool with a wrong
//! schema is removed from the list, as the revision demands of a client.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::message::{Message, Request, member, read, text};
use super::session::PROTOCOL_VERSION;

/// The member of `_meta` with the revision of a message.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The annotation of an argument that is repeated in a header.
const ANNOTATION: &str = "x-mcp-header";

/// The error code for headers that do not match their message.
pub(super) const HEADER_MISMATCH: i64 = -32020;

/// The revision that a message of the new era names; `None` for a message of the old era.
pub(super) fn version(params: Option<&RawValue>) -> Option<Cow<'_, str>> {
    // Large parameters are searched first, and parsed only if the name is there.
    let params = params.filter(|params| params.get().contains(VERSION))?;
    text(member(member(params, "_meta")?, VERSION)?)
}

/// An argument that is repeated in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mirrored {
    header: HeaderName,
    /// The names that lead to the argument.
    path: Vec<String>,
}

/// The repeated arguments of the server's tools.
#[derive(Default)]
pub(super) struct Tools(Mutex<BTreeMap<String, Vec<Mirrored>>>);

impl Tools {
    /// Adds the headers that repeat parts of a request.
    pub(super) fn add_to(&self, headers: &mut HeaderMap, version: &str, request: &Request<'_>) {
        add_standard(headers, version, &request.method);
        let (Some(params), Some(source)) = (request.params, named_by(&request.method)) else { return };
        let Some(name) = member(params, source).and_then(text) else { return };
        headers.insert(HeaderName::from_static("mcp-name"), encoded(&name));
        if request.method != "tools/call" {
            return;
        }
        let Some(arguments) = member(params, "arguments") else { return };
        let tools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Mirrored { header, path } in tools.get(name.as_ref()).into_iter().flatten() {
            let found = path.iter().try_fold(arguments, |value, name| member(value, name));
            if let Some(value) = found.and_then(spelled) {
                headers.insert(header.clone(), encoded(&value));
            }
        }
    }

    /// Reads a list of tools on its way to the client. If tools must be removed, returns the message without them, and
    /// the reasons.
    pub(super) fn learn(&self, message: &[u8]) -> Option<(Vec<u8>, Vec<String>)> {
        let Ok(Message::Answer(answer)) = read(message) else { return None };
        let list = member(answer.result?, "tools")?;
        let all: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
        let (mut kept, mut why) = (Vec::with_capacity(all.len()), Vec::new());
        for tool in all {
            let name = member(tool, "name").and_then(text).unwrap_or_default();
            let schema = member(tool, "inputSchema").map_or("{}", RawValue::get);
            match serde_json::from_str(schema)
                .map_err(|_| "its schema is no JSON".to_owned())
                .and_then(|schema| mirrored(&schema))
            {
                Ok(mirrored) => {
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into_owned(), mirrored);
                    kept.push(tool.get());
                }
                Err(problem) => why.push(format!("the tool {name:?} is left out: {problem}")),
            }
        }
        if why.is_empty() {
            return None;
        }
        let at = list.get().as_ptr().addr() - message.as_ptr().addr();
        let end = at + list.get().len();
        let mut edited = Vec::with_capacity(message.len());
        edited.extend_from_slice(&message[..at]);
        edited.extend_from_slice(format!("[{}]", kept.join(",")).as_bytes());
        edited.extend_from_slice(&message[end..]);
        Some((edited, why))
    }
}

/// Adds the headers of every message of the new era.
pub(super) fn add_standard(headers: &mut HeaderMap, version: &str, method: &str) {
    if let Ok(version) = HeaderValue::from_str(version) {
        headers.insert(PROTOCOL_VERSION, version);
    }
    if let Ok(method) = HeaderValue::from_str(method) {
        headers.insert(HeaderName::from_static("mcp-method"), method);
    }
}

/// The parameter that `Mcp-Name` repeats.
fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        _ => None,
    }
}

/// The spelling of an argument in a header; `None` for a value without one.
fn spelled(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    match json.as_bytes().first()? {
        b'"' => text(value),
        b't' | b'f' => Some(Cow::Borrowed(json)),
        b'-' | b'0'..=b'9' => Some(match json.parse::<f64>() {
            // 42.0 and 4.2e1 are the integer 42.
            Ok(number) if number.fract() == 0.0 && json.contains(['.', 'e', 'E']) => {
                Cow::Owned(format!("{number:.0}"))
            }
            _ => Cow::Borrowed(json),
        }),
        _ => None,
    }
}

/// A text as the value of a header: unchanged, or in base64 where a header would change it.
fn encoded(value: &str) -> HeaderValue {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let padded = value.trim_matches([' ', '\t']) != value;
    let looks_encoded = value.starts_with("=?base64?") && value.ends_with("?=");
    if plain
        && !padded
        && !looks_encoded
        && let Ok(value) = HeaderValue::from_str(value)
    {
        return value;
    }
    let text = format!("=?base64?{}?=", BASE64_STANDARD.encode(value));
    // Base64 is ASCII, so this cannot fail.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The arguments that a schema wants to be repeated. The error tells why a client must not use the tool.
fn mirrored(schema: &Value) -> Result<Vec<Mirrored>, String> {
    let mut found = Vec::new();
    walk(schema, Some(&mut Vec::new()), &mut found)?;
    Ok(found)
}

/// Looks for annotations in a schema and below. `path` is the way there if it leads through `properties` alone.
fn walk(schema: &Value, mut path: Option<&mut Vec<String>>, found: &mut Vec<Mirrored>) -> Result<(), String> {
    if let Value::Array(schemas) = schema {
        return schemas.iter().try_for_each(|schema| walk(schema, None, found));
    }
    let Value::Object(members) = schema else { return Ok(()) };
    if let Some(annotation) = members.get(ANNOTATION) {
        let path = path.as_deref().filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| format!("{ANNOTATION} is where no argument can be found"))?;
        found.push(annotated(annotation, members.get("type"), path, found)?);
    }
    for (name, value) in members {
        match (name.as_str(), value) {
            // Members that hold values and no schemas.
            (ANNOTATION | "default" | "const" | "enum" | "examples", _) => {}
            ("properties", Value::Object(properties)) => {
                for (name, schema) in properties {
                    match path.as_deref_mut() {
                        None => walk(schema, None, found)?,
                        Some(path) => {
                            path.push(name.clone());
                            walk(schema, Some(path), found)?;
                            path.pop();
                        }
                    }
                }
            }
            (_, value) => walk(value, None, found)?,
        }
    }
    Ok(())
}

fn annotated(
    annotation: &Value,
    kind: Option<&Value>,
    path: &[String],
    found: &[Mirrored],
) -> Result<Mirrored, String> {
    let argument = path.join(".");
    let name = annotation.as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| format!("{ANNOTATION} of {argument} is no name"))?;
    if !matches!(kind.and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
        return Err(format!(
            "{ANNOTATION} of {argument}: only text, integers and booleans can be in a header"
        ));
    }
    let header = HeaderName::from_bytes(format!("mcp-param-{name}").as_bytes())
        .map_err(|_| format!("{ANNOTATION} of {argument} cannot be the name of a header"))?;
    if found.iter().any(|other| other.header == header) {
        return Err(format!("{ANNOTATION} of {argument} is there twice"));
    }
    Ok(Mirrored { header, path: path.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_encoded_as_in_the_specification() {
        for (value, expected) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("", ""),
        ] {
            assert_eq!(encoded(value), expected);
        }
    }

    #[test]
    fn a_schema_says_which_arguments_are_repeated() {
        let schema = json!({"type": "object", "default": {"x-mcp-header": 1}, "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "x-mcp-header": {"type": "object", "properties": {"deep": {"type": "integer", "x-mcp-header": "D"}}},
        }});
        let found = mirrored(&schema).unwrap();
        let found: Vec<_> = found.iter().map(|one| (one.header.as_str(), one.path.join("/"))).collect();
        let expected = [("mcp-param-region", "region"), ("mcp-param-d", "x-mcp-header/deep")];
        assert_eq!(found, expected.map(|(header, path)| (header, path.to_owned())));
    }

    #[test]
    fn a_tool_with_a_wrong_annotation_is_refused() {
        let annotated = |kind: &str, name: Value| json!({"type": kind, "x-mcp-header": name});
        for (schema, why) in [
            (json!({"properties": {"a": annotated("string", json!(""))}}), "no name"),
            (json!({"properties": {"a": annotated("string", json!(7))}}), "no name"),
            (json!({"properties": {"a": annotated("string", json!("a b"))}}), "name of a header"),
            (json!({"properties": {"a": annotated("number", json!("A"))}}), "only text"),
            (json!({"properties": {"a": {"x-mcp-header": "A"}}}), "only text"),
            (
                json!({"properties": {"a": annotated("string", json!("A")), "b": annotated("string", json!("a"))}}),
                "twice",
            ),
            (json!({"properties": {"a": {"items": annotated("string", json!("A"))}}}), "no argument"),
            (json!({"oneOf": [{"properties": {"a": annotated("string", json!("A"))}}]}), "no argument"),
            (annotated("string", json!("A")), "no argument"),
        ] {
            let error = mirrored(&schema).unwrap_err();
            assert!(error.contains(why), "{schema}: {error}");
        }
    }

    #[test]
    fn requests_get_the_headers_of_their_tool_and_lists_lose_wrong_tools() {
        let tools = Tools::default();
        let list = br#"{"id":1,"big":12345678901234567890,"result":{"tools":[
            {"name":"a","inputSchema":{"properties":{"r":{"type":"string","x-mcp-header":"R"},
              "n":{"type":"integer","x-mcp-header":"N"},"z":{"type":"boolean","x-mcp-header":"Z"}}}},
            {"name":"bad","inputSchema":{"properties":{"r":{"type":"number","x-mcp-header":"R"}}}}, {"name" : "c"}]}}"#;
        let (edited, why) = tools.learn(list).unwrap();
        let edited = String::from_utf8(edited).unwrap();
        assert!(
            edited.starts_with(r#"{"id":1,"big":12345678901234567890,"result":{"tools":[{"name":"a""#),
            "{edited}"
        );
        assert!(edited.ends_with(r#",{"name" : "c"}]}}"#), "{edited}");
        assert_eq!(why.len(), 1);
        assert!(tools.learn(edited.as_bytes()).is_none());

        let sent = |message: &str| {
            let Ok(Message::Request(request)) = read(message.as_bytes()) else { panic!("{message}") };
            let version = version(request.params).unwrap();
            let mut headers = HeaderMap::new();
            tools.add_to(&mut headers, &version, &request);
            let mut all: Vec<_> =
                headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            all.sort();
            all.join(", ")
        };
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        assert_eq!(
            sent(&format!(
                r#"{{"id":1,"method":"tools/call",
                  "params":{{"name":"a","arguments":{{"r":"é","n":4.2e1,"z":null}},{meta}}}}}"#
            )),
            "mcp-method: tools/call, mcp-name: a, mcp-param-n: 42, mcp-param-r: =?base64?w6k=?=, \
             mcp-protocol-version: 2026-07-28"
        );
        assert_eq!(
            sent(&format!(r#"{{"id":1,"method":"resources/read","params":{{"uri":"file:///x",{meta}}}}}"#)),
            "mcp-method: resources/read, mcp-name: file:///x, mcp-protocol-version: 2026-07-28"
        );
        assert_eq!(
            sent(&format!(r#"{{"id":1,"method":"server/discover","params":{{{meta}}}}}"#)),
            "mcp-method: server/discover, mcp-protocol-version: 2026-07-28"
        );
        assert!(version(Some(serde_json::from_str(r#"{"_meta":{}}"#).unwrap())).is_none());
    }
}

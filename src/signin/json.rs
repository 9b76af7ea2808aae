//! Members of a JSON document without secrets.

use serde_json::Value;

/// A member that is text and not blank.
pub(super) fn text(document: &Value, name: &str) -> Option<String> {
    let text = document.get(name)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The texts of a member that is a list.
pub(super) fn texts(document: &Value, name: &str) -> Option<Vec<String>> {
    let list = document.get(name)?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

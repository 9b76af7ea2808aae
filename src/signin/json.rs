//! Members of a JSON document that holds no secret.

use serde_json::Value;

/// A member that is text and not blank.
pub(super) fn text(document: &Value, name: &str) -> Option<String> {
    let text = document.get(name)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A member that is a list: its texts.
pub(super) fn texts(document: &Value, name: &str) -> Option<Vec<String>> {
    let list = document.get(name)?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

//! The rows of the built-in table, cut out of `providers.json` when the program is compiled.
//!
//! Reading the whole table takes longer than the rest of a command, which needs few rows or none. The cut relies on the
//! layout of the file: a name at two blanks, each key at four, and on one line what a row is found by. A test compares
//! it with the table as a JSON parser reads it.

/// The text of the table.
pub(super) const BUILT_IN: &str = include_str!("providers.json");

/// The rows in their order.
pub(super) static ROWS: [BuiltInRow; count_rows(BUILT_IN)] = rows(BUILT_IN);

/// A row, as it is in the text.
#[derive(Clone, Copy)]
pub(super) struct BuiltInRow {
    pub name: &'static str,
    /// The JSON object.
    pub text: &'static str,
    /// The JSON values of the keys by which a row is found; empty where a key lacks.
    pub aliases: &'static str,
    pub hosts: &'static str,
    pub recognised_by: &'static str,
    pub variant_of: &'static str,
    pub like: &'static str,
}

impl BuiltInRow {
    const EMPTY: Self =
        Self { name: "", text: "", aliases: "", hosts: "", recognised_by: "", variant_of: "", like: "" };
}

/// The texts in a JSON value, none of which has an escape.
pub(super) fn texts(value: &'static str) -> impl Iterator<Item = &'static str> {
    value.split('"').skip(1).step_by(2)
}

const fn count_rows(text: &str) -> usize {
    let (mut at, mut count) = (0, 0);
    while at < text.len() {
        if is_at(text, at, "  \"") {
            count += 1;
        }
        at = line_end(text, at) + 1;
    }
    count
}

const fn rows<const COUNT: usize>(text: &'static str) -> [BuiltInRow; COUNT] {
    let mut rows = [BuiltInRow::EMPTY; COUNT];
    let (mut at, mut next, mut begin) = (0, 0, 0);
    while at < text.len() {
        let end = line_end(text, at);
        if is_at(text, at, "  \"") {
            let name_end = find(text, at + 3, b'"');
            rows[next].name = part(text, at + 3, name_end);
            begin = find(text, name_end, b'{');
            next += 1;
        } else if is_at(text, at, "  }") {
            rows[next - 1].text = part(text, begin, at + 3);
        } else if is_at(text, at, "    \"aliases\": ") {
            rows[next - 1].aliases = part(text, at + 15, end);
        } else if is_at(text, at, "    \"hosts\": ") {
            rows[next - 1].hosts = part(text, at + 13, end);
        } else if is_at(text, at, "    \"recognised_by\": ") {
            rows[next - 1].recognised_by = part(text, at + 21, end);
        } else if is_at(text, at, "    \"variant_of\": ") {
            rows[next - 1].variant_of = part(text, at + 18, end);
        } else if is_at(text, at, "    \"like\": ") {
            rows[next - 1].like = part(text, at + 12, end);
        }
        at = end + 1;
    }
    rows
}

/// The end of the line that begins or goes on there.
const fn line_end(text: &str, from: usize) -> usize {
    find(text, from, b'\n')
}

/// The place of the next such byte, or the end.
const fn find(text: &str, from: usize, byte: u8) -> usize {
    let mut at = from;
    while at < text.len() && text.as_bytes()[at] != byte {
        at += 1;
    }
    at
}

const fn is_at(text: &str, at: usize, what: &str) -> bool {
    let (text, what) = (text.as_bytes(), what.as_bytes());
    let mut index = 0;
    while index < what.len() {
        if at + index >= text.len() || text[at + index] != what[index] {
            return false;
        }
        index += 1;
    }
    true
}

const fn part(text: &'static str, from: usize, to: usize) -> &'static str {
    text.split_at(to).0.split_at(from).1
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    #[test]
    fn the_cut_is_what_a_parser_reads() {
        let table: Map<String, Value> = serde_json::from_str(BUILT_IN).unwrap();
        assert_eq!(ROWS.len(), table.len());
        for row in &ROWS {
            let read: Value = serde_json::from_str(row.text).unwrap();
            assert_eq!(Some(&read), table.get(row.name), "{}", row.name);
            for (key, value) in [
                ("aliases", row.aliases),
                ("hosts", row.hosts),
                ("recognised_by", row.recognised_by),
                ("variant_of", row.variant_of),
                ("like", row.like),
            ] {
                let expected = match &read[key] {
                    Value::Array(list) => list.iter().map(|text| text.as_str().unwrap()).collect(),
                    one => one.as_str().into_iter().collect::<Vec<_>>(),
                };
                assert_eq!(texts(value).collect::<Vec<_>>(), expected, "{}: {key}", row.name);
            }
        }
    }
}

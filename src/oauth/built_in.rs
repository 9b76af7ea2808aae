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
    /// The keys by which a row is found.
    pub aliases: ConstTexts,
    pub hosts: ConstTexts,
    pub recognised_by: ConstTexts,
    pub variant_of: ConstTexts,
    pub like: ConstTexts,
}

impl BuiltInRow {
    const EMPTY: Self = {
        let none = ConstTexts { texts: [""; MOST], count: 0 };
        Self {
            name: "",
            text: "",
            aliases: none,
            hosts: none,
            recognised_by: none,
            variant_of: none,
            like: none,
        }
    };
}

/// The most texts that one key has. With more, the program does not compile.
const MOST: usize = 4;

/// The texts of a JSON value: of a text or of a list.
#[derive(Clone, Copy)]
pub(super) struct ConstTexts {
    texts: [&'static str; MOST],
    count: usize,
}

impl ConstTexts {
    pub(super) fn list(&self) -> &[&'static str] {
        &self.texts[..self.count]
    }

    /// The texts in this line from that place on, none of which has an escape.
    const fn of(text: &'static str, from: usize) -> Self {
        let mut found = Self { texts: [""; MOST], count: 0 };
        let end = line_end(text, from);
        let mut at = find(text, from, b'"');
        while at < end {
            let close = find(text, at + 1, b'"');
            found.texts[found.count] = part(text, at + 1, close);
            found.count += 1;
            at = find(text, close + 1, b'"');
        }
        found
    }
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
            rows[next - 1].aliases = ConstTexts::of(text, at + 15);
        } else if is_at(text, at, "    \"hosts\": ") {
            rows[next - 1].hosts = ConstTexts::of(text, at + 13);
        } else if is_at(text, at, "    \"recognised_by\": ") {
            rows[next - 1].recognised_by = ConstTexts::of(text, at + 21);
        } else if is_at(text, at, "    \"variant_of\": ") {
            rows[next - 1].variant_of = ConstTexts::of(text, at + 18);
        } else if is_at(text, at, "    \"like\": ") {
            rows[next - 1].like = ConstTexts::of(text, at + 12);
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
                assert_eq!(value.list(), expected, "{}: {key}", row.name);
            }
        }
    }
}

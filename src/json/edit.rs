//! Changes of members in an object's text; the rest of the text stays byte for byte.

use std::borrow::Cow;
use std::ops::Range;

use zeroize::Zeroizing;

use super::{JsonMember, NotAnObject, members, quoted};
use crate::ordered;

/// A member of an object and its new value, as JSON text.
#[derive(Clone, Copy)]
pub(crate) struct MemberEdit<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

/// A part of a text and the text that replaces it.
pub(crate) struct Splice<'a> {
    place: Range<usize>,
    by: Cow<'a, str>,
}

/// `text` with the member `name` set to `value` (JSON text), as [`splices`] does it.
pub(crate) fn with_member(text: &str, name: &str, value: &str) -> Result<Zeroizing<String>, NotAnObject> {
    let members = members(text)?;
    Ok(spliced("", text, splices(text, 0..text.len(), &members, &[MemberEdit { name, value }])))
}

/// The replacements that `edits` make in `text`. `object` is the place of the object, and `members` are its members.
/// Every member of a name is changed, since readers disagree on which of two counts. A missing member is appended in
/// the style of the last one. Of two edits with one name the later value counts.
pub(crate) fn splices<'a>(
    text: &'a str,
    object: Range<usize>,
    members: &[JsonMember],
    edits: &[MemberEdit<'a>],
) -> Vec<Splice<'a>> {
    let value_of = |name: &str| edits.iter().rfind(|edit| edit.name == name).map(|edit| edit.value);
    let replaced = members.iter().filter_map(|member| {
        Some(Splice { place: member.place.clone(), by: Cow::Borrowed(value_of(&member.name)?) })
    });
    let mut splices: Vec<Splice<'a>> = replaced.collect();
    let (at, gap, colon) = match members.last() {
        None => {
            (text[object.clone()].find('{').map_or(object.start, |brace| object.start + brace + 1), "", ": ")
        }
        Some(last) => {
            let before = members.len().checked_sub(2).map_or(object.start, |index| members[index].place.end);
            let (gap, colon) = style(&text[before..last.place.start]);
            (last.place.end, gap, colon)
        }
    };
    let mut is_first = members.is_empty();
    for (index, MemberEdit { name, .. }) in edits.iter().enumerate() {
        let is_there = members.iter().any(|member| member.name == *name)
            || edits[..index].iter().any(|earlier| earlier.name == *name);
        let Some(value) = value_of(name).filter(|_| !is_there) else { continue };
        let name = Cow::Owned(quoted(name).to_string());
        let comma = if is_first { "" } else { "," };
        let parts = [comma, gap].map(Cow::Borrowed).into_iter().chain([name]);
        let parts = parts.chain([colon, value].map(Cow::Borrowed));
        splices.extend(parts.map(|by| Splice { place: at..at, by }));
        is_first = false;
    }
    splices
}

/// `before`, then `text` with every replacement made in it. No replacement overlaps another. Replacements at one place
/// keep their order.
pub(crate) fn spliced(before: &str, text: &str, mut splices: Vec<Splice<'_>>) -> Zeroizing<String> {
    ordered::sort(&mut splices, |one, other| one.place.start.cmp(&other.place.start));
    let added: usize = splices.iter().map(|splice| splice.by.len()).sum();
    // With room for the whole text: a buffer that grows leaves copies of a token behind.
    let mut result = Zeroizing::new(String::with_capacity(before.len() + text.len() + added));
    result.push_str(before);
    let mut done = 0;
    for Splice { place, by } in splices {
        result.push_str(&text[done..place.start]);
        result.push_str(&by);
        done = place.end;
    }
    result.push_str(&text[done..]);
    result
}

/// The white space before a name and the colon with its white space, from `,\n  "name": ` or `{"name":`.
fn style(lead: &str) -> (&str, &str) {
    let after_separator = lead.find([',', '{']).map_or(0, |index| index + 1);
    let quote = lead[after_separator..].find('"').map_or(after_separator, |index| after_separator + index);
    // The closing quote of the name is the last one: only a colon and white space follow.
    let colon = lead.rfind('"').map_or(lead.len(), |index| index + 1);
    (&lead[after_separator..quote], &lead[colon..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_changed_value_changes_nothing_else() {
        let text = "{ \"a\" : 1.50e3 ,\n\t\"acc\\u0065ss\":\"x\", \"z\":[ 1 ]}\r\n";
        let changed = with_member(text, "access", "\"new\"").unwrap();
        assert_eq!(changed.as_str(), "{ \"a\" : 1.50e3 ,\n\t\"acc\\u0065ss\":\"new\", \"z\":[ 1 ]}\r\n");
    }

    #[test]
    fn a_new_member_is_written_like_the_last_one() {
        for (text, expected) in [
            ("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "{\n  \"a\": 1,\n  \"b\": 2,\n  \"n\": 7\n}\n"),
            ("{\n\t\"a\":1\n}", "{\n\t\"a\":1,\n\t\"n\":7\n}"),
            ("{\"a\":1}", "{\"a\":1,\"n\":7}"),
            ("{}", "{\"n\": 7}"),
            ("{ \"x,{\\\"\": \"}\" }", "{ \"x,{\\\"\": \"}\", \"n\": 7 }"),
        ] {
            assert_eq!(with_member(text, "n", "7").unwrap().as_str(), expected);
        }
    }

    #[test]
    fn both_of_two_members_with_one_name_change() {
        assert_eq!(
            with_member("{\"a\":1,\"b\":2,\"a\":3}", "a", "9").unwrap().as_str(),
            "{\"a\":9,\"b\":2,\"a\":9}"
        );
    }

    /// Any JSON object as a tool may have written it: odd white space, escapes, duplicate names.
    fn object() -> impl Strategy<Value = String> {
        let blank = "[ \t\r\n]{0,3}";
        let value = prop_oneof![
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
            "\"[a-z{},:\\[\\] ]{0,8}(\\\\\"|\\\\u00e9|\\\\\\\\)?\"",
            Just("null".to_owned()),
            Just("[ {\"access_token\" : 1} , \"}\" ]".to_owned()),
        ];
        let name = prop_oneof![
            Just("access_token".to_owned()),
            Just("acc\\u0065ss_token".to_owned()),
            "[a-z\\{,]{0,6}"
        ];
        let member = (blank, name, blank, blank, value, blank);
        (prop::collection::vec(member, 0..6), blank).prop_map(|(members, tail)| {
            let members: Vec<String> = members
                .into_iter()
                .map(|(before, name, after, lead, value, rest)| {
                    format!("{before}\"{name}\"{after}:{lead}{value}{rest}")
                })
                .collect();
            format!("{{{}{tail}}}\n", members.join(","))
        })
    }

    /// Some edits: of present members, of missing ones, and of one member twice.
    fn edits() -> impl Strategy<Value = Vec<(String, String)>> {
        let name = prop_oneof![
            Just("access_token".to_owned()),
            Just("refresh_token".to_owned()),
            "[a-c\\{,\"]{0,2}"
        ];
        let value =
            prop_oneof![Just("null".to_owned()), Just("[{\"a\":\"}\"}]".to_owned()), "[1-9][0-9]{0,3}"];
        prop::collection::vec((name, value), 0..6)
    }

    proptest! {
        #[test]
        fn a_change_touches_one_member_and_twice_is_once(text in object()) {
            let before = members(&text).unwrap();
            let once = with_member(&text, "access_token", "\"new\"").unwrap();
            let after = members(&once).unwrap();
            let others = |text: &str, members: &[JsonMember]| -> Vec<(String, String)> {
                let kept = members.iter().filter(|member| member.name != "access_token");
                kept.map(|member| (member.name.clone(), text[member.place.clone()].to_owned())).collect()
            };
            prop_assert_eq!(others(&text, &before), others(&once, &after));
            let access = after.iter().filter(|member| member.name == "access_token");
            let ours: Vec<&str> = access.map(|member| &once[member.place.clone()]).collect();
            prop_assert!(!ours.is_empty() && ours.iter().all(|value| *value == "\"new\""));
            prop_assert_eq!(with_member(&once, "access_token", "\"new\"").unwrap(), once);
        }

        #[test]
        fn many_edits_at_once_are_the_same_as_one_by_one(text in object(), edits in edits()) {
            let mut expected = Zeroizing::new(text.clone());
            for (name, value) in &edits {
                expected = with_member(&expected, name, value).unwrap();
            }
            let edits: Vec<_> = edits.iter().map(|(name, value)| MemberEdit { name, value }).collect();
            let members = members(&text).unwrap();
            let changed = spliced("", &text, splices(&text, 0..text.len(), &members, &edits));
            prop_assert_eq!(changed.as_str(), expected.as_str());
        }
    }
}

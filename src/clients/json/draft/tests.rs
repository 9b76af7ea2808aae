//! The exact text after a change, blanks and line ends included.

use jsonc_parser::parse_to_ast;

use super::*;
use crate::clients::notation::Fixed;

/// The text after the members `gone` were removed and a member `new`, if any, was added.
fn changed(text: &str, gone: &[&str], new: Option<Node>) -> String {
    let tree =
        parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &jsonc_parser::ParseOptions::default());
    let tree = tree.unwrap().value.unwrap();
    let root = tree.as_object().unwrap();
    let index = |name: &&str| root.properties.iter().position(|prop| prop.name.as_str() == *name).unwrap();
    let gone: Vec<usize> = gone.iter().map(index).collect();
    let mut draft = Draft::new(text, root);
    draft.change_members(root, &gone, &new.map(|node| ("new", node)).into_iter().collect::<Vec<_>>());
    draft.finish().map_or_else(|| text.to_owned(), |text| text.expose().to_owned())
}

#[test]
fn a_member_comes_last_and_in_the_style_of_the_others() {
    for (before, after) in [
        ("{}", "{\n  \"new\": 0\n}"),
        ("{}\r\n", "{\r\n  \"new\": 0\r\n}\r\n"),
        ("{\n}", "{\n  \"new\": 0\n}"),
        ("{ // why\n}", "{ // why\n  \"new\": 0\n}"),
        ("{\"a\":1}", "{\"a\":1, \"new\": 0}"),
        ("{ \"a\": 1 }", "{ \"a\": 1, \"new\": 0 }"),
        ("{ \"a\": 1, }", "{ \"a\": 1, \"new\": 0, }"),
        ("{ /* why */ }", "{ /* why */\n  \"new\": 0\n}"),
        ("{\n\t\"a\": 1\n}\n", "{\n\t\"a\": 1,\n\t\"new\": 0\n}\n"),
        ("{\n    \"a\": 1,\n}", "{\n    \"a\": 1,\n    \"new\": 0,\n}"),
        ("{\r\n  \"a\": 1\r\n}", "{\r\n  \"a\": 1,\r\n  \"new\": 0\r\n}"),
        ("{\n  \"a\": 1 // one\n}", "{\n  \"a\": 1, // one\n  \"new\": 0\n}"),
        ("{\n  \"a\": 1\n  // the end \n}", "{\n  \"a\": 1,\n  // the end \n  \"new\": 0\n}"),
        ("{\n  \"a\": 1\n\n}", "{\n  \"a\": 1,\n  \"new\": 0\n\n}"),
        ("{\n  \"a\": 1 }", "{\n  \"a\": 1,\n  \"new\": 0\n}"),
        ("{ \"a\": 1,\n  \"b\": 2 }", "{ \"a\": 1,\n  \"b\": 2,\n  \"new\": 0\n}"),
        ("  {\n    \"a\": 1\n  }", "  {\n    \"a\": 1,\n    \"new\": 0\n  }"),
    ] {
        assert_eq!(changed(before, &[], Some(Node::Text("0"))).replace("\"0\"", "0"), after, "{before}");
    }
}

#[test]
fn an_object_is_written_like_what_it_goes_into() {
    let node = || {
        let inner = Node::Object(vec![
            ("c", Node::Fixed(Fixed::Flag(true))),
            ("d", Node::Fixed(Fixed::Names(&["x", "y"]))),
        ]);
        Some(Node::Object(vec![("b", inner), ("e", Node::Object(Vec::new()))]))
    };
    assert_eq!(
        changed("{\n   \"a\": 1\n}", &[], node()),
        "{\n   \"a\": 1,\n   \"new\": {\n      \"b\": {\n         \"c\": true,\n         \
         \"d\": [\"x\", \"y\"]\n      },\n      \"e\": {}\n   }\n}"
    );
    assert_eq!(
        changed("{\"a\": 1}", &[], node()),
        "{\"a\": 1, \"new\": {\"b\": {\"c\": true, \"d\": [\"x\", \"y\"]}, \"e\": {}}}"
    );
}

#[test]
fn a_member_goes_with_its_comma_and_its_line_and_nothing_else() {
    for (before, gone, after) in [
        ("{\"a\": 1}", "a", "{}"),
        ("{\n  \"a\": 1,\n}", "a", "{}"),
        ("{\"a\": 1, \"b\": 2}", "a", "{\"b\": 2}"),
        ("{\"a\": 1, \"b\": 2}", "b", "{\"a\": 1}"),
        ("{\"a\": 1, \"b\": 2}", "a b", "{}"),
        ("{ \"a\": 1, \"b\": 2, \"c\": 3 }", "b", "{ \"a\": 1, \"c\": 3 }"),
        ("{ \"a\": 1, \"b\": 2, \"c\": 3 }", "b c", "{ \"a\": 1 }"),
        ("{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}", "b", "{\n  \"a\": 1,\n  \"c\": 3\n}"),
        ("{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}", "b c", "{\n  \"a\": 1\n}"),
        ("{\r\n  \"a\": 1,\r\n  \"b\": 2,\r\n}", "b", "{\r\n  \"a\": 1,\r\n}"),
        (
            "{\n  \"a\": 1,\n\n  // about b\n  \"b\": 2 // b\n}",
            "b",
            "{\n  \"a\": 1\n\n  // about b\n  // b\n}",
        ),
        ("{\n  /* a */ \"a\": 1,\n  \"b\": 2\n}", "a", "{\n  /* a */\n  \"b\": 2\n}"),
        ("{\n  \"a\": 1 /* , */ , // x\n  \"b\": 2\n}", "a", "{\n  /* , */  // x\n  \"b\": 2\n}"),
        ("{\n  \"a\": 1\n  , \"b\": 2\n}", "b", "{\n  \"a\": 1\n  \n}"),
        ("{\n  \"a\": 1, \"b\": 2\n}", "a", "{\n  \"b\": 2\n}"),
        ("{\n  \"a\": 1, \"b\": 2 \n}", "b", "{\n  \"a\": 1\n}"),
    ] {
        let gone: Vec<&str> = gone.split(' ').collect();
        assert_eq!(changed(before, &gone, None), after, "{before} without {gone:?}");
    }
}

#[test]
fn one_goes_and_another_comes() {
    for (before, gone, after) in [
        ("{\"a\": 1}", "a", "{\"new\": 0}"),
        ("{\"a\": 1  }", "a", "{\"new\": 0}"),
        ("{\n  \"a\": 1\n}", "a", "{\n  \"new\": 0\n}"),
        ("{\n  \"a\": 1,\n  \"b\": 2,\n}", "b", "{\n  \"a\": 1,\n  \"new\": 0,\n}"),
        // The line break before `b` may end a comment. Only the text behind `b` shows that it can be removed.
        ("{\n  \"a\": 1, // one\n  \"b\": 2   }", "b", "{\n  \"a\": 1, // one\n  \n  \"new\": 0\n}"),
        ("{\"a\": 1, \"b\": 2  }", "a b", "{\"new\": 0  }"),
    ] {
        let gone: Vec<&str> = gone.split(' ').collect();
        assert_eq!(
            changed(before, &gone, Some(Node::Text("0"))).replace("\"0\"", "0"),
            after,
            "{before} without {gone:?}"
        );
    }
}

#[test]
fn a_place_is_counted_in_lines_and_characters() {
    assert_eq!(position("", 0), (1, 1));
    assert_eq!(position("é\r\nü{", 6), (2, 2));
}

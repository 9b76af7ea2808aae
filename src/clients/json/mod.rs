//! Our entries in a JSON or JSONC file that may be the user's own.
//!
//! The file is never written anew: it is parsed to find where things stand, and then single values
//! and members of it are replaced as text. An entry is ours when it has the address that we would
//! write or that we remember writing; every other entry is the user's, whatever its name. Inside
//! of an entry of ours, too, only the members that we keep are ours: a client's own switches
//! (`disabled`, allowed tools, time limits) stay as the user set them.
//!
//! JSONC is accepted for every client. Some of them refuse comments, but then the file did not work
//! before either, and refusing a file that a newer version of the client takes would help nobody.

mod draft;
mod render;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use self::draft::{Draft, position};
use self::render::Node;
use super::apply::{Owned, owned};
use super::entry::{Entry, Member};
use super::service::HEADER_NAMES;
use super::table::{ADDRESS_KEYS, Client, Reference};
use crate::secret::Secret;

/// What a file should hold.
pub(super) struct Wanted<'a> {
    pub client: &'a Client,
    /// The top-level member with the servers.
    pub servers: &'a str,
    /// What a new file consists of.
    pub new: &'a str,
    pub entries: &'a [Entry],
    /// Services that cannot have an entry now: an entry of ours for them stays as it is.
    pub refused: &'a [String],
    pub remembered: &'a [Owned],
}

/// What became of it.
pub(super) struct Done {
    /// The new text; none when the present one will do.
    pub text: Option<Secret>,
    /// The entries that are ours then.
    pub ours: Vec<Owned>,
    pub warnings: Vec<String>,
}

/// Edits the text of a file; `None` for a file that does not exist.
///
/// # Errors
/// Why the file is left alone, in one line that begins with `LINE:COLUMN: `.
pub(super) fn edit(wanted: &Wanted, existing: Option<&str>) -> Result<Done, String> {
    let text = existing.unwrap_or("");
    let (mark, body) = text.strip_prefix('\u{feff}').map_or(("", text), |body| ("\u{feff}", body));
    let extended;
    let (body, tree) = if let Some(tree) = parse(body)? {
        (body, Some(tree))
    } else {
        // Nothing, or nothing but comments.
        let comments = body.trim_end();
        extended = format!("{comments}{}{}", if comments.is_empty() { "" } else { "\n" }, wanted.new);
        (extended.as_str(), parse(&extended)?)
    };
    let Some(Value::Object(root)) = &tree else {
        return Err(at(body, tree.as_ref().map_or(0, |value| value.range().start), "an object belongs here"));
    };
    let mut editor = Editor { wanted, draft: Draft::new(body, root), ours: Vec::new(), warnings: Vec::new() };
    editor.file(root)?;
    let text = editor.draft.finish().map(|text| Secret::new([mark, text.expose()].concat()));
    Ok(Done { text, ours: editor.ours, warnings: editor.warnings })
}

fn parse(text: &str) -> Result<Option<Value<'_>>, String> {
    // Comments and trailing commas make JSONC; everything else that this parser can accept is
    // JSON5, which no client reads.
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let tree = parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| {
        let kind = error.kind().to_string();
        // What follows a full stop quotes the file.
        let kind = kind.split('.').next().unwrap_or_default();
        format!("{}:{}: {}", error.line_display(), error.column_display(), kind.to_lowercase())
    })?;
    Ok(tree.value)
}

fn at(text: &str, offset: usize, what: &str) -> String {
    let (line, column) = position(text, offset);
    format!("{line}:{column}: {what}")
}

struct Editor<'a> {
    wanted: &'a Wanted<'a>,
    draft: Draft<'a>,
    ours: Vec<Owned>,
    warnings: Vec<String>,
}

impl Editor<'_> {
    fn file(&mut self, root: &Object) -> Result<(), String> {
        let wanted = self.wanted;
        let Some(servers) = self.only(root, wanted.servers)? else {
            if !wanted.entries.is_empty() {
                let all = wanted.entries.iter().map(|entry| (entry.name.as_str(), node_of(entry))).collect();
                self.draft.change_members(root, &[], &[(wanted.servers, Node::Object(all))]);
                self.ours = wanted.entries.iter().map(owned).collect();
            }
            return Ok(());
        };
        let Value::Object(servers) = &servers.value else {
            let what = format!("`{}` must be an object", wanted.servers);
            return Err(at(self.draft.text(), servers.range.start, &what));
        };
        let mut added = Vec::new();
        for entry in wanted.entries {
            match self.only(servers, &entry.name)? {
                None => added.push((entry.name.as_str(), node_of(entry))),
                Some(found) if self.is_ours(found, &entry.name, Some(&entry.url)) => {
                    self.update(entry, found)?;
                }
                Some(_) => {
                    let (client, name) = (wanted.client.name, entry.name.escape_debug());
                    self.warnings.push(format!(
                        "{name} is not written for {client}: the file has an entry of that name"
                    ));
                    continue;
                }
            }
            self.ours.push(owned(entry));
        }
        let mut removed = Vec::new();
        for old in
            wanted.remembered.iter().filter(|old| !wanted.entries.iter().any(|entry| entry.name == old.name))
        {
            let Some(found) = self.only(servers, &old.name)? else { continue };
            if !self.is_ours(found, &old.name, None) {
                continue;
            }
            if wanted.refused.contains(&old.name) {
                self.ours.push(old.clone());
            } else {
                removed.extend(servers.properties.iter().position(|prop| prop.range == found.range));
            }
        }
        self.draft.change_members(servers, &removed, &added);
        Ok(())
    }

    /// The member of that name, which must not stand there twice: clients differ in which they take.
    fn only<'t, 'o>(&self, object: &'o Object<'t>, name: &str) -> Result<Option<&'o ObjectProp<'t>>, String> {
        let mut found = object.properties.iter().filter(|prop| prop.name.as_str() == name);
        let first = found.next();
        match found.next() {
            Some(second) => {
                let what = format!("`{}` stands here a second time", name.escape_debug());
                Err(at(self.draft.text(), second.range.start, &what))
            }
            None => Ok(first),
        }
    }

    fn is_ours(&self, found: &ObjectProp, name: &str, url: Option<&str>) -> bool {
        let Value::Object(object) = &found.value else { return false };
        let mut addresses =
            object.properties.iter().filter(|prop| ADDRESS_KEYS.contains(&prop.name.as_str()));
        let remembered =
            self.wanted.remembered.iter().find(|old| old.name == name).map(|old| old.url.as_str());
        addresses.any(|prop| match &prop.value {
            Value::StringLit(text) => Some(&*text.value) == url || Some(&*text.value) == remembered,
            _ => false,
        })
    }

    fn update(&mut self, entry: &Entry, found: &ObjectProp) -> Result<(), String> {
        let Value::Object(object) = &found.value else { return Ok(()) };
        let mut added = Vec::new();
        for (key, member) in &entry.members {
            match self.only(object, key)? {
                None => added.push((*key, node(member))),
                Some(prop) => match (member, &prop.value) {
                    (Member::Text(text), Value::StringLit(there)) if there.value == text.expose() => {}
                    (Member::Headers(wanted), Value::Object(there)) => self.update_headers(wanted, there)?,
                    _ => self.draft.replace(&prop.value, &node(member), object),
                },
            }
        }
        let mut removed = Vec::new();
        for (index, prop) in object.properties.iter().enumerate() {
            let key = prop.name.as_str();
            if entry.members.iter().any(|(wanted, _)| *wanted == key) || !self.is_kept(key) {
                continue;
            }
            match &prop.value {
                // Headers of the user's own stay, also where ours are elsewhere now.
                Value::Object(there) if there.properties.iter().any(|header| !is_our_header(header)) => {
                    self.update_headers(&[], there)?;
                }
                _ => removed.push(index),
            }
        }
        self.draft.change_members(object, &removed, &added);
        Ok(())
    }

    /// Whether we decide if an entry has a member of that name.
    fn is_kept(&self, key: &str) -> bool {
        let client = self.wanted.client;
        let kinds = [Some(client.streamable), client.sse];
        ADDRESS_KEYS.contains(&key)
            || key == client.headers
            || matches!(client.reference, Reference::Helper(helper) if helper == key)
            || kinds.into_iter().flatten().any(|spoken| spoken.kind.is_some_and(|(kind, _)| kind == key))
    }

    fn update_headers(&mut self, wanted: &[(&'static str, Secret)], object: &Object) -> Result<(), String> {
        let mut removed = Vec::new();
        for (index, prop) in object.properties.iter().enumerate().filter(|(_, prop)| is_our_header(prop)) {
            let name = prop.name.as_str();
            match wanted.iter().find(|(header, _)| *header == name) {
                None => removed.push(index),
                Some((_, value)) => {
                    self.only(object, name)?;
                    if !matches!(&prop.value, Value::StringLit(there) if there.value == value.expose()) {
                        self.draft.replace(&prop.value, &Node::Text(value.expose()), object);
                    }
                }
            }
        }
        let there = |name: &str| object.properties.iter().any(|prop| prop.name.as_str() == name);
        let added = wanted.iter().filter(|(name, _)| !there(name));
        let added: Vec<_> = added.map(|(name, value)| (*name, Node::Text(value.expose()))).collect();
        self.draft.change_members(object, &removed, &added);
        Ok(())
    }
}

/// Header names have no case (RFC 9110 section 5.1).
fn is_our_header(prop: &ObjectProp) -> bool {
    HEADER_NAMES.iter().any(|name| name.eq_ignore_ascii_case(prop.name.as_str()))
}

fn node_of(entry: &Entry) -> Node<'_> {
    let all = entry.members.iter().chain(&entry.extra);
    Node::Object(all.map(|(key, member)| (*key, node(member))).collect())
}

fn node(member: &Member) -> Node<'_> {
    match member {
        Member::Text(text) => Node::Text(text.expose()),
        Member::Headers(headers) => {
            Node::Object(headers.iter().map(|(name, value)| (*name, Node::Text(value.expose()))).collect())
        }
        Member::Fixed(fixed) => Node::Fixed(*fixed),
    }
}

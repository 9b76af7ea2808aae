//! This program's entries in a JSON or JSONC file that may be the user's own.
//!
//! The file is never written anew. Parsing finds the places of values, and single values and members are replaced as
//! text. An entry belongs to this program when this cycle or an earlier one has written its address. Every other entry
//! is the user's, whatever its name. Within an entry too, this program decides only about the members that it writes. A
//! client's own switches (`disabled`, allowed tools, time limits) are kept.
//!
//! JSONC is accepted for every client. Some clients refuse comments, but such a file did not work before either. A
//! newer version of a client may take a file that an older one refuses.

mod draft;
mod parse;
mod render;
mod users_own;

use std::collections::{BTreeMap, HashMap, HashSet};

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged as _;

use self::draft::Draft;
use self::parse::{FaultAt, parse};
use self::render::Node;
pub(crate) use self::users_own::UserMembers;
use self::users_own::{is_list_of, user_members, with_user_members};
use super::entry::{ClientEntry, EntryValue, Owned, VARIABLES};
use super::notation::{ADDRESS_KEYS, McpClient, Reference};
use super::service::HEADER_NAMES;
use crate::ordered;
use crate::secret::Secret;

/// The entries that a file should have.
pub(super) struct WantedEntries<'a> {
    pub client: &'a McpClient,
    pub servers: &'a str,
    /// The text of a new file without entries.
    pub new: &'a str,
    pub entries: &'a [ClientEntry],
    /// Services that cannot have an entry now: their present entries are kept.
    pub refused: &'a HashSet<String>,
    pub remembered: &'a [Owned],
    /// The users' own members of entries that are gone, by the entry's name.
    pub users_own: &'a BTreeMap<String, UserMembers>,
}

/// The outcome of [`edit`].
pub(super) struct Edited {
    /// The new text; none where the present text is right.
    pub text: Option<Secret>,
    /// This program's entries after the edit.
    pub ours: Vec<Owned>,
    /// The users' own members of entries that are gone after the edit.
    pub users_own: BTreeMap<String, UserMembers>,
    pub warnings: Vec<String>,
}

/// Edits the text of a file; `None` for a missing file.
pub(super) fn edit(wanted: &WantedEntries, existing: Option<&str>) -> Result<Edited, FaultAt> {
    let text = existing.unwrap_or("");
    let (mark, body) = text.strip_prefix('\u{feff}').map_or(("", text), |body| ("\u{feff}", body));
    let extended;
    let (body, tree) = if let Some(tree) = parse(body)? {
        (body, Some(tree))
    } else {
        // The file is empty, or holds comments alone.
        let comments = body.trim_end();
        extended = format!("{comments}{}{}", if comments.is_empty() { "" } else { "\n" }, wanted.new);
        (extended.as_str(), parse(&extended)?)
    };
    let Some(Value::Object(root)) = &tree else {
        let start = tree.as_ref().map_or(0, |value| value.range().start);
        return Err(FaultAt::new(body, start, "an object belongs here"));
    };
    let remembered = wanted.remembered.iter().map(|old| (old.name.as_str(), old.url.as_str())).collect();
    let draft = Draft::new(body, root);
    let (ours, users_own, warnings) = (Vec::new(), wanted.users_own.clone(), Vec::new());
    let mut editor = Editor { wanted, remembered, draft, ours, users_own, warnings };
    editor.file(root)?;
    let text = editor.draft.finish().map(|text| Secret::new([mark, text.expose()].concat()));
    let ours: HashSet<&str> = editor.ours.iter().map(|owned| owned.name.as_str()).collect();
    ordered::retain(&mut editor.users_own, |name, _| !ours.contains(name.as_str()));
    Ok(Edited { text, ours: editor.ours, users_own: editor.users_own, warnings: editor.warnings })
}

/// The members of an object by name: the place of the first of that name, and of the second, if any.
struct MemberIndex<'o>(HashMap<&'o str, (usize, Option<usize>)>);

impl<'o> MemberIndex<'o> {
    fn of(object: &'o Object) -> Self {
        let mut members: HashMap<_, (usize, Option<usize>)> = HashMap::with_capacity(object.properties.len());
        for (index, prop) in object.properties.iter().enumerate() {
            members
                .entry(prop.name.as_str())
                .and_modify(|(_, second)| *second = second.or(Some(index)))
                .or_insert((index, None));
        }
        Self(members)
    }
}

struct Editor<'a> {
    wanted: &'a WantedEntries<'a>,
    /// The addresses of the remembered entries by name.
    remembered: HashMap<&'a str, &'a str>,
    draft: Draft<'a>,
    ours: Vec<Owned>,
    users_own: BTreeMap<String, UserMembers>,
    warnings: Vec<String>,
}

impl<'a> Editor<'a> {
    fn file(&mut self, root: &Object) -> Result<(), FaultAt> {
        let wanted = self.wanted;
        let Some(servers) = self.unique_member(root, wanted.servers)? else {
            if !wanted.entries.is_empty() {
                let all =
                    wanted.entries.iter().map(|entry| (entry.name.as_str(), self.new_entry(entry))).collect();
                self.draft.change_members(root, &[], &[(wanted.servers, Node::Object(all))]);
                self.ours = wanted.entries.iter().map(ClientEntry::owned).collect();
            }
            return Ok(());
        };
        let Value::Object(servers) = &servers.value else {
            let what = format!("`{}` must be an object", wanted.servers);
            return Err(FaultAt::new(self.draft.text(), servers.range.start, what));
        };
        let there = MemberIndex::of(servers);
        let added = self.update_entries(servers, &there)?;
        let removed = self.gone_entries(servers, &there)?;
        self.draft.change_members(servers, &removed, &added);
        Ok(())
    }

    /// Updates this program's entries in the file. Returns the entries that are missing there.
    fn update_entries(
        &mut self,
        servers: &Object,
        there: &MemberIndex,
    ) -> Result<Vec<(&'a str, Node<'a>)>, FaultAt> {
        let wanted = self.wanted;
        let mut added = Vec::new();
        for entry in wanted.entries {
            match self.indexed_member(servers, there, &entry.name)? {
                None => added.push((entry.name.as_str(), self.new_entry(entry))),
                Some(index) if self.is_ours(&servers.properties[index], &entry.name, Some(&entry.url)) => {
                    self.update(entry, &servers.properties[index], servers)?;
                }
                Some(_) => {
                    let (client, name) = (wanted.client.name, entry.name.escape_debug());
                    self.warnings.push(format!(
                        "{name} is not written for {client}: the file has an entry of that name"
                    ));
                    continue;
                }
            }
            self.ours.push(entry.owned());
        }
        Ok(added)
    }

    /// The places of this program's entries whose services are gone.
    fn gone_entries(&mut self, servers: &Object, there: &MemberIndex) -> Result<Vec<usize>, FaultAt> {
        let wanted = self.wanted;
        let present: HashSet<&str> = wanted.entries.iter().map(|entry| entry.name.as_str()).collect();
        let mut removed = Vec::new();
        for old in wanted.remembered.iter().filter(|old| !present.contains(old.name.as_str())) {
            let Some(index) = self.indexed_member(servers, there, &old.name)? else { continue };
            if !self.is_ours(&servers.properties[index], &old.name, None) {
                continue;
            }
            if wanted.refused.contains(&old.name) {
                self.ours.push(old.clone());
            } else {
                removed.push(index);
                self.remember_users_own(&old.name, &servers.properties[index]);
            }
        }
        Ok(removed)
    }

    fn new_entry(&self, entry: &'a ClientEntry) -> Node<'a> {
        with_user_members(entry, self.wanted.users_own.get(&entry.name))
    }

    /// Records the user's own members of an entry that is removed.
    fn remember_users_own(&mut self, name: &str, prop: &ObjectProp) {
        let Value::Object(object) = &prop.value else { return };
        let members = self.users_own_of(object);
        if !members.is_empty() {
            self.users_own.insert(name.to_owned(), members);
        }
    }

    fn users_own_of(&self, object: &Object) -> UserMembers {
        let McpClient { extra, remote_extra, .. } = self.wanted.client;
        let defaults = [*extra, *remote_extra].concat();
        user_members(self.draft.text(), object, |key| self.is_kept(key), &defaults)
    }

    /// Finds the member of that name. A name that an object has twice is an error: clients differ in the one that they
    /// take.
    fn unique_member<'t, 'o>(
        &self,
        object: &'o Object<'t>,
        name: &str,
    ) -> Result<Option<&'o ObjectProp<'t>>, FaultAt> {
        let mut found = object.properties.iter().filter(|prop| prop.name.as_str() == name);
        let first = found.next();
        found.next().map_or(Ok(first), |second| Err(self.second_member(second)))
    }

    /// As [`Self::unique_member`], in an object of thousands.
    fn indexed_member(
        &self,
        object: &Object,
        members: &MemberIndex,
        name: &str,
    ) -> Result<Option<usize>, FaultAt> {
        match members.0.get(name) {
            Some((_, Some(second))) => Err(self.second_member(&object.properties[*second])),
            found => Ok(found.map(|(first, _)| *first)),
        }
    }

    fn second_member(&self, prop: &ObjectProp) -> FaultAt {
        let what = format!("`{}` stands here a second time", prop.name.as_str().escape_debug());
        FaultAt::new(self.draft.text(), prop.range.start, what)
    }

    /// Whether this cycle or an earlier one has written the entry's address, in a member or a variable.
    fn is_ours(&self, found: &ObjectProp, name: &str, url: Option<&str>) -> bool {
        let Value::Object(object) = &found.value else { return false };
        let remembered = self.remembered.get(name).copied();
        let is_address = |value: &Value| match value {
            Value::StringLit(text) => Some(&*text.value) == url || Some(&*text.value) == remembered,
            _ => false,
        };
        object.properties.iter().any(|prop| match &prop.value {
            Value::Object(inner) if prop.name.as_str() == self.wanted.client.program.variables => inner
                .properties
                .iter()
                .any(|variable| variable.name.as_str() == VARIABLES[2] && is_address(&variable.value)),
            value => ADDRESS_KEYS.contains(&prop.name.as_str()) && is_address(value),
        })
    }

    fn update(&mut self, entry: &ClientEntry, found: &ObjectProp, servers: &Object) -> Result<(), FaultAt> {
        let Value::Object(object) = &found.value else { return Ok(()) };
        let is_program = |key: &str| key == "command";
        let was_program = object.properties.iter().any(|prop| is_program(prop.name.as_str()));
        if was_program != entry.members.iter().any(|(key, _)| is_program(key)) {
            // The entry changes from an address to a program, or back. Members of the one form are wrong in the other.
            let members = self.users_own_of(object);
            self.draft.replace(&found.value, &with_user_members(entry, Some(&members)), servers);
            return Ok(());
        }
        let mut added = Vec::new();
        for (key, member) in &entry.members {
            match self.unique_member(object, key)? {
                None => added.push((*key, Node::from(member))),
                Some(prop) => match (member, &prop.value) {
                    (EntryValue::Text(text), Value::StringLit(there)) if there.value == text.expose() => {}
                    (EntryValue::Texts(wanted), Value::Object(there)) => {
                        self.update_texts(wanted, there)?;
                    }
                    (EntryValue::Words(words), Value::Array(there)) if is_list_of(there, words) => {}
                    _ => self.draft.replace(&prop.value, &Node::from(member), object),
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
                // A user's own headers are kept, even where this program's headers are elsewhere now.
                Value::Object(there) if there.properties.iter().any(|header| !is_our_text(header)) => {
                    self.update_texts(&[], there)?;
                }
                _ => removed.push(index),
            }
        }
        self.draft.change_members(object, &removed, &added);
        Ok(())
    }

    /// Whether this program decides about the member of that name.
    fn is_kept(&self, key: &str) -> bool {
        let client = self.wanted.client;
        let remote = [Some(client.streamable), client.sse].into_iter().flatten();
        let kinds = remote.filter_map(|transport| transport.kind).chain(client.program.kind);
        ADDRESS_KEYS.contains(&key)
            || [client.headers, "command", "args", client.program.variables].contains(&key)
            || matches!(client.reference, Reference::Helper(helper) if helper == key)
            || kinds.into_iter().any(|(kind, _)| kind == key)
    }

    fn update_texts(&mut self, wanted: &[(&'static str, Secret)], object: &Object) -> Result<(), FaultAt> {
        let mut removed = Vec::new();
        for (index, prop) in object.properties.iter().enumerate().filter(|(_, prop)| is_our_text(prop)) {
            let name = prop.name.as_str();
            match wanted.iter().find(|(header, _)| *header == name) {
                None => removed.push(index),
                Some((_, value)) => {
                    self.unique_member(object, name)?;
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

/// Whether this program writes the header or variable. Header names have no case (RFC 9110 section 5.1).
fn is_our_text(prop: &ObjectProp) -> bool {
    let name = prop.name.as_str();
    HEADER_NAMES.iter().any(|ours| ours.eq_ignore_ascii_case(name)) || VARIABLES.contains(&name)
}

//! Changes to a JSONC text that keep every other byte in place.
//!
//! The parser can edit too (its `cst` feature). But it loses blank lines and comments beside removed members, and
//! breaks objects of one line over several. With the places of all values known, three changes are enough: replace a
//! value, remove members, add members at an object's end.

use std::collections::HashSet;

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::Ranged as _;
use zeroize::Zeroizing;

use super::render::{Node, Style, push_member, render};
use crate::ordered;
use crate::secret::{Secret, SecretText};

/// A text and its pending changes.
pub(super) struct Draft<'a> {
    text: &'a str,
    style: Style<'a>,
    /// Each replaces the text between two offsets by another.
    changes: Vec<(usize, usize, Secret)>,
}

impl<'a> Draft<'a> {
    /// A draft without changes. The style comes from the first lines of the file.
    pub(super) fn new(text: &'a str, root: &Object) -> Self {
        let newline = match text.find('\n') {
            Some(at) if text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        };
        let step = root.properties.first().and_then(|prop| own_line_indent(text, prop.range.start));
        let step = step.filter(|step| !step.is_empty()).unwrap_or("  ");
        Self { text, style: Style { newline, step }, changes: Vec::new() }
    }

    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    /// Replaces a value that is a member of `object`.
    pub(super) fn replace(&mut self, old: &Value, new: &Node, object: &Object) {
        let indent = self.is_broken(object).then(|| line_indent(self.text, old.range().start));
        let new = render(new, indent, self.style);
        self.changes.push((old.range().start, old.range().end, new));
    }

    /// Removes members of `object`, by index, and adds others at its end.
    pub(super) fn change_members(&mut self, object: &Object, removed: &[usize], added: &[(&str, Node)]) {
        if removed.is_empty() && added.is_empty() {
            return;
        }
        let count = object.properties.len();
        let gone: HashSet<usize> = removed.iter().copied().collect();
        let last = (0..count).rfind(|index| !gone.contains(index));
        let (start, end) = (object.range.start + 1, object.range.end - 1);
        let only_blanks =
            |gap: usize| self.gap(object, gap).trim_matches([' ', '\t', '\n', '\r', ',']).is_empty();
        if added.is_empty() && last.is_none() && (0..=count).all(only_blanks) {
            self.delete(start, end);
            return;
        }
        for index in removed {
            self.remove_member(object, *index);
        }
        // A comma behind the last member is the file's style, which is kept.
        let trailing = self.comma_after(object, count.saturating_sub(1)).is_some();
        if let Some(last) = last {
            match self.comma_after(object, last) {
                None if !added.is_empty() => self.insert(object.properties[last].range.end, ","),
                Some(comma) if added.is_empty() && !trailing => self.delete(comma, comma + 1),
                _ => {}
            }
        }
        if !added.is_empty() {
            self.append_members(object, added, last.is_some(), trailing);
        }
    }

    fn append_members(
        &mut self,
        object: &Object,
        added: &[(&str, Node)],
        after_others: bool,
        trailing: bool,
    ) {
        let (open, close) = (object.range.start + 1, object.range.end - 1);
        // The new members go behind all others, and behind the comments after those.
        let behind = object.properties.last().map_or(open, |prop| prop.range.end);
        let at =
            behind + marks(self.gap(object, object.properties.len())).last().map_or(0, |(_, end, _)| end);
        let outer = line_indent(self.text, object.range.start);
        let broken = self.is_broken(object);
        let indent = object.properties.iter().find_map(|prop| own_line_indent(self.text, prop.range.start));
        let indent = indent.map_or_else(|| format!("{outer}{}", self.style.step), str::to_owned);
        let mut text = SecretText::default();
        for (index, (key, value)) in added.iter().enumerate() {
            if index > 0 {
                text.push(",");
            }
            if broken {
                text.extend([self.style.newline, indent.as_str()]);
            } else if index > 0 || after_others || at > behind {
                text.push(" ");
            }
            push_member(&mut text, key, value, broken.then_some(indent.as_str()), self.style);
        }
        if trailing {
            text.push(",");
        }
        if broken && !self.text[at..close].contains(['\n', '\r']) {
            text.extend([self.style.newline, outer]);
            self.delete(at, close);
        }
        self.changes.push((at, at, text.finish()));
    }

    /// Removes a member, the comma behind it, and its line where the line is empty then.
    fn remove_member(&mut self, object: &Object, index: usize) {
        let (mut from, mut to) = (object.properties[index].range.start, object.properties[index].range.end);
        if let Some(comma) = self.comma_after(object, index) {
            if is_blank(&self.text[to..comma]) {
                to = comma + 1;
            } else {
                self.delete(comma, comma + 1);
            }
        }
        let before = self.text[..from].trim_end_matches([' ', '\t']);
        let after = self.text[to..].trim_start_matches([' ', '\t']);
        if after.starts_with(['\n', '\r']) {
            // The line is empty behind the member. Where the member began the line, the line end before it goes too.
            from = before.strip_suffix('\n').map_or(before, |line| line).len();
            from -= usize::from(self.text[..from].ends_with('\r'));
            to = self.text.len() - after.len();
        } else if before.ends_with(['\n', '\r', '{']) {
            to = self.text.len() - after.len();
        } else {
            from = before.len();
        }
        self.delete(from, to);
    }

    /// The text between two members, between the opening brace and the first, or behind the last.
    fn gap(&self, object: &Object, index: usize) -> &'a str {
        let props = &object.properties;
        let from = if index == 0 { object.range.start + 1 } else { props[index - 1].range.end };
        let to = props.get(index).map_or(object.range.end - 1, |prop| prop.range.start);
        &self.text[from..to]
    }

    fn comma_after(&self, object: &Object, index: usize) -> Option<usize> {
        let from = object.properties.get(index)?.range.end;
        marks(self.gap(object, index + 1)).find(|(_, _, comma)| *comma).map(|(at, ..)| from + at)
    }

    /// Whether the object is written over several lines. An empty object has no style of its own: it is taken for
    /// broken unless the whole file is one line.
    fn is_broken(&self, object: &Object) -> bool {
        let gaps = 0..=object.properties.len();
        gaps.into_iter().any(|index| self.gap(object, index).contains(['\n', '\r']))
            || (object.properties.is_empty()
                && (object.range.start == 0 || self.text.trim_end().contains(['\n', '\r'])))
    }

    fn insert(&mut self, at: usize, text: &str) {
        self.changes.push((at, at, Secret::new(text)));
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.changes.push((from, to, Secret::new("")));
    }

    /// The changed text; none where nothing is changed.
    pub(super) fn finish(mut self) -> Option<Secret> {
        if self.changes.is_empty() {
            return None;
        }
        // The sort is stable: a comma behind a member comes before later text of the same place.
        ordered::sort(&mut self.changes, |one, other| (one.0, one.1).cmp(&(other.0, other.1)));
        // The buffer has room for all of the text: one that grows leaves copies behind.
        let added: usize = self.changes.iter().map(|(.., new)| new.expose().len()).sum();
        let mut text = Zeroizing::new(String::with_capacity(self.text.len() + added));
        let mut copied = 0;
        for (from, to, new) in &self.changes {
            if *from > copied {
                text.push_str(&self.text[copied..*from]);
            }
            text.push_str(new.expose());
            // Blanks between two removed members are removed with both.
            copied = copied.max(*to);
        }
        text.push_str(&self.text[copied..]);
        (*text != self.text).then(|| Secret::new(std::mem::take(&mut *text)))
    }
}

/// The commas and comments between two members: start, end, and whether it is a comma.
fn marks(gap: &str) -> impl Iterator<Item = (usize, usize, bool)> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + gap[from..].find([',', '/'])?;
        let rest = &gap[at..];
        let length = if rest.starts_with(',') {
            1
        } else if rest.starts_with("//") {
            rest.find(['\n', '\r']).unwrap_or(rest.len())
        } else {
            // The search begins behind the opening, since `/*/` does not close itself.
            rest.get(2..).and_then(|inside| inside.find("*/")).map_or(rest.len(), |close| close + 4)
        };
        from = at + length;
        Some((at, from, rest.starts_with(',')))
    })
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// The blanks at the beginning of the line of `offset`.
fn line_indent(text: &str, offset: usize) -> &str {
    let line = &text[text[..offset].rfind(['\n', '\r']).map_or(0, |at| at + 1)..offset];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// The blanks before `offset`, where the line has nothing else there and is not the first.
fn own_line_indent(text: &str, offset: usize) -> Option<&str> {
    let line = &text[text[..offset].rfind(['\n', '\r'])? + 1..offset];
    is_blank(line).then_some(line)
}

/// Line and column of an offset, both from 1; columns are characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests;

//! "Did you mean": the name a user probably wanted.

/// The name among `names` that `typed` is most likely a slip for: the only one that begins with it,
/// else the nearest by edits. `None` when nothing is near enough to be worth offering.
pub(super) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if typed.is_empty() {
        return None;
    }
    let mut beginnings = names.clone().filter(|name| name.starts_with(typed));
    if let (Some(only), None) = (beginnings.next(), beginnings.next()) {
        return Some(only);
    }
    // A third of the letters wrong is a slip; more is another word.
    let allowed = (typed.chars().count() / 3).max(1);
    names
        .map(|name| (edits(typed, name), name))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to turn
/// `from` into `to` (the optimal string alignment distance).
fn edits(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut before_last = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for row in 1..=from.len() {
        let mut current = vec![row; to.len() + 1];
        for column in 1..=to.len() {
            let replaced = last[column - 1] + usize::from(from[row - 1] != to[column - 1]);
            current[column] = replaced.min(last[column] + 1).min(current[column - 1] + 1);
            let swapped =
                row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1];
            if swapped {
                current[column] = current[column].min(before_last[column - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("interval", "interval", 0),
            ("intervall", "interval", 1),
            ("intreval", "interval", 1),
            ("buffet", "buffer", 1),
            ("dir", "jobs", 4),
        ] {
            assert_eq!(edits(from, to), count, "{from} {to}");
            assert_eq!(edits(to, from), count, "{to} {from}");
        }
    }

    #[test]
    fn the_nearest_name_is_offered_and_no_far_one() {
        let names = ["interval", "buffer", "log-level", "log-file", "dir", "env-file"];
        for (typed, expected) in [
            ("intervall", Some("interval")),
            ("int", Some("interval")),
            ("loglevel", Some("log-level")),
            ("log_file", Some("log-file")),
            ("log", None),
            ("drr", Some("dir")),
            ("verbose", None),
            ("v", None),
            ("sar", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names.iter().copied()), expected, "{typed}");
        }
    }
}

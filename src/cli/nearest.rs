//! "Did you mean": the name that a user probably wanted.

/// The name among `names` that `typed` most likely means: the only one that begins with it, else the nearest by edits.
/// `None` where no name is near enough.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if typed.is_empty() {
        return None;
    }
    let mut beginnings = names.clone().filter(|name| name.starts_with(typed));
    if let (Some(only), None) = (beginnings.next(), beginnings.next()) {
        return Some(only);
    }
    // One wrong letter in three is a slip. More of them make another word.
    let allowed = (typed.chars().count() / 3).max(1);
    names
        .map(|name| (strsim::osa_distance(typed, name), name))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_no_far_one() {
        let names = ["interval", "buffer", "log-level", "log-file", "dir", "env-file"];
        for (typed, expected) in [
            ("intervall", Some("interval")),
            ("int", Some("interval")),
            ("loglevel", Some("log-level")),
            ("log_file", Some("log-file")),
            ("intreval", Some("interval")),
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

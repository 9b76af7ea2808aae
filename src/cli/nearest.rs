//! "Did you mean": the name a user probably wanted.

/// The name among `names` that `typed` is most likely a slip for: the only one that begins with it,
/// else the nearest by edits. `None` when nothing is near enough to be worth offering.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
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

//! Maps, sets and lists in order, with little code for each type that they hold.
//!
//! `collect` sorts before it builds a map or a set. The compiler makes each sort of the standard library anew for each
//! type and each comparison: about 5 KB of the program every time.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// The map of `pairs`. Of several pairs with one key the last counts.
pub(crate) fn map<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}

/// The set of `items`.
pub(crate) fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

/// Removes the entry of `key`, as [`retain`] does.
pub(crate) fn remove<V>(map: &mut BTreeMap<String, V>, key: &str) {
    if map.contains_key(key) {
        retain(map, |known, _| known != key);
    }
}

/// Removes the entries that `keep` refuses. The map is built anew, for maps that are small or seldom lose an entry: the
/// code that takes entries out of a tree is 5 KB for each type.
pub(crate) fn retain<K: Ord, V>(map: &mut BTreeMap<K, V>, mut keep: impl FnMut(&K, &mut V) -> bool) {
    let all = std::mem::take(map).into_iter();
    map.extend(all.filter_map(|(key, mut value)| keep(&key, &mut value).then_some((key, value))));
}

/// Sorts `items`. Equal items keep their order.
pub(crate) fn sort<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let order = order(items.len(), &|one, other| compare(&items[one], &items[other]));
    exchange(order, &mut |one, other| items.swap(one, other));
}

/// The indices of `count` items, sorted by `compare`.
fn order(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| compare(*one, *other));
    order
}

/// Brings each item to its place in `order` by exchanges of two.
fn exchange(mut order: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for place in 0..order.len() {
        let mut from = order[place];
        // An item that made room for another has moved: the order of that place says where to.
        while from < place {
            from = order[from];
        }
        order[place] = from;
        if from != place {
            swap(place, from);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_of_several_pairs_with_one_key_counts() {
        assert_eq!(map([("b", 1), ("a", 2), ("b", 3)]), BTreeMap::from([("a", 2), ("b", 3)]));
    }

    #[test]
    fn what_is_kept_may_be_changed() {
        let mut numbers = map([("a", 1), ("b", 2), ("c", 3)]);
        retain(&mut numbers, |name, number| {
            *number += 1;
            *name != "b"
        });
        assert_eq!(numbers, map([("a", 2), ("c", 4)]));
    }

    proptest! {
        #[test]
        fn a_list_is_sorted_as_by_the_standard_library(numbers: Vec<u8>) {
            // The index tells equal numbers apart: their order must stay.
            let mut ours: Vec<(u8, usize)> = numbers.into_iter().zip(0..).collect();
            let mut expected = ours.clone();
            expected.sort_by_key(|(number, _)| number / 4);
            sort(&mut ours, |one, other| (one.0 / 4).cmp(&(other.0 / 4)));
            prop_assert_eq!(ours, expected);
        }
    }
}

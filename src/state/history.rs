//! The history of all refresh tokens that a refresh replaced, for years: a line for each in
//! `.token-refresher/replaced`. The status file holds only the latest of each file, since it is rewritten whole.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::files::{Directory, Journal, JournalEnd};
use crate::secret::Fingerprint;

/// The size of each of the two generations, in bytes: the hourly rotations of 50 sign-ins in a year.
const LARGEST: u64 = 16 << 20;

/// The name of the newer generation in the program's own directory.
const FILE: &str = "replaced";

/// The results of earlier searches in the history of one tokens directory.
#[derive(Default)]
pub(super) struct History {
    /// The place up to which the history was read.
    end: Option<JournalEnd>,
    /// Tokens that the history did not have there: nothing has replaced them.
    unknown: HashSet<Fingerprint>,
}

impl History {
    /// Records that a refresh replaced `token` by `successor`.
    pub(super) fn add(
        &mut self,
        tokens: &Directory,
        token: Fingerprint,
        successor: Fingerprint,
    ) -> io::Result<()> {
        self.unknown.remove(&token);
        Journal::new(tokens.own()?.file_at(FILE), LARGEST).add(&format!("{token} {successor}"))
    }

    /// The replaced ones among `tokens` and among all that were searched before, each with its youngest successor.
    pub(super) fn look_up(
        &mut self,
        directory: &Directory,
        tokens: &mut dyn Iterator<Item = Fingerprint>,
    ) -> io::Result<Vec<(Fingerprint, Fingerprint)>> {
        let Some(own) = directory.own_if_there()? else { return Ok(Vec::new()) };
        let journal = Journal::new(own.file_at(FILE), LARGEST);
        let new: Vec<Fingerprint> = tokens.filter(|token| !self.unknown.contains(token)).collect();
        if new.is_empty() && (self.unknown.is_empty() || journal.is_read_to(self.end)) {
            return Ok(Vec::new());
        }
        let seen = self.end.filter(|_| new.is_empty());
        self.unknown.extend(new);
        let mut trail = Trail::of(&self.unknown);
        self.end = journal.read(seen, &mut |line| trail.follow(line))?;
        let found = trail.ends();
        for (token, _) in &found {
            self.unknown.remove(token);
        }
        Ok(found)
    }

    /// The number of tokens that were searched and are unknown.
    pub(super) fn count(&self) -> usize {
        self.unknown.len()
    }

    /// Makes every token be searched again.
    pub(super) fn forget_looks(&mut self) {
        *self = Self::default();
    }
}

/// Whether a refresh in the tokens directory `tokens` replaced `token`, as far as the history can be read.
pub(crate) fn is_replaced(tokens: &Directory, token: Fingerprint) -> bool {
    let found = History::default().look_up(tokens, &mut std::iter::once(token));
    found.is_ok_and(|found| !found.is_empty())
}

/// Follows tokens from one successor to the next, in the order in which they were replaced.
struct Trail {
    /// The tokens that lead to each successor.
    ends: HashMap<Fingerprint, Vec<Fingerprint>>,
}

impl Trail {
    fn of(tokens: &HashSet<Fingerprint>) -> Self {
        Self { ends: tokens.iter().map(|token| (*token, vec![*token])).collect() }
    }

    /// Follows one line. A line that is not the journal's, such as one that broke off, is passed over.
    fn follow(&mut self, line: &str) {
        let pair = line.split_once(' ').and_then(|(token, successor)| {
            Some((Fingerprint::parse(token)?, Fingerprint::parse(successor)?))
        });
        if let Some((token, successor)) = pair
            && let Some(tokens) = self.ends.remove(&token)
        {
            self.ends.entry(successor).or_default().extend(tokens);
        }
    }

    /// Each token with its youngest successor. A token that leads back to itself is in use again: a provider may issue
    /// an old token anew.
    fn ends(self) -> Vec<(Fingerprint, Fingerprint)> {
        let pairs =
            self.ends.into_iter().flat_map(|(end, tokens)| tokens.into_iter().map(move |token| (token, end)));
        pairs.filter(|(token, end)| token != end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn print(number: usize) -> Fingerprint {
        Fingerprint::of(number.to_string().as_bytes())
    }

    fn look_up(
        history: &mut History,
        tokens: &Directory,
        asked: &[usize],
    ) -> Vec<(Fingerprint, Fingerprint)> {
        history.look_up(tokens, &mut asked.iter().map(|number| print(*number))).unwrap()
    }

    #[test]
    fn a_year_of_hourly_rotations_is_known_and_costs_little() {
        let scratch = Scratch::new();
        let tokens = Directory::open(&scratch).unwrap();
        let mut history = History::default();
        let hours = 8760;
        for hour in 0..hours {
            history.add(&tokens, print(hour), print(hour + 1)).unwrap();
        }
        let asked = [0, 1, 4000, hours - 1, hours, hours + 1];
        let mut found = look_up(&mut History::default(), &tokens, &asked);
        found.sort_unstable();
        let mut expected = [0, 1, 4000, hours - 1].map(|number| (print(number), print(hours)));
        expected.sort_unstable();
        assert_eq!(found, expected);
        let size = std::fs::metadata(scratch.join(".token-refresher/replaced")).unwrap().len();
        assert_eq!(size, 34 * hours as u64);
    }

    #[test]
    fn what_another_process_adds_later_is_seen() {
        let scratch = Scratch::new();
        let tokens = Directory::open(&scratch).unwrap();
        let (mut ours, mut theirs) = (History::default(), History::default());
        assert_eq!(look_up(&mut ours, &tokens, &[1, 7]), []);
        theirs.add(&tokens, print(1), print(2)).unwrap();
        theirs.add(&tokens, print(2), print(3)).unwrap();
        assert_eq!(look_up(&mut ours, &tokens, &[1]), [(print(1), print(3))]);
        assert_eq!(look_up(&mut ours, &tokens, &[7]), []);
        theirs.add(&tokens, print(7), print(8)).unwrap();
        assert_eq!(look_up(&mut ours, &tokens, &[]), [(print(7), print(8))]);
    }

    #[test]
    fn a_token_that_is_in_use_again_was_not_replaced() {
        let scratch = Scratch::new();
        let tokens = Directory::open(&scratch).unwrap();
        let mut history = History::default();
        for (token, successor) in [(1, 2), (2, 1)] {
            history.add(&tokens, print(token), print(successor)).unwrap();
        }
        assert_eq!(look_up(&mut history, &tokens, &[1, 2]), [(print(2), print(1))]);
    }
}

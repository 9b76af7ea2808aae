//! From what stands in the directory to what is done about it: the log's sentences about each token,
//! and the jobs in the order of their turns.

use std::collections::{BTreeMap, BTreeSet};

use log::Level;

use super::story::{Story, Subject, Topic};
use super::survey::{Plan, Seen, Survey};
use super::work::Job;
use crate::clock::{Timestamp, Words};
use crate::refresh::Kind as TroubleKind;
use crate::status::{AHEAD, NeededFor};

/// Says of each token when it expires and what happens, and makes the jobs, in the order of their
/// turns. Tokens in `busy` are left alone; `force` makes every one due that can be refreshed; those in `waiting_before` waited for their endpoint
/// in the last cycle.
pub(super) fn plan(
    survey: &Survey,
    force: bool,
    busy: &BTreeSet<String>,
    waiting_before: &BTreeSet<String>,
    now: Timestamp,
    story: &mut Story,
) -> Vec<Job> {
    let chains = chains(survey);
    let curable = |seen: &Seen| seen.newest.as_ref().is_some_and(|newest| chains.contains_key(newest));
    let due = |seen: &Seen| {
        let wanted = force || matches!(seen.plan, Plan::Due | Plan::Recheck) || curable(seen);
        wanted && seen.monitored.is_none() && !busy.contains(&seen.name)
    };
    let mut waiting: Vec<&Seen> = survey.tokens.iter().filter(|seen| due(seen)).collect();
    waiting.sort_by_key(|seen| seen.standing.turn(seen.life.expires_at));
    // Looked at again without a word: what stands against them was said, and most likely still does.
    let quiet = |seen: &Seen| {
        let held_up =
            || seen.standing.trouble.as_ref().is_some_and(|trouble| trouble.kind == TroubleKind::Local);
        !force && (seen.plan == Plan::Recheck || waiting_before.contains(&seen.name) || held_up())
    };
    if waiting.iter().any(|seen| !quiet(seen)) {
        story.something_happened();
    }
    for seen in survey.tokens.iter().filter(|seen| !due(seen)) {
        not_refreshed(seen, now, story);
    }
    for seen in &survey.tokens {
        early_warning(seen, now, story);
    }
    let mut jobs = Vec::new();
    let mut taken = BTreeSet::new();
    for seen in waiting {
        if !taken.insert(seen.name.clone()) {
            continue;
        }
        if let Some(newest) = &seen.newest {
            let what = "holds a refresh token that has been replaced; bringing it up to date...";
            story.say(Subject::Refresh, format!("{}: {what}", seen.name));
            jobs.push(Job::Heal { copy: seen.name.clone(), newest: newest.clone() });
            continue;
        }
        if !quiet(seen) {
            story.say(Subject::Refresh, format!("{}: {}, refreshing...", seen.name, expires(seen, now)));
        }
        let names = match &seen.refresh_hash {
            Some(hash) => chains.get(hash).cloned().unwrap_or_else(|| vec![seen.name.clone()]),
            None => vec![seen.name.clone()],
        };
        taken.extend(names.iter().cloned());
        jobs.push(Job::Refresh { names, expected: seen.refresh_hash.clone() });
    }
    jobs
}

/// The files of each refresh token, by its fingerprint.
fn chains(survey: &Survey) -> BTreeMap<String, Vec<String>> {
    let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in &survey.tokens {
        if let Some(hash) = &seen.refresh_hash {
            chains.entry(hash.clone()).or_default().push(seen.name.clone());
        }
    }
    chains
}

/// The sentence about a token that is not refreshed in this cycle.
fn not_refreshed(seen: &Seen, now: Timestamp, story: &mut Story) {
    if let Some(why) = &seen.monitored {
        return monitored(seen, why, now, story);
    }
    let expires = expires(seen, now);
    let what = match seen.plan {
        Plan::Later(_) | Plan::Never => "no refresh needed".to_owned(),
        Plan::Waiting(until) => format!("next attempt in {}", Words(until.since(now))),
        Plan::Blocked => "waiting for a new sign-in".to_owned(),
        Plan::Due | Plan::Recheck => "its new token is being stored".to_owned(),
    };
    story.say(Subject::Refresh, format!("{}: {expires}, {what}", seen.name));
    if let Some(trouble) = seen.standing.trouble.as_ref().filter(|trouble| {
        matches!(seen.plan, Plan::Waiting(_) | Plan::Blocked) && trouble.refresh_hash == seen.refresh_hash
    }) {
        super::results::say_trouble(&seen.name, trouble, seen.life.expires_at, now, story);
    }
}

/// A token that only a person can renew: said when it is found, a day before it ends, and when it has
/// ended.
pub(super) fn monitored(seen: &Seen, why: &str, now: Timestamp, story: &mut Story) {
    let about = &seen.name;
    match seen.life.expires_at {
        Some(end) if end <= now => {
            let message = format!("has expired and cannot be refreshed ({why}); put a new token there");
            story.problem(about, Topic::Ending, Level::Error, &message, "");
        }
        Some(end) if end.since(now) <= AHEAD => {
            let message =
                format!("expires within a day and cannot be refreshed ({why}); put a new token there");
            let detail = format!(" (in {})", Words(end.since(now)));
            story.problem(about, Topic::Ending, Level::Warn, &message, &detail);
        }
        _ => {}
    }
    story.say(Subject::Refresh, format!("{about}: {}, monitored only: {why}", expires(seen, now)));
}

/// That a person will be needed, said while there is a day left. Of a token that is only watched its
/// own sentence says it.
fn early_warning(seen: &Seen, now: Timestamp, story: &mut Story) {
    let facts = seen.facts();
    match facts.need(now) {
        Some(need) if need.what != NeededFor::TokenEnds => {
            let detail = format!(" ({})", need.words(now));
            story.problem(&seen.name, Topic::Ending, Level::Warn, need.message(), &detail);
        }
        // What it warned of has come; the error about that is said elsewhere.
        None if seen.monitored.is_none() && facts.trouble().is_some() => {
            story.still(&seen.name, Topic::Ending);
        }
        _ => {}
    }
}

/// When a token expires, in the words of the log.
fn expires(seen: &Seen, now: Timestamp) -> String {
    match seen.life.expires_at {
        _ if !seen.has_access => "has no access token yet".to_owned(),
        None => "does not expire".to_owned(),
        Some(end) if end <= now => format!("expired {} ago", Words(now.since(end))),
        Some(end) => format!("expires in {}", Words(end.since(now))),
    }
}

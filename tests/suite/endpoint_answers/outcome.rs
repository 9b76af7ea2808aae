//! The documented outcomes, and what must be true of the token file and of the status file for each.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

/// The access token that the file holds before.
pub(crate) const OLD_ACCESS: &str = "at-old.Zm9v_x7Q";
/// The refresh token that the file holds before. `+`, `/` and `=` come out wrong without encoding.
pub(crate) const OLD_REFRESH: &str = "rt-old/0001+k9=";
/// The access token of the answers.
pub(crate) const NEW_ACCESS: &str = "at-new.YmFy_y8R";
/// The refresh token of the answers.
pub(crate) const NEW_REFRESH: &str = "rt-new/0002+m3=";
/// The client's secret.
pub(crate) const CLIENT_SECRET: &str = "c11ent s3cret: 100%&+/=";
/// How long the old access token still lasts.
pub(crate) const LEFT: i64 = 1800;

/// What a behaviour means, as the program's documentation says it.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// New tokens are in the file.
    Refreshed(New),
    /// A person must sign in; nothing is asked again.
    SignIn,
    /// A setting must change; nothing is sent again before.
    Configuration,
    /// The same, and the new refresh token is in the file, without a new access token.
    Half,
    /// Asked again after so many seconds.
    Passing(RangeInclusive<i64>),
    /// The refresh token may be spent; asked again after so many seconds.
    InDoubt(RangeInclusive<i64>),
}

/// What a successful answer puts into the file.
#[derive(Clone, Debug)]
pub(crate) struct New {
    /// The refresh token: the answer's, or the one from before.
    pub rotated: bool,
    /// The new lifetime in seconds.
    pub lasts: i64,
    /// How many seconds the refresh token itself lasts, where the file says so.
    pub refresh_lasts: Option<i64>,
    /// Other members of the file afterwards.
    pub members: Vec<(&'static str, Value)>,
}

/// New tokens, both replaced, that last so long.
pub(crate) fn rotated(lasts: i64) -> Outcome {
    Outcome::Refreshed(New { rotated: true, lasts, refresh_lasts: None, members: Vec::new() })
}

/// A new access token that lasts so long; the refresh token stays.
pub(crate) fn kept(lasts: i64) -> Outcome {
    Outcome::Refreshed(New { rotated: false, lasts, refresh_lasts: None, members: Vec::new() })
}

/// Asked again as after the first failure: 30 seconds, half of it random.
pub(crate) fn passing() -> Outcome {
    Outcome::Passing(15..=30)
}

/// In doubt at a provider that takes no refresh token twice: once more a minute before the expiry.
pub(crate) fn in_doubt() -> Outcome {
    Outcome::InDoubt(LEFT - 60..=LEFT - 60)
}

impl Outcome {
    /// The same, and the file holds this.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        if let Self::Refreshed(new) = &mut self {
            new.members.push((name, value.into()));
        }
        self
    }

    /// The same, and the refresh token lasts so many seconds.
    pub(crate) fn refresh_lasts(mut self, seconds: i64) -> Self {
        if let Self::Refreshed(new) = &mut self {
            new.refresh_lasts = Some(seconds);
        }
        self
    }

    /// How the status file calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Refreshed(_) => "none",
            Self::SignIn => "sign_in_again",
            Self::Configuration | Self::Half => "configuration",
            Self::Passing(_) => "passing",
            Self::InDoubt(_) => "in_doubt",
        }
    }

    /// How the log calls a failure: an error when a person must act.
    pub(crate) fn level(&self) -> &'static str {
        match self {
            Self::SignIn | Self::Configuration | Self::Half => "[ERROR]",
            _ => "[WARNING]",
        }
    }

    /// After how many seconds the next request comes; `None`: not until something changes.
    pub(crate) fn again(&self) -> Option<&RangeInclusive<i64>> {
        match self {
            Self::Passing(again) | Self::InDoubt(again) => Some(again),
            _ => None,
        }
    }
}

impl New {
    /// What of the file is not as it should be.
    pub(crate) fn wrong_in(
        &self,
        file: &Value,
        grant_is_refresh: bool,
        times: RangeInclusive<i64>,
    ) -> Option<String> {
        let refresh_token = match (grant_is_refresh, self.rotated) {
            (false, _) => Value::Null,
            (true, true) => NEW_REFRESH.into(),
            (true, false) => OLD_REFRESH.into(),
        };
        let mut expected = vec![("access_token", json!(NEW_ACCESS)), ("refresh_token", refresh_token)];
        expected.extend(self.members.iter().cloned());
        expected.push(("unknown", json!({"to us": [1.50, null]})));
        if let Some((name, value)) = expected
            .into_iter()
            .filter(|(name, _)| !self.members.iter().any(|(own, value)| own == name && file[name] == *value))
            .find(|(name, value)| file[name] != *value)
        {
            return Some(format!("{name} should be {value}, and is {}", file[name]));
        }
        let ends = [("expires_at", Some(self.lasts)), ("refresh_expires_at", self.refresh_lasts)];
        ends.into_iter().find_map(|(name, lasts)| {
            let (end, lasts) = (file[name].as_i64().unwrap_or_default(), lasts?);
            // An end that the answer names is a little nearer when it comes than when the row was made.
            let (first, last) = (times.start() + lasts - 15, times.end() + lasts + 1);
            let is = end - times.start();
            (!(first..=last).contains(&end))
                .then(|| format!("{name} should be in {lasts} s, and is in {is} s"))
        })
    }
}

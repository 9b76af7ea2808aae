//! Looks at everything as a cycle would and changes nothing: what `status` and `check` are made from.

use std::path::Path;
use std::time::Duration;

use super::services::KEYCLOAK_GATEWAY;
use super::survey::{Circumstances, Seen, survey};
use super::{generated, providers};
use crate::clock::Timestamp;
use crate::files::{Holder, OWN_DIRECTORY, holder, read_whole, reason};
use crate::oauth::Providers;
use crate::settings::Settings;
use crate::status::{DaemonRecord, DaemonSeen, Facts, Overview, Store, Token};
use crate::tokens::name::{Role, role};

/// The picture of the tokens directory at `now`. The buffer and the interval are those of who keeps it,
/// where somebody does or did.
///
/// # Errors
/// What could not be read, in one line.
pub(crate) fn inspect(settings: &Settings, now: Timestamp) -> Result<Overview, String> {
    let directory = &settings.tokens_dir;
    let holder = daemon_holder(directory)?;
    let store = Store::open(directory);
    let record = store.daemon();
    let buffer = record.as_ref().map_or(settings.buffer, |record| Duration::from_secs(record.buffer));
    let interval = record.as_ref().map_or(settings.interval, |record| Duration::from_secs(record.interval));
    let recorded = record.as_ref().and_then(recorded_providers);
    let circumstances = Circumstances {
        // A broken file of providers stops the daemon, which says so. Here it costs some names.
        providers: &recorded.unwrap_or_else(|| providers(settings).unwrap_or_else(|_| Providers::builtin())),
        variable: &|name| settings.environment.get(name),
        known: &|file| store.standing_of_known(file),
        newest: &|token| store.newest_of_known(token),
        buffer,
        forced: false,
        now,
    };
    let seen = survey(directory, &generated(), &circumstances)
        .map_err(|error| format!("{} cannot be read: {}", directory.display(), reason(&error)))?;
    let mut tokens: Vec<Token> =
        seen.tokens.iter().map(|seen| Token::of(&trusted(seen), buffer, now)).collect();
    tokens.extend(
        seen.problems
            .iter()
            .map(|(name, why)| Token::unusable(name, role(name) != Role::Other, why.to_string())),
    );
    let report = Overview {
        now,
        tokens_dir: directory.display().to_string(),
        daemon: DaemonSeen { holder, record },
        interval,
        buffer,
        cycle: store.cycle(),
        endpoints: store.endpoints(),
        hook: store.hook(),
        tokens,
    };
    Ok(report.sorted())
}

/// The providers that the daemon knows by its own file; `None` where it has none, or one that cannot be
/// used any more, which is the daemon's to complain of.
pub(crate) fn recorded_providers(record: &DaemonRecord) -> Option<Providers> {
    let (text, _) = read_whole(Path::new(record.providers.as_deref()?)).ok()?;
    Providers::with_user_rows(&text).ok()
}

/// What the daemon's lock says.
///
/// # Errors
/// That it may not be looked at, in one line.
pub(crate) fn daemon_holder(tokens: &Path) -> Result<Holder, String> {
    let path = tokens.join(OWN_DIRECTORY).join("daemon.lock");
    holder(&path).map_err(|error| format!("{} cannot be looked at: {}", path.display(), reason(&error)))
}

/// The facts about a token, as far as this process can know them: client credentials may stand in the
/// daemon's environment alone, so one that has been refreshed without a refresh token is no token that
/// nobody can refresh.
fn trusted(seen: &Seen) -> Facts<'_> {
    let facts = seen.facts();
    let machine = facts.refresh_hash.is_none() && facts.standing.last_success.is_some();
    Facts { monitored: facts.monitored.filter(|_| !machine), ..facts }
}

impl Seen {
    /// What is known of it, for those who judge.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            file: &self.name,
            in_configurations: self.role != Role::Other || self.name == KEYCLOAK_GATEWAY,
            life: &self.life,
            has_access: self.has_access,
            refresh_hash: self.refresh_hash.as_deref(),
            monitored: self.monitored.as_deref(),
            standing: &self.standing,
            plan: self.plan,
        }
    }
}

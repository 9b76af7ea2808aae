//! `token-refresher headers SERVER` prints the headers of a request to one server, for clients that run a command.
//! `token-refresher token NAME` prints one access token, for scripts.
//!
//! All facts come from files, since clients run the command with an empty environment. The commands write nothing and
//! send no request. An expired token is never printed: the client would take the server's refusal for a fault of its
//! own.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::clients::{Service, headers_json};
use crate::clock::{Timestamp, Words};
use crate::files::{Directory, Holder, Stamp, holder, reason};
use crate::oauth::Providers;
use crate::secret::Secret;
use crate::servers;
use crate::services::{
    KEYCLOAK_GATEWAY, TokenSource, gather, list_token_files, may_be_entry, meant, recorded_providers,
};
use crate::settings::Places;
use crate::state::{DaemonRecord, LastFailure, Store, daemon_holder};
use crate::status::login_command;
use crate::text::escaped;
use crate::tokens::directory::{self, Problem};
use crate::tokens::due::{Past, due_at};
use crate::tokens::name::{Role, role, stem};
use crate::tokens::spelled::name_of;

/// The longest wait for a refresh that is under way. Clients give their helper about ten seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The time between two looks at a refresh that is under way: the most that a client waits too long.
const POLL: Duration = Duration::from_millis(10);

/// A token that expired longer ago than this is not about to be refreshed. The daemon looks when a token is due, and
/// at least once a minute.
const JUST_NOW: Duration = Duration::from_mins(1);

/// A service, and the files that hold the tokens of its headers.
struct Found {
    service: Service,
    files: Vec<TokenSource>,
}

/// The headers of a request to `server` as one JSON object. Waits for [`PATIENCE`] where a refresh is under way.
///
/// # Errors
/// One line for people: no such server is known, or a token for its headers has expired or cannot be read.
pub(crate) fn headers(server: &str, places: &Places) -> Result<Secret, String> {
    let directory = open(places)?;
    let store = Store::of(Some(directory.clone()));
    let record = store.daemon();
    let read = || find(server, &directory, places, record.as_ref());
    let (found, now) = after_refresh(read, |found| &found.files)?;
    match expired(&found.files, now, &store, places) {
        None => Ok(headers_json(&found.service)),
        Some(why) => Err(why),
    }
}

/// Reads with `read` until no refresh of the files is under way, or for [`PATIENCE`]. Returns the time of the last
/// read, too.
fn after_refresh<T>(
    read: impl Fn() -> Result<T, String>,
    files: impl Fn(&T) -> &[TokenSource],
) -> Result<(T, Timestamp), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = read()?;
        let now = Timestamp::now();
        let changing = files(&found).iter().any(|file| is_changing(file, now));
        if !changing || Instant::now() >= deadline {
            return Ok((found, now));
        }
        std::thread::sleep(POLL);
    }
}

/// The facts for a request to one server at this moment.
pub(crate) struct Moment {
    /// The server's address and headers.
    pub service: Service,
    /// The files of the tokens in the headers, each with its state when it was read.
    pub files: Vec<(PathBuf, Stamp)>,
    /// The earliest expiry of those tokens.
    pub expires_at: Option<Timestamp>,
    /// The earliest time at which one of those tokens is to be refreshed.
    pub due_at: Option<Timestamp>,
    /// Why an expired token has not been refreshed, where one has expired.
    pub expired: Option<String>,
    /// Whether another token may be there in a moment.
    pub changing: bool,
}

/// The facts for a request to `server`, even where its tokens have expired. `otherwise` names the places of files
/// where no daemon has recorded them.
///
/// # Errors
/// One line for people: no such server is known, or a token for its headers cannot be read.
pub(crate) fn moment(server: &str, places: &Places, otherwise: &DaemonRecord) -> Result<Moment, String> {
    let directory = open(places)?;
    let store = Store::of(Some(directory.clone()));
    let record = store.daemon();
    let record = record.as_ref().unwrap_or(otherwise);
    let Found { service, files } = find(server, &directory, places, Some(record))?;
    let now = Timestamp::now();
    let buffer = Duration::from_secs(record.buffer);
    Ok(Moment {
        expired: expired(&files, now, &store, places),
        changing: files.iter().any(|file| is_changing(file, now)),
        expires_at: files.iter().filter_map(|file| file.life.expires_at).min(),
        due_at: files.iter().filter_map(|file| due_at(&file.life, &Past::default(), buffer, now)).min(),
        files: files
            .into_iter()
            .map(|file| (places.tokens_dir.join(name_of(&file.name)), file.stamp()))
            .collect(),
        service,
    })
}

/// The access token of the file that `name` means: its name in `status`, or its file name. Waits for [`PATIENCE`]
/// where a refresh is under way. The error is one line: no such file is there, or its token has expired or cannot be
/// read.
pub(crate) fn token(name: &str, places: &Places) -> Result<Secret, String> {
    let directory = &open(places)?;
    let store = Store::of(Some(directory.clone()));
    let names = list_token_files(directory).map_err(|error| cannot_be_read(places, &error))?.names;
    let providers = Providers::builtin();
    let found = meant(name, names.iter().map(String::as_str), &providers);
    let [file] = found[..] else {
        let (which, known) = match found[..] {
            [] => ("no token file is called", &names.iter().map(String::as_str).collect::<Vec<_>>()),
            _ => ("more than one token file is for", &found),
        };
        let known: Vec<&str> = known.iter().map(|file| stem(file)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(escaped(&format!("{which} {name:?}; known are: {known}")).into_owned());
    };
    let read = || {
        let begun = Timestamp::now();
        let read = directory::read(directory, file);
        let read = read.map_err(|problem| unusable(&(file.to_owned(), problem)))?;
        let read = read.ok_or_else(|| format!("{file}: there is no such file"))?;
        Ok(([TokenSource::of(&read, &providers, begun)], read.document))
    };
    let ((source, document), now) = after_refresh(read, |(source, _)| source)?;
    // The name of a file does not tell where an unknown provider's name ends, the file itself does.
    if ![file, stem(file), source[0].server()].contains(&name) {
        let known =
            format!("no token file is called {name:?}; {} is for {:?}", stem(file), source[0].server());
        return Err(escaped(&known).into_owned());
    }
    if let Some(why) = expired(&source, now, &store, places) {
        return Err(why);
    }
    document.access_token().ok_or_else(|| match store.get(file).failure {
        Some(failure) => {
            let why = reason_and_remedy(file, &failure, places);
            format!("{file}: it holds no access token: {why}")
        }
        None => format!("{file}: it holds no access token"),
    })
}

fn open(places: &Places) -> Result<Directory, String> {
    Directory::open(&places.tokens_dir).map_err(|error| cannot_be_read(places, &error))
}

fn cannot_be_read(places: &Places, error: &io::Error) -> String {
    format!("the tokens directory {} cannot be read: {}", places.tokens_dir.display(), reason(error))
}

/// Whether another token may be there in a moment, or is there already. A refresh is under way, is due, or has ended
/// since the file was read. The lock is looked at before the file: a refresh stores its answer, then frees the lock.
fn is_changing(file: &TokenSource, now: Timestamp) -> bool {
    file.expired_since(now).is_some_and(|ended| now.since(ended) < JUST_NOW)
        || file.real.known_lock_file().is_some_and(|lock| holder(&lock).is_ok_and(Holder::is_held))
        || file.real.inode().is_ok_and(|found| found.stamp != file.stamp())
}

/// The error for the first expired token, if any: why it was not refreshed, and what to do.
fn expired(files: &[TokenSource], now: Timestamp, store: &Store, places: &Places) -> Option<String> {
    let (file, ended) = files.iter().find_map(|file| Some((file, file.expired_since(now)?)))?;
    let because = match store.get(&file.name).failure {
        Some(failure) => reason_and_remedy(&file.name, &failure, places),
        None if daemon_holder(&places.tokens_dir).is_ok_and(Holder::is_held) => {
            "the log of token-refresher says why".to_owned()
        }
        None => format!(
            "no token-refresher runs for {}; start it, or run it with --once",
            places.tokens_dir.display()
        ),
    };
    Some(format!("{}: its token expired {} ago: {because}", file.name, Words(now.since(ended))))
}

/// The message of the failure, with the command that helps where a person must sign in again.
fn reason_and_remedy(file: &str, failure: &LastFailure, places: &Places) -> String {
    if failure.says_to_sign_in() {
        format!("{}: {}", failure.message, login_command(stem(file), &places.dir))
    } else {
        failure.message.clone()
    }
}

/// Finds the service and reads its tokens. Only files whose names fit are read, unless there is no such service: the
/// message then names all.
fn find(
    server: &str,
    directory: &Directory,
    places: &Places,
    record: Option<&DaemonRecord>,
) -> Result<Found, String> {
    find_among(&|file| may_be_entry(file, server), server, directory, places, record)
        .or_else(|_| find_among(&|_| true, server, directory, places, record))
}

fn find_among(
    wanted: &dyn Fn(&str) -> bool,
    server: &str,
    directory: &Directory,
    places: &Places,
    record: Option<&DaemonRecord>,
) -> Result<Found, String> {
    let providers = record.and_then(recorded_providers).unwrap_or_else(Providers::builtin);
    let (files, unread) = TokenSource::read_wanted(directory, &providers, wanted)
        .map_err(|error| cannot_be_read(places, &error))?;
    let registry = servers::read_registry(&places.servers_dir(record.map(|record| &*record.servers_dir)));
    let registry_url = record.and_then(|record| record.registry_url.as_deref());
    let keycloak = record.is_some_and(|record| record.keycloak);
    let gathered = gather(files.iter(), &registry.servers, registry_url, keycloak);
    let service = gathered.services.list.iter().find(|service| service.name == server);
    let broken_gateway = unread.iter().find(|(name, _)| {
        role(name) == Role::Gateway && gathered.gateway.is_none() || keycloak && name == KEYCLOAK_GATEWAY
    });
    match broken_gateway {
        // A server with an address of its own needs no token of the gateway.
        Some(unread) if service.is_none_or(|service| service.behind_gateway) => return Err(unusable(unread)),
        _ => {}
    }
    let Some(service) = service else {
        return Err(unknown(server, &gathered.services.list, &unread));
    };
    let gateway = gathered.gateway.filter(|_| service.behind_gateway);
    let needed = [gathered.files.get(server).copied(), gateway];
    let needed: Vec<String> = needed.into_iter().flatten().map(str::to_owned).collect();
    let service = service.clone();
    let files = files.into_iter().filter(|file| needed.contains(&file.name)).collect();
    Ok(Found { service, files })
}

fn unknown(server: &str, known: &[Service], unread: &[(String, Problem)]) -> String {
    let names: Vec<String> = known.iter().map(|service| service.name.escape_debug().to_string()).collect();
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut message = format!("no server is called {server:?}; known are: {known}");
    for unread in unread {
        message.extend(["; ", &unusable(unread)]);
    }
    message
}

fn unusable((name, problem): &(String, Problem)) -> String {
    format!("{name} cannot be used: {problem}")
}

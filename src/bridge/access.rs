//! The address of the server, and the headers with the token that is valid at this moment.
//!
//! The files are checked before each request, and read when they have changed. An expired token is not sent: the
//! request waits for a new one, as after a refusal.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::refresher::Refresher;
use crate::clients::Service;
use crate::clock::Timestamp;
use crate::files::Stamp;
use crate::headers::{Moment, moment};
use crate::ordered;
use crate::secret::{Fingerprint, Secret};
use crate::servers::McpTransport;
use crate::settings::Places;
use crate::state::DaemonRecord;
use crate::status::login_command;
use crate::text::shell_word;
use crate::tokens::name::stem;

/// How long to wait for a refresh after a token was refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often to look for another token. A refresh takes a tenth of a second and more, so the delay adds little. Each
/// look is a stat of a few files.
const POLL: Duration = Duration::from_millis(25);

/// The source of the address and the headers.
pub(super) enum AccessSource {
    /// The files of a project.
    Files {
        server: String,
        /// The directories of the files.
        places: Places,
        /// The settings that a daemon would record, for the case that there is no daemon.
        otherwise: Box<DaemonRecord>,
    },
    /// The environment, which does not change.
    Environment { url: String, headers: Vec<(String, Secret)> },
}

/// The address and headers of one request.
pub(super) struct RequestTarget {
    pub url: String,
    /// The address for messages.
    pub shown: String,
    pub transport: McpTransport,
    pub headers: HeaderMap,
    /// A fingerprint of the headers, to tell one set from another without keeping a secret.
    mark: Fingerprint,
    files: Vec<(PathBuf, Stamp)>,
    expires_at: Option<Timestamp>,
    due_at: Option<Timestamp>,
    expired: Option<String>,
    changing: bool,
}

/// The command that brings another token for these requests.
fn login(target: &RequestTarget, places: &Places) -> String {
    let name = target.files.first().and_then(|(path, _)| path.file_name()?.to_str());
    login_command(name.map_or("NAME", stem), &places.dir)
}

/// Finds the address and headers of each request.
pub(super) struct ServerAccess {
    source: AccessSource,
    known: Mutex<Option<Arc<RequestTarget>>>,
    /// The fingerprint of headers that were refused while no others came in time.
    dead: Mutex<Option<Fingerprint>>,
    refresher: Arc<Refresher>,
}

impl ServerAccess {
    /// Reads the address and headers for the first time. The error is one line for people.
    pub(super) fn new(source: AccessSource, refresher: Arc<Refresher>) -> Result<Self, String> {
        let first = Arc::new(read_target(&source)?);
        Ok(Self { source, known: Mutex::new(Some(first)), dead: Mutex::default(), refresher })
    }

    /// The server's address and transport, which never change.
    pub(super) fn server(&self) -> Result<(String, McpTransport), String> {
        self.present_target().map(|target| (target.url.clone(), target.transport))
    }

    /// The address and headers of a request now. Waits a while for a new token if the present one has expired. The
    /// error gives a remedy.
    pub(super) fn current(&self) -> Result<Arc<RequestTarget>, String> {
        let target = self.present_target()?;
        if target.due_at.is_some_and(|due| due <= Timestamp::now()) {
            self.refresher.request_refresh(target.file_names());
        }
        let Some(expired) = target.expired.clone() else { return Ok(target) };
        self.other_than(&target).ok_or(expired)
    }

    /// The address and headers of a request after `refused` was refused, as soon as the headers are different. Waits
    /// for a refresh that may be under way, but only once for the same token.
    pub(super) fn other_than(&self, refused: &RequestTarget) -> Option<Arc<RequestTarget>> {
        let is_dead = |dead: &Option<Fingerprint>| *dead == Some(refused.mark);
        let known_dead = is_dead(&self.dead.lock().unwrap_or_else(PoisonError::into_inner));
        let until = Instant::now() + PATIENCE;
        // Reads all files again, so that new ones are found.
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        loop {
            let now = self.present_target().ok();
            if let Some(target) = now.filter(|target| target.mark != refused.mark && target.expired.is_none())
            {
                return Some(target);
            }
            if Instant::now() >= until || self.is_fixed() || known_dead && !self.is_changing() {
                *self.dead.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused.mark);
                return None;
            }
            std::thread::sleep(POLL);
        }
    }

    /// A person's remedy for a token that the server refuses.
    pub(super) fn remedy(&self, target: &RequestTarget) -> String {
        match (&self.source, &target.expired) {
            (_, Some(expired)) => expired.clone(),
            (AccessSource::Files { places, .. }, None) => {
                format!("see token-refresher status, or sign in again: {}", login(target, places))
            }
            (AccessSource::Environment { .. }, None) => {
                "the token in this program's environment does not change; start it again with a new one"
                    .to_owned()
            }
        }
    }

    /// A person's remedy for a token that lacks `scope`, as the end of a sentence.
    pub(super) fn with_scope(&self, scope: &str) -> String {
        match (&self.source, self.present_target()) {
            (AccessSource::Files { places, .. }, Ok(target)) => {
                let command = login(&target, places);
                format!("; sign in again with it: {command} --scope {}", shell_word(scope))
            }
            _ => String::new(),
        }
    }

    fn is_fixed(&self) -> bool {
        matches!(self.source, AccessSource::Environment { .. })
    }

    fn is_changing(&self) -> bool {
        self.refresher.is_running() || read_target(&self.source).is_ok_and(|target| target.changing)
    }

    /// The known target, or a new one if the files have changed or a token has expired.
    fn present_target(&self) -> Result<Arc<RequestTarget>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = known.as_ref().filter(|target| target.is_current()) {
            return Ok(Arc::clone(target));
        }
        let target = Arc::new(read_target(&self.source)?);
        *known = Some(Arc::clone(&target));
        Ok(target)
    }
}

impl RequestTarget {
    fn file_names(&self) -> BTreeSet<String> {
        let names = self.files.iter().filter_map(|(path, _)| path.file_name()?.to_str());
        ordered::set(names.map(str::to_owned))
    }

    fn is_current(&self) -> bool {
        self.expired.is_none()
            && self.expires_at.is_none_or(|end| Timestamp::now() < end)
            && self.files.iter().all(|(path, stamp)| Stamp::at(path) == Some(*stamp))
    }
}

fn read_target(source: &AccessSource) -> Result<RequestTarget, String> {
    match source {
        AccessSource::Files { server, places, otherwise } => {
            let Moment { service, files, expires_at, due_at, expired, changing } =
                moment(server, places, otherwise)?;
            let headers = headers_of(&service)?;
            let Service { url, transport, .. } = service;
            let mark = mark(&headers);
            let shown = shown(&url);
            Ok(RequestTarget {
                url,
                shown,
                transport,
                headers,
                mark,
                files,
                expires_at,
                due_at,
                expired,
                changing,
            })
        }
        AccessSource::Environment { url, headers } => {
            let headers = map(headers.iter().map(|(name, value)| (name.as_str(), value.clone())))?;
            Ok(RequestTarget {
                url: url.clone(),
                shown: shown(url),
                transport: McpTransport::StreamableHttp,
                mark: mark(&headers),
                headers,
                files: Vec::new(),
                expires_at: None,
                due_at: None,
                expired: None,
                changing: false,
            })
        }
    }
}

/// An address without its query, which may hold a secret.
fn shown(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn headers_of(service: &Service) -> Result<HeaderMap, String> {
    let headers: Vec<_> = service.headers().map(|header| (header.name, header.value.to_text())).collect();
    map(headers.into_iter())
}

fn map<'a>(headers: impl Iterator<Item = (&'a str, Secret)>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let wrong = || format!("the header {} cannot be sent", name.escape_debug());
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        map.insert(name, value);
    }
    Ok(map)
}

fn mark(headers: &HeaderMap) -> Fingerprint {
    let mut all = zeroize::Zeroizing::new(Vec::with_capacity(8 << 10));
    for (name, value) in headers {
        all.extend_from_slice(name.as_str().as_bytes());
        all.push(0);
        all.extend_from_slice(value.as_bytes());
        all.push(0);
    }
    Fingerprint::of(&all)
}

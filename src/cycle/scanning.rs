//! The way of each file into a scan: taken over from the last cycle, or read and judged.

use std::collections::BTreeSet;

use super::credential::{Credential, ScanContext, judge};
use super::kept_token::KeptToken;
use super::memory::Remembered;
use super::token_scan::TokenScan;
use crate::files::{Directory, LastRead, Stamp, leftover};
use crate::oauth::Resolution;
use crate::ordered;
use crate::refresh::{client_file, config_of};
use crate::tokens::FileKind;
use crate::tokens::at_rest::AtRest;
use crate::tokens::directory::{self, Listing, Problem, TokenFile};
use crate::tokens::name::{Role, role};
use crate::tokens::spelled::file_in;

#[derive(Clone, Copy)]
pub(super) enum LeftAs {
    /// No cycle saw the file.
    Unknown,
    /// The file was missing, or was no token file.
    Nothing,
    /// The file was in this state.
    State(Stamp),
}

impl LeftAs {
    pub(super) fn of(remembered: &Remembered) -> Self {
        match remembered {
            Remembered::Token(token) => Self::State(token.source.stamp()),
            Remembered::Unusable(Some(found)) => Self::State(found.stamp),
            Remembered::Unusable(None) | Remembered::WithoutToken(_) | Remembered::Nothing => Self::Nothing,
            Remembered::Unknown => Self::Unknown,
        }
    }

    /// Whether a file in the state `now` has changed.
    fn differs(self, now: Option<Stamp>) -> bool {
        match self {
            Self::Unknown => false,
            Self::Nothing => now.is_some(),
            Self::State(before) => Some(before) != now,
        }
    }
}

/// The use of a file's earlier facts.
#[allow(clippy::large_enum_variant, reason = "made and taken apart at once, for every file of a cycle")]
pub(super) enum TakenOver {
    /// The facts were taken over.
    Same,
    /// The facts can be taken over where the client-credential files are unchanged.
    IfClientsStay(Credential),
    /// The file must be read.
    Read,
}

/// The scan so far.
pub(super) struct Scanning<'a> {
    pub scan: TokenScan,
    /// Files without a request so far. Client credentials in other files may help, and those are known when all files
    /// have been read. Where there are some, these are read once more.
    unclear: BTreeSet<String>,
    directory: &'a Directory,
    listing: &'a Listing,
    context: &'a ScanContext<'a>,
}

impl<'a> Scanning<'a> {
    pub(super) fn new(directory: &'a Directory, listing: &'a Listing, context: &'a ScanContext<'a>) -> Self {
        let tokens = Vec::with_capacity(listing.names.len());
        let scan = TokenScan { tokens, ..TokenScan::default() };
        Self { scan, unclear: BTreeSet::new(), directory, listing, context }
    }

    /// Takes over the earlier facts about a file, where the file is unchanged.
    pub(super) fn again(&mut self, name: &str, remembered: Remembered, is_link: bool) -> TakenOver {
        match remembered {
            Remembered::Token(mut token) => {
                if !self.is_same(&mut token, is_link) {
                    return TakenOver::Read;
                }
                if token.source.read.found().is_open_to_readers() {
                    self.scan.open.push((name.to_owned(), token.source.real.clone()));
                }
                let mut token = token.renewed(self.context);
                token.twin = twin(name, self.listing).cloned();
                if token.needs_clients {
                    return TakenOver::IfClientsStay(token);
                }
                self.scan.tokens.push(token);
                TakenOver::Same
            }
            Remembered::WithoutToken(read) => {
                let mut file = file_in(self.directory, name);
                if is_link {
                    let Ok(Some(followed)) = directory::real(&file) else { return TakenOver::Read };
                    file = followed;
                }
                if !file.inode().is_ok_and(|found| self.context.trusts(&read, &found)) {
                    return TakenOver::Read;
                }
                self.without_token(name, read);
                TakenOver::Same
            }
            Remembered::Unusable(_) | Remembered::Unknown | Remembered::Nothing => TakenOver::Read,
        }
    }

    /// Whether a token file is unchanged, by its metadata.
    fn is_same(&self, token: &mut KeptToken, is_link: bool) -> bool {
        let name = token.source.name.as_str();
        let lacks_hash = token.access_hash.is_none() && twin(name, self.listing).is_some();
        if self.context.forced || lacks_hash || self.listing.leftovers.contains(name) {
            return false;
        }
        if is_link {
            let Ok(Some(real)) = directory::real(&file_in(self.directory, name)) else { return false };
            if leftover(&real).inode().is_ok() {
                return false;
            }
            token.source.real = real;
        }
        token.source.real.inode().is_ok_and(|found| self.context.trusts(&token.source.read, &found))
    }

    /// Adds a file that was read. `before` is the state in which the last cycle left it.
    pub(super) fn add(&mut self, name: &str, file: Result<Option<TokenFile>, Problem>, before: LeftAs) {
        let file = match file {
            Ok(Some(file)) => file,
            Ok(None) => return,
            Err(problem) => {
                let now = file_in(self.directory, name).followed_inode().ok().map(|found| found.stamp);
                if before.differs(now) {
                    self.scan.changed_problems.push(name.to_owned());
                }
                return self.scan.problems.push((name.to_owned(), problem));
            }
        };
        let kind = file.document.kind();
        if file.found.is_open_to_readers() && kind != FileKind::Other {
            self.scan.open.push((name.to_owned(), file.real.clone()));
        }
        let read = LastRead::new(file.found, self.context.now);
        match kind {
            FileKind::Token => self.add_token(name, &file, before),
            FileKind::ClientCredentials => {
                self.scan.clients.extend(client_file(name, &file.document));
                self.scan.clients_at_rest.insert(name.to_owned(), AtRest::of(&file.document));
                self.scan.clients_read.insert(name.to_owned(), read);
            }
            FileKind::Other => self.without_token(name, read),
        }
    }

    fn add_token(&mut self, name: &str, file: &TokenFile, before: LeftAs) {
        let context = self.context;
        // The listing does not have the files that a crash left beside a link's target.
        let interrupted = self.listing.leftovers.contains(name)
            || self.listing.special.contains(name) && leftover(&file.real).inode().is_ok();
        let mut token = judge(file, interrupted, context);
        token.source.has_changed = before.differs(Some(file.stamp));
        if let Some(twin) = twin(name, self.listing) {
            token.twin = Some(twin.clone());
            token.access_hash = file.document.access_token().map(|token| token.fingerprint());
        }
        if token.monitored.is_none() {
            let config = config_of(name, &file.document, context.providers);
            let resolution = context.resolution(&config, &[]);
            token.needs_clients = !matches!(resolution, Resolution::Refresh(_));
            if token.needs_clients {
                self.unclear.insert(name.to_owned());
            }
            token.resolve(resolution, context);
        }
        if token.source.role == Role::Other && file.document.text("server_url").is_some() {
            token.oddities.push(
                "it has a server_url and is in no configuration: only files called *-egress.json are"
                    .to_owned(),
            );
        }
        self.scan.tokens.push(token);
    }

    fn without_token(&mut self, name: &str, read: LastRead) {
        if role(name) == Role::Other {
            log::debug!(target: "REFRESH", "{name}: holds no token; passed over");
        } else {
            self.scan.empty.push(name.to_owned());
        }
        self.scan.without_token.insert(name.to_owned(), read);
    }

    /// The scan, with every unclear file resolved.
    pub(super) fn resolved(self) -> TokenScan {
        let Self { mut scan, unclear, context, .. } = self;
        if !unclear.is_empty() && !scan.clients.is_empty() {
            for token in scan.tokens.iter_mut().filter(|token| unclear.contains(token.name())) {
                // One that changes at this moment is looked at again in the next cycle.
                let Ok((document, _)) = directory::read_found(&token.source.real) else { continue };
                let config = config_of(token.name(), &document, context.providers);
                (token.monitored, token.unresolved) = (None, None);
                token.resolve(context.resolution(&config, &scan.clients), context);
            }
        }
        ordered::sort(&mut scan.tokens, |one, other| one.source.name.cmp(&other.source.name));
        scan
    }
}

/// The file for shells beside the token file `name`: `NAME.env` beside `NAME.json` or `NAME-token.json`.
fn twin<'a>(name: &str, listing: &'a Listing) -> Option<&'a String> {
    if listing.twins.is_empty() {
        return None;
    }
    let stem = name.strip_suffix(".json")?;
    let names = [stem.strip_suffix("-token"), Some(stem)];
    names.into_iter().flatten().find_map(|stem| listing.twins.get(&format!("{stem}.env")))
}

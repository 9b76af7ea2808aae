//! One service as an entry of one client's file: the members of the entry and their values.
//!
//! All rules about the contents of a file are here, apart from the file's notation.

use std::fmt;

use memchr::arch::all::memchr::Three;

use super::address::Address;
use super::notation::{Fixed, McpClient, ProgramEntry, Reference, Secrets};
use super::service::{Header, HeaderValue, Service};
use crate::secret::{Secret, is_printable};
use crate::text::shell_command;

/// The longest name of a token file, in bytes. File systems take 255, and the temporary file beside it has a longer
/// name.
const LONGEST_FILE_NAME: usize = 240;

/// The program and the project as a client finds them, for entries. All absolute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReaderPaths<'a> {
    pub exe: &'a str,
    /// The project root (`--dir`).
    pub dir: &'a str,
    pub tokens_dir: &'a str,
}

impl ReaderPaths<'_> {
    fn has_default_tokens_dir(&self) -> bool {
        self.tokens_dir == format!("{}/.oauth-tokens", self.dir.trim_end_matches('/'))
    }
}

/// An entry that this program wrote into a file, recorded from one cycle to the next. The entry belongs to this
/// program while it has the recorded address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Owned {
    pub name: String,
    pub url: String,
}

/// The value of an entry's member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum EntryValue {
    /// Text that may be secret.
    Text(Secret),
    /// Names and values of headers or variables.
    Texts(Vec<(&'static str, Secret)>),
    /// A list of words, none of them secret.
    Words(Vec<String>),
    /// A value that a new entry gets and that the user may change.
    Fixed(Fixed),
}

/// A service as an entry of one client's file.
#[derive(Debug)]
pub(super) struct ClientEntry {
    pub name: String,
    pub url: String,
    /// The members that are kept at these values.
    pub members: Vec<(&'static str, EntryValue)>,
    /// The members that only a new entry gets.
    pub extra: Vec<(&'static str, EntryValue)>,
    /// Files in the tokens directory that the entry refers to: name and text.
    pub side_files: Vec<(String, Secret)>,
    /// Whether the entry itself contains a token.
    pub holds_secret: bool,
}

impl ClientEntry {
    /// The record of the entry.
    pub(super) fn owned(&self) -> Owned {
        Owned { name: self.name.clone(), url: self.url.clone() }
    }
}

/// Why a service has no entry in a client's file. No reason quotes a value that may be secret.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum NoEntry {
    /// The client does not speak the service's transport.
    Transport,
    /// The address is `http` of another machine, which the client refuses.
    PlainHttp,
    /// This part of the entry holds characters that the client would expand.
    Expanded(EntryPart),
    /// This part of the entry holds a control character.
    ControlCharacter(EntryPart),
    /// The client cannot read a token file of such a name.
    FileName,
    /// Another service of this client has a token file of that name.
    SharedFile,
    /// The client starts programs only, and the entry should hold its address and token.
    ProgramsOnly,
    /// The name holds a blank, at which some clients split an argument.
    Blank,
}

/// A part of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EntryPart {
    Name,
    Address,
    /// The header of this name.
    Header(&'static str),
    /// The paths of this program and of the tokens.
    Paths,
}

impl fmt::Display for EntryPart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => out.write_str("its name"),
            Self::Address => out.write_str("its address"),
            Self::Header(name) => write!(out, "its {name} header"),
            Self::Paths => out.write_str("the path of this program or of its files"),
        }
    }
}

/// The variables of an entry that starts the bridge. People read the server's address there, and this program
/// recognises the entry by it.
pub(super) const VARIABLES: [&str; 3] =
    ["TOKEN_REFRESHER_DIR", "TOKEN_REFRESHER_TOKENS_DIR", "MCP_SERVER_URL"];

impl NoEntry {
    /// The reason in words, for the client of this name.
    pub(super) fn told_of<'a>(&'a self, client: &'a str) -> impl fmt::Display + 'a {
        fmt::from_fn(move |out| match self {
            Self::Transport => write!(out, "{client} does not speak SSE"),
            Self::PlainHttp => {
                write!(out, "{client} accepts http addresses of this machine only; use https")
            }
            Self::Expanded(part) => {
                write!(out, "{part} holds `$`, `{{` or `}}`, which {client} would expand")
            }
            Self::ControlCharacter(part) => write!(out, "{part} holds a control character"),
            Self::FileName => write!(out, "{client} cannot read a file of such a name"),
            Self::SharedFile => out.write_str("its token file would be another service's"),
            Self::ProgramsOnly => {
                write!(out, "{client} only starts programs, and the tokens should be in the file")
            }
            Self::Blank => {
                out.write_str("its name holds a blank, at which a program's argument may be split")
            }
        })
    }
}

/// Makes the entry of a service for `client`.
pub(super) fn client_entry(
    client: &McpClient,
    service: &Service,
    secrets: Secrets,
    paths: ReaderPaths,
) -> Result<ClientEntry, NoEntry> {
    refuse_expansion(EntryPart::Name, &service.name)?;
    refuse_expansion(EntryPart::Address, &service.url)?;
    if client.uses_bridge(secrets) {
        return bridge_entry(client, service, paths);
    }
    if !client.is_remote {
        return Err(NoEntry::ProgramsOnly);
    }
    let transport = client.transport_entry(service.transport).ok_or(NoEntry::Transport)?;
    if client.https_only && !is_https_or_local(&service.url) {
        return Err(NoEntry::PlainHttp);
    }
    let mut entry = ClientEntry {
        name: service.name.clone(),
        url: service.url.clone(),
        members: Vec::new(),
        extra: fixed(client.extra.iter().chain(client.remote_extra)),
        side_files: Vec::new(),
        holds_secret: false,
    };
    if let Some((key, kind)) = transport.kind {
        entry.members.push((key, EntryValue::Text(Secret::new(kind))));
    }
    entry.members.push((transport.address, EntryValue::Text(Secret::new(service.url.as_str()))));
    let by_reference = if secrets == Secrets::Inline { Reference::No } else { client.reference };
    match by_reference {
        _ if service.headers().next().is_none() => {}
        Reference::Helper(key) => {
            let command = helper_command(&service.name, paths);
            refuse_expansion(EntryPart::Paths, &command)?;
            entry.members.push((key, EntryValue::Text(Secret::new(command))));
        }
        Reference::Files => add_headers(&mut entry, client, service, Some(paths))?,
        Reference::No => add_headers(&mut entry, client, service, None)?,
    }
    Ok(entry)
}

fn fixed<'a>(members: impl Iterator<Item = &'a (&'static str, Fixed)>) -> Vec<(&'static str, EntryValue)> {
    members.map(|(key, value)| (*key, EntryValue::Fixed(*value))).collect()
}

/// Makes an entry that starts the bridge. The entry never changes and holds no secret.
fn bridge_entry(client: &McpClient, service: &Service, paths: ReaderPaths) -> Result<ClientEntry, NoEntry> {
    let ProgramEntry { kind, is_one_list, variables } = client.program;
    let arguments = bridge_arguments(service)?;
    let text = |value: &str| EntryValue::Text(Secret::new(value));
    refuse_expansion(EntryPart::Paths, &[paths.exe, paths.dir, paths.tokens_dir].concat())?;
    let mut members: Vec<_> = kind.into_iter().map(|(key, kind)| (key, text(kind))).collect();
    if is_one_list {
        let words = std::iter::once(paths.exe.to_owned()).chain(arguments).collect();
        members.push(("command", EntryValue::Words(words)));
    } else {
        members.push(("command", text(paths.exe)));
        members.push(("args", EntryValue::Words(arguments)));
    }
    members.push((variables, EntryValue::Texts(bridge_variables(service, paths))));
    Ok(ClientEntry {
        name: service.name.clone(),
        url: service.url.clone(),
        members,
        extra: fixed(client.extra.iter()),
        side_files: Vec::new(),
        holds_secret: false,
    })
}

/// The arguments for a bridge to a service. None holds a blank.
pub(super) fn bridge_arguments(service: &Service) -> Result<Vec<String>, NoEntry> {
    if service.name.contains(char::is_whitespace) {
        return Err(NoEntry::Blank);
    }
    let end_of_options = service.name.starts_with('-').then_some("--");
    let words = ["bridge"].into_iter().chain(end_of_options).chain([service.name.as_str()]);
    Ok(words.map(str::to_owned).collect())
}

/// The variables that tell the bridge the place of the tokens. People read the server's address there.
pub(super) fn bridge_variables(service: &Service, paths: ReaderPaths) -> Vec<(&'static str, Secret)> {
    let [dir, tokens_dir, url] = VARIABLES;
    let elsewhere = (!paths.has_default_tokens_dir()).then(|| (tokens_dir, Secret::new(paths.tokens_dir)));
    let dir = std::iter::once((dir, Secret::new(paths.dir)));
    dir.chain(elsewhere).chain([(url, Secret::new(service.url.as_str()))]).collect()
}

/// Adds the headers. With `files`, their tokens go to files of the tokens directory.
fn add_headers(
    entry: &mut ClientEntry,
    client: &McpClient,
    service: &Service,
    files: Option<ReaderPaths>,
) -> Result<(), NoEntry> {
    let mut headers = Vec::new();
    for header in service.headers() {
        refuse_expansion_in(&header)?;
        let value = match (&header.value, files) {
            (HeaderValue::Bearer(token), Some(paths)) => {
                let file = side_file(&service.name, &header);
                let path = format!("{}/{file}", paths.tokens_dir);
                // The client replaces the text before it reads the JSON around it, so escapes do not work.
                if file.contains('/')
                    || file.len() > LONGEST_FILE_NAME
                    || path.contains(['"', '\\', '{', '}', '$'])
                    || path.contains(char::is_control)
                {
                    return Err(NoEntry::FileName);
                }
                entry.side_files.push((file, token.clone()));
                Secret::new(format!("Bearer {{file:{path}}}"))
            }
            (value, _) => {
                entry.holds_secret |= matches!(value, HeaderValue::Bearer(_));
                value.to_text()
            }
        };
        headers.push((header.name, value));
    }
    entry.members.push((client.headers, EntryValue::Texts(headers)));
    Ok(())
}

/// The name of the file for a header's token: `NAME.token` for the service's own token.
fn side_file(service: &str, header: &Header) -> String {
    match header.name {
        "Authorization" => format!("{service}.token"),
        other => format!("{service}.{other}.token"),
    }
}

/// The command that prints a service's headers. Both clients that run such a command clear its environment, so its
/// arguments hold all facts.
fn helper_command(service: &str, paths: ReaderPaths) -> String {
    let mut words = vec![paths.exe, "headers"];
    if !service.starts_with('-') {
        words.push(service);
    }
    words.extend(["--dir", paths.dir]);
    if !paths.has_default_tokens_dir() {
        words.extend(["--tokens-dir", paths.tokens_dir]);
    }
    if service.starts_with('-') {
        words.extend(["--", service]);
    }
    shell_command(&words)
}

/// Refuses a text that a client would expand, or that breaks a client. No client has an escape that works, so no other
/// spelling helps.
pub(super) fn refuse_expansion(part: EntryPart, text: &str) -> Result<(), NoEntry> {
    if Three::new(b'$', b'{', b'}').find(text.as_bytes()).is_some() {
        return Err(NoEntry::Expanded(part));
    }
    // Nearly every text is printable, which is seen at once.
    if !is_printable(text) && text.contains(char::is_control) {
        Err(NoEntry::ControlCharacter(part))
    } else {
        Ok(())
    }
}

/// Refuses a header's value as [`refuse_expansion`] refuses a text.
pub(super) fn refuse_expansion_in(header: &Header) -> Result<(), NoEntry> {
    match &header.value {
        HeaderValue::Bearer(token) if token.is_b64token() => Ok(()),
        value => {
            let [_, text] = value.parts();
            refuse_expansion(EntryPart::Header(header.name), text)
        }
    }
}

/// Whether an address is `https` or leads to this machine.
fn is_https_or_local(url: &str) -> bool {
    Address::parse(url).is_some_and(|address| address.is_secure() || address.is_this_machine())
}

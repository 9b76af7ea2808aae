//! One service as an entry of one client's file: which members it has and what they say.
//!
//! Independent of the file's notation, so that every rule about what may stand in a file is here.

use super::quote::shell_command;
use super::service::{Header, Service, Value};
use super::table::{Client, Fixed, Reference};
use crate::secret::Secret;

/// Where secrets stand (`--client-secrets`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Secrets {
    /// Outside of the file where the client can look elsewhere, else in it.
    Auto,
    /// In the file.
    Inline,
}

/// Where this program and its files are, for entries that refer to them. All absolute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The program.
    pub exe: &'a str,
    /// The project root (`--dir`).
    pub dir: &'a str,
    /// The tokens directory.
    pub tokens_dir: &'a str,
}

/// The value of an entry's member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Member {
    /// Text; some of it is secret.
    Text(Secret),
    /// Names and values of headers.
    Headers(Vec<(&'static str, Secret)>),
    /// What a new entry gets and the user may change.
    Fixed(Fixed),
}

/// A service as one client's file has it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name.
    pub name: String,
    /// The address in it.
    pub url: String,
    /// The members that are kept as they are here.
    pub members: Vec<(&'static str, Member)>,
    /// The members that only a new entry gets.
    pub extra: Vec<(&'static str, Member)>,
    /// Files in the tokens directory that the entry refers to: name and text.
    pub side_files: Vec<(String, Secret)>,
    /// A token stands in the entry itself.
    pub holds_secret: bool,
}

/// Writes a service as `client` wants it.
///
/// # Errors
/// Why the service cannot stand in the client's file, without a value that may be secret.
pub(super) fn entry(
    client: &Client,
    service: &Service,
    secrets: Secrets,
    place: Place,
) -> Result<Entry, String> {
    let spoken = client.spoken(service.transport);
    let spoken = spoken.ok_or_else(|| format!("{} does not speak SSE", client.name))?;
    literal(client, "its name", &service.name)?;
    literal(client, "its address", &service.url)?;
    if client.https_only && !is_https_or_local(&service.url) {
        return Err(format!("{} accepts http addresses of this machine only; use https", client.name));
    }
    let mut entry = Entry {
        name: service.name.clone(),
        url: service.url.clone(),
        members: Vec::new(),
        extra: client.extra.iter().map(|(key, value)| (*key, Member::Fixed(*value))).collect(),
        side_files: Vec::new(),
        holds_secret: false,
    };
    if let Some((key, kind)) = spoken.kind {
        entry.members.push((key, Member::Text(Secret::new(kind))));
    }
    entry.members.push((spoken.address, Member::Text(Secret::new(service.url.as_str()))));
    let by_reference = if secrets == Secrets::Inline { Reference::No } else { client.reference };
    match by_reference {
        _ if service.headers().next().is_none() => {}
        Reference::Helper(key) => {
            let command = helper_command(&service.name, place);
            literal(client, "the path of this program or of its files", &command)?;
            entry.members.push((key, Member::Text(Secret::new(command))));
        }
        Reference::Files => add_headers(&mut entry, client, service, Some(place))?,
        Reference::No => add_headers(&mut entry, client, service, None)?,
    }
    Ok(entry)
}

/// Adds the headers, with their tokens in files where there is a place for them.
fn add_headers(
    entry: &mut Entry,
    client: &Client,
    service: &Service,
    place: Option<Place>,
) -> Result<(), String> {
    let mut headers = Vec::new();
    for header in service.headers() {
        literal(client, &format!("its {} header", header.name), header.value.to_text().expose())?;
        let value = match (&header.value, place) {
            (Value::Bearer(token), Some(place)) => {
                let file = side_file(&service.name, &header);
                let path = format!("{}/{file}", place.tokens_dir);
                // The text is replaced before the JSON around it is read, so escapes do not work.
                if file.contains('/')
                    || path.contains(['"', '\\', '{', '}', '$'])
                    || path.contains(char::is_control)
                {
                    return Err(format!("{} cannot read a file of such a name", client.name));
                }
                entry.side_files.push((file, token.clone()));
                Secret::new(format!("Bearer {{file:{path}}}"))
            }
            (value, _) => {
                entry.holds_secret |= matches!(value, Value::Bearer(_));
                value.to_text()
            }
        };
        headers.push((header.name, value));
    }
    entry.members.push((client.headers, Member::Headers(headers)));
    Ok(())
}

/// The file that holds a header's token: the service's own is `NAME.token`.
fn side_file(service: &str, header: &Header) -> String {
    match header.name {
        "Authorization" => format!("{service}.token"),
        other => format!("{service}.{other}.token"),
    }
}

/// The command that prints a service's headers. Both clients that run one clear its environment, so
/// all it needs is in its arguments.
fn helper_command(service: &str, place: Place) -> String {
    let mut words = vec![place.exe, "headers"];
    if !service.starts_with('-') {
        words.push(service);
    }
    words.extend(["--dir", place.dir]);
    if place.tokens_dir != format!("{}/.oauth-tokens", place.dir.trim_end_matches('/')) {
        words.extend(["--tokens-dir", place.tokens_dir]);
    }
    if service.starts_with('-') {
        words.extend(["--", service]);
    }
    shell_command(&words)
}

/// Refuses what a client would expand or choke on. None of them has an escape for it that works,
/// so it cannot be written in another way.
fn literal(client: &Client, what: &str, text: &str) -> Result<(), String> {
    if text.contains(['$', '{', '}']) {
        return Err(format!("{what} holds `$`, `{{` or `}}`, which {} would expand", client.name));
    }
    if text.contains(char::is_control) {
        return Err(format!("{what} holds a control character"));
    }
    Ok(())
}

fn is_https_or_local(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return true };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { authority }
    });
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::table::{CLIENTS, client};
    use crate::servers::Transport;

    const PLACE: Place =
        Place { exe: "/usr/bin/token-refresher", dir: "/srv/it", tokens_dir: "/srv/it/.oauth-tokens" };

    fn service(name: &str) -> Service {
        Service {
            name: name.to_owned(),
            url: "https://gateway.example/a/mcp".to_owned(),
            transport: Transport::StreamableHttp,
            authorization: Some(Secret::new("tok")),
            extra: vec![
                Header { name: "X-Authorization", value: Value::Bearer(Secret::new("ing")) },
                Header { name: "X-Region", value: Value::Plain("us-east-1".to_owned()) },
            ],
        }
    }

    fn member(entry: &Entry, name: &str) -> Option<Member> {
        entry.members.iter().find(|(key, _)| *key == name).map(|(_, member)| member.clone())
    }

    fn text(text: &str) -> Member {
        Member::Text(Secret::new(text))
    }

    #[test]
    fn a_helper_is_told_everything_in_its_arguments() {
        let row = client("claude-code").unwrap();
        for (name, place, command) in [
            ("a", PLACE, "/usr/bin/token-refresher headers a --dir /srv/it"),
            ("it's", PLACE, r"/usr/bin/token-refresher headers 'it'\''s' --dir /srv/it"),
            ("-a", PLACE, "/usr/bin/token-refresher headers --dir /srv/it -- -a"),
            (
                "a",
                Place { dir: "/my dir", ..PLACE },
                "/usr/bin/token-refresher headers a --dir '/my dir' --tokens-dir /srv/it/.oauth-tokens",
            ),
            (
                "a",
                Place { dir: "/", tokens_dir: "/.oauth-tokens", ..PLACE },
                "/usr/bin/token-refresher headers a --dir /",
            ),
        ] {
            let entry = entry(row, &service(name), Secrets::Auto, place).unwrap();
            assert_eq!(member(&entry, "headersHelper"), Some(text(command)));
            assert_eq!((member(&entry, "headers"), entry.holds_secret), (None, false));
        }
    }

    #[test]
    fn a_service_without_headers_needs_no_helper() {
        let mut open = service("a");
        (open.authorization, open.extra) = (None, Vec::new());
        for row in &CLIENTS {
            let entry = entry(row, &open, Secrets::Auto, PLACE).unwrap();
            let keys: Vec<_> = entry.members.iter().map(|(key, _)| *key).collect();
            assert!(
                keys.iter().all(|key| matches!(*key, "type" | "url" | "httpUrl" | "serverUrl")),
                "{keys:?}"
            );
            assert!(entry.side_files.is_empty() && !entry.holds_secret);
        }
    }

    #[test]
    fn files_hold_bare_tokens_and_the_entry_none() {
        for name in ["opencode", "windsurf"] {
            let entry = entry(client(name).unwrap(), &service("a"), Secrets::Auto, PLACE).unwrap();
            let headers = [
                ("Authorization", Secret::new("Bearer {file:/srv/it/.oauth-tokens/a.token}")),
                (
                    "X-Authorization",
                    Secret::new("Bearer {file:/srv/it/.oauth-tokens/a.X-Authorization.token}"),
                ),
                ("X-Region", Secret::new("us-east-1")),
            ];
            assert_eq!(member(&entry, "headers"), Some(Member::Headers(headers.to_vec())));
            let files = [("a.token", "tok"), ("a.X-Authorization.token", "ing")];
            assert_eq!(entry.side_files, files.map(|(file, token)| (file.to_owned(), Secret::new(token))));
            assert!(!entry.holds_secret);
        }
    }

    #[test]
    fn inline_means_in_the_file() {
        for row in &CLIENTS {
            let entry = entry(row, &service("a"), Secrets::Inline, PLACE).unwrap();
            let headers = [
                ("Authorization", "Bearer tok"),
                ("X-Authorization", "Bearer ing"),
                ("X-Region", "us-east-1"),
            ];
            let headers = headers.map(|(name, value)| (name, Secret::new(value))).to_vec();
            assert_eq!(member(&entry, row.headers), Some(Member::Headers(headers)), "{}", row.name);
            assert!(entry.holds_secret && entry.side_files.is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn what_a_client_would_expand_is_refused_without_showing_it() {
        let row = client("cursor").unwrap();
        for bad in ["tok${HOME}", "tok{file:/x}", "tok}", "tok$", "tok\u{9f}"] {
            let with = |change: &dyn Fn(&mut Service)| {
                let mut changed = service("a");
                change(&mut changed);
                entry(row, &changed, Secrets::Inline, PLACE).unwrap_err()
            };
            for (refusal, what) in [
                (
                    with(&|service| service.authorization = Some(Secret::new(bad))),
                    "its Authorization header holds",
                ),
                (
                    with(&|service| service.extra[0].value = Value::Bearer(Secret::new(bad))),
                    "its X-Authorization header",
                ),
                (with(&|service| service.url.push_str(bad)), "its address holds"),
                (with(&|service| service.name.push_str(bad)), "its name holds"),
            ] {
                assert!(refusal.starts_with(what) && !refusal.contains("tok"), "{refusal}");
            }
        }
        // What a helper prints is not expanded, so any token may come from it.
        let mut odd = service("a");
        odd.authorization = Some(Secret::new("a$b"));
        assert!(entry(client("codex").unwrap(), &odd, Secrets::Auto, PLACE).is_ok());
        let braces = Place { dir: "/srv/{it}", ..PLACE };
        assert!(entry(client("codex").unwrap(), &service("a"), Secrets::Auto, braces).is_err());
        for tokens_dir in ["/srv/{it}", "/srv/\"it\"", "/srv/a\\b"] {
            let place = Place { tokens_dir, ..PLACE };
            assert!(entry(client("opencode").unwrap(), &service("a"), Secrets::Auto, place).is_err());
        }
    }

    #[test]
    fn a_transport_that_a_client_does_not_speak_is_refused() {
        let mut sse = service("a");
        sse.transport = Transport::Sse;
        for row in &CLIENTS {
            let refused = entry(row, &sse, Secrets::Inline, PLACE).is_err();
            assert_eq!(refused, matches!(row.name, "codex" | "amazon-q"), "{}", row.name);
        }
    }

    #[test]
    fn kiro_takes_plain_http_from_this_machine_only() {
        for (url, fine) in [
            ("https://gateway.example/a/mcp", true),
            ("http://gateway.example/a/mcp", false),
            ("http://localhost/a/mcp", true),
            ("http://localhost:8080/a/mcp", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080/a", true),
            ("http://localhost.example/a", false),
            ("http://localhost@gateway.example/a", false),
        ] {
            let mut service = service("a");
            url.clone_into(&mut service.url);
            let kiro = entry(client("kiro").unwrap(), &service, Secrets::Inline, PLACE);
            assert_eq!(kiro.is_ok(), fine, "{url}");
            assert!(entry(client("cursor").unwrap(), &service, Secrets::Inline, PLACE).is_ok(), "{url}");
        }
    }
}

//! One HTTP request to the redirect listener, parsed strictly. Only the head is read.

/// The largest head, in bytes. A redirect with the longest known code has less than 4 KiB.
pub(super) const LARGEST_HEAD: usize = 16 << 10;

/// A request that may be a redirect.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct RedirectRequest<'a> {
    pub path: &'a str,
    /// The part behind the `?`; may be empty.
    pub query: &'a str,
}

/// Why a request is refused: the status of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotServed {
    /// 400: the request is not HTTP/1.
    Malformed,
    /// 405: a redirect of a browser is a GET.
    WrongMethod,
    /// 421: the request was meant for another host. A web page whose name resolves to this machine sends its own.
    WrongHost,
}

/// The length of the head in `bytes` with its blank line, where the head is whole.
pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Parses a whole head. `hosts` are the permitted values of `Host`.
pub(super) fn parse<'a>(head: &'a [u8], hosts: &[String]) -> Result<RedirectRequest<'a>, NotServed> {
    let text = std::str::from_utf8(head).map_err(|_| NotServed::Malformed)?;
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(NotServed::Malformed);
    };
    let visible = |text: &str| text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if method.is_empty() || !visible(method) || !target.starts_with('/') || !visible(target) {
        return Err(NotServed::Malformed);
    }
    let mut host = None;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(NotServed::Malformed)?;
        if name.is_empty() || !visible(name) || value.contains(['\r', '\n', '\0']) {
            return Err(NotServed::Malformed);
        }
        if name.eq_ignore_ascii_case("host") && host.replace(value.trim()).is_some() {
            return Err(NotServed::Malformed);
        }
    }
    let host = host.ok_or(NotServed::Malformed)?;
    if !hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host)) {
        return Err(NotServed::WrongHost);
    }
    if method != "GET" {
        return Err(NotServed::WrongMethod);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(RedirectRequest { path, query })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(head: &str) -> Result<(&str, &str), NotServed> {
        let hosts = ["127.0.0.1:7".to_owned(), "localhost:7".to_owned()];
        parse(head.as_bytes(), &hosts).map(|request| (request.path, request.query))
    }

    #[test]
    fn one_kind_of_request_is_served() {
        for (head, is) in [
            (
                "GET /callback?code=a&state=b HTTP/1.1\r\nHost: 127.0.0.1:7\r\n\r\n",
                Ok(("/callback", "code=a&state=b")),
            ),
            ("GET / HTTP/1.0\r\nhost:LOCALHOST:7\r\nAccept: */*\r\n\r\n", Ok(("/", ""))),
            ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", Err(NotServed::WrongHost)),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1:8\r\n\r\n", Err(NotServed::WrongHost)),
            ("POST / HTTP/1.1\r\nHost: 127.0.0.1:7\r\n\r\n", Err(NotServed::WrongMethod)),
            ("GET / HTTP/1.1\r\n\r\n", Err(NotServed::Malformed)),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1:7\r\nHost: 127.0.0.1:7\r\n\r\n", Err(NotServed::Malformed)),
            ("GET  / HTTP/1.1\r\nHost: 127.0.0.1:7\r\n\r\n", Err(NotServed::Malformed)),
            ("GET http://127.0.0.1:7/ HTTP/1.1\r\nHost: 127.0.0.1:7\r\n\r\n", Err(NotServed::Malformed)),
            ("GET /\u{e4} HTTP/1.1\r\nHost: 127.0.0.1:7\r\n\r\n", Err(NotServed::Malformed)),
            ("GET / HTTP/2\r\nHost: 127.0.0.1:7\r\n\r\n", Err(NotServed::Malformed)),
            ("GET / HTTP/1.1\nHost: 127.0.0.1:7\n\r\n", Err(NotServed::Malformed)),
            ("GET / HTTP/1.1\r\nHost 127.0.0.1:7\r\n\r\n", Err(NotServed::Malformed)),
            ("\r\n\r\n", Err(NotServed::Malformed)),
        ] {
            assert_eq!(read(head), is, "{head}");
        }
    }

    #[test]
    fn a_head_ends_at_its_blank_line() {
        assert_eq!(head_length(b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest"), Some(24));
        assert_eq!(head_length(b"GET / HTTP/1.1\r\nA: b\r\n\r"), None);
    }

    proptest! {
        #[test]
        fn no_head_panics(head in any::<Vec<u8>>()) {
            let _ = parse(&head, &[]);
        }
    }
}

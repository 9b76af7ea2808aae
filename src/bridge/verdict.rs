//! Pure decisions about the server's HTTP answer to a message.

use std::time::Duration;

use crate::oauth::bearer_challenge;

/// The kind of a body, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// An event stream.
    Events,
    /// One JSON document.
    Json,
    /// Anything else, or nothing.
    Other,
}

/// Reads a `Content-Type`.
pub(super) fn kind(content_type: Option<&str>) -> BodyKind {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/event-stream" => BodyKind::Events,
        "application/json" => BodyKind::Json,
        _ if essence.starts_with("application/") && essence.ends_with("+json") => BodyKind::Json,
        _ => BodyKind::Other,
    }
}

/// The meaning of a document for the requests that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyMeaning {
    /// The document answers one of the requests.
    Answer,
    /// The document is an error that names none of the requests.
    Error,
    /// The document is no message, or a message about something else.
    Nothing,
}

/// The parts of an answer that decide anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpAnswer<'a> {
    pub status: u16,
    pub kind: BodyKind,
    pub meaning: BodyMeaning,
    /// The beginning of the body.
    pub text: &'a str,
    /// Whether the request carried a session.
    pub session: bool,
    /// `WWW-Authenticate`
    pub challenge: Option<&'a str>,
    /// `Retry-After`
    pub retry_after: Option<&'a str>,
}

/// The result of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The document is for the client, unchanged.
    Pass,
    /// The document is for the client, with the id of the request.
    PassWithId,
    /// The server refuses the token.
    TokenRefused,
    /// The token lacks this scope.
    LacksScope(String),
    /// The server does not know the session any more.
    SessionLost,
    /// The server did nothing, and wants the request again after this time.
    Later(Duration),
    /// There is no answer, for this reason.
    Failed(String),
}

/// The longest `Retry-After` that is obeyed, since the client waits for its answer meanwhile.
const SOON: Duration = Duration::from_secs(1);

/// Judges the answer to a request.
pub(super) fn verdict(reply: &HttpAnswer<'_>) -> Judgement {
    let status = reply.status;
    match (status, reply.meaning) {
        (401, _) => Judgement::TokenRefused,
        (_, BodyMeaning::Answer) => Judgement::Pass,
        _ if reply.session && is_session_lost(status, reply.text) => Judgement::SessionLost,
        (_, BodyMeaning::Error) => Judgement::PassWithId,
        (403, _) => forbidden(reply.challenge),
        (429, _) => match seconds(reply.retry_after) {
            Some(pause) if pause <= SOON => Judgement::Later(pause),
            Some(pause) => failed(status, &format!("it wants to be asked again in {} s", pause.as_secs())),
            None => failed(status, "it is asked too often"),
        },
        (200..=299, _) => failed(status, without_answer(reply)),
        (300..=399, _) => {
            failed(status, "a redirect, which is not followed; check REGISTRY_URL and the server's path")
        }
        (404 | 405, _) => failed(status, "there is no MCP server at this address"),
        _ => failed(status, "no message came with it"),
    }
}

fn failed(status: u16, why: &str) -> Judgement {
    Judgement::Failed(format!("the server answered HTTP {status}: {why}"))
}

fn without_answer(reply: &HttpAnswer<'_>) -> &'static str {
    match reply.kind {
        _ if reply.text.trim().is_empty() => "it took the request without answering it",
        BodyKind::Json => "what came is no answer to the request",
        _ => "what came is neither JSON nor an event stream",
    }
}

/// Whether an answer reports that the session does not exist. The specification demands a status for this, but many
/// servers use words after a restart.
pub(super) fn is_session_lost(status: u16, text: &str) -> bool {
    let speaks_of_it = || {
        let text = text.to_ascii_lowercase();
        text.contains("session") || text.contains("initializ")
    };
    status == 404 || matches!(status, 400 | 503) && speaks_of_it()
}

/// The result of a refusal for lack of a scope (RFC 6750 3.1).
fn forbidden(challenge: Option<&str>) -> Judgement {
    match bearer_challenge(challenge).and_then(|challenge| challenge.scope) {
        Some(scope) => Judgement::LacksScope(scope.escape_debug().to_string()),
        None => failed(403, "the token does not allow this"),
    }
}

fn seconds(retry_after: Option<&str>) -> Option<Duration> {
    retry_after?.trim().parse().ok().map(Duration::from_secs)
}

/// How long a request that was never sent is tried.
pub(super) const TRY_FOR: Duration = Duration::from_secs(20);

/// The pause before another attempt to send, after so many attempts.
pub(super) fn pause(tries: u32) -> Duration {
    Duration::from_millis(50 << tries.min(4))
}

/// The pause before a stream is opened again: the server's wish, and longer after more failures.
pub(super) fn reopening(wanted: Option<Duration>, failures: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30);
    match (wanted, failures) {
        (Some(wanted), 0) => wanted.min(LONGEST * 10),
        (None, 0) => Duration::from_secs(1),
        (wanted, _) => {
            let growing = Duration::from_millis(500 << failures.min(6)).min(LONGEST);
            growing.max(wanted.unwrap_or_default().min(LONGEST))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (text, expected) in [
            (Some("text/event-stream"), BodyKind::Events),
            (Some("Text/Event-Stream; charset=utf-8"), BodyKind::Events),
            (Some("application/json;charset=utf-8"), BodyKind::Json),
            (Some("application/problem+json"), BodyKind::Json),
            (Some("text/html"), BodyKind::Other),
            (Some(""), BodyKind::Other),
            (None, BodyKind::Other),
        ] {
            assert_eq!(kind(text), expected, "{text:?}");
        }
    }

    #[test]
    fn answers_are_judged_by_status_document_and_session() {
        use BodyMeaning::{Answer, Error, Nothing};
        let lost = r#"{"error":{"message":"Bad Request: No valid session ID provided"}}"#;
        for (status, meaning, text, session, expected) in [
            (200, Answer, "{}", true, "Pass"),
            (400, Answer, "{}", false, "Pass"),
            (404, Answer, "{}", true, "Pass"),
            (404, Nothing, "", true, "SessionLost"),
            (404, Error, "Session not found", true, "SessionLost"),
            (404, Nothing, "", false, "there is no MCP server"),
            (404, Error, "", false, "PassWithId"),
            (400, Error, lost, true, "SessionLost"),
            (400, Error, lost, false, "PassWithId"),
            (400, Error, "bad arguments", true, "PassWithId"),
            (400, Nothing, "Server not initialized", true, "SessionLost"),
            (503, Nothing, "no such session", true, "SessionLost"),
            (503, Nothing, "down", true, "HTTP 503"),
            (500, Nothing, "session", true, "HTTP 500"),
            (401, Answer, "{}", true, "TokenRefused"),
            (403, Nothing, "", true, "LacksScope(\"files:write\")"),
            (403, Error, "", true, "PassWithId"),
            (429, Nothing, "", true, "Later"),
            (202, Nothing, "", true, "without answering"),
            (200, Nothing, "<html>", true, "neither JSON"),
            (302, Nothing, "", true, "redirect"),
        ] {
            let reply = HttpAnswer {
                status,
                kind: BodyKind::Other,
                meaning,
                text,
                session,
                challenge: Some(r#"Bearer error="insufficient_scope", xscope="no", scope="files:write""#),
                retry_after: Some("1"),
            };
            let found = format!("{:?}", verdict(&reply));
            assert!(found.contains(expected), "{status} {meaning:?} {text}: {found}");
        }
    }

    #[test]
    fn a_long_pause_is_not_waited_for() {
        let reply = |retry_after| HttpAnswer {
            status: 429,
            kind: BodyKind::Other,
            meaning: BodyMeaning::Nothing,
            text: "",
            session: false,
            challenge: None,
            retry_after,
        };
        for (header, expected) in [(Some("2"), "in 2 s"), (None, "too often"), (Some("Wed, 21"), "too often")]
        {
            let found = format!("{:?}", verdict(&reply(header)));
            assert!(found.contains(expected), "{header:?}: {found}");
        }
        assert_eq!(verdict(&reply(Some("0"))), Judgement::Later(Duration::ZERO));
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let millis = |pause: Duration| pause.as_millis();
        assert_eq!([0, 1, 4, 99].map(pause).map(millis), [50, 100, 800, 800]);
        let wanted = Some(Duration::from_millis(10));
        assert_eq!(
            [0, 1, 2, 99].map(|failures| millis(reopening(wanted, failures))),
            [10, 1000, 2000, 30_000]
        );
        assert_eq!(millis(reopening(None, 0)), 1000);
        assert_eq!(millis(reopening(Some(Duration::from_hours(1)), 1)), 30_000);
    }
}

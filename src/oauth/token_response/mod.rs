//! Reads an answer: tokens, an error, or neither.
//!
//! The contents of an answer decide, and not the status alone. GitHub and Slack send errors with 200, Sentry tokens
//! with 201, a captive portal a page with 200.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::outcome::{GrantType, TokenResponse};
use super::provider::{AnswerPaths, ErrorRules, Paths};
use super::response_body::{ResponseBody, ResponseValue};
use crate::clock::Timestamp;
use crate::secret::{Secret, is_printable};

/// The kind of an answer.
pub(super) enum TokenAnswer {
    /// A complete success.
    Tokens(Box<TokenResponse>),
    /// An error that the provider names, with its own code.
    Error { code: String, description: Option<String> },
    /// A success without a usable access token, and with a refresh token that has replaced the sent one. `lacks` tells
    /// the problem of the access token.
    Half { refresh_token: Secret, lacks: &'static str },
    /// Neither tokens nor an error. The text describes the answer.
    Unrecognized(&'static str),
}

/// Reads a document. `succeeded` tells whether the status was 2xx.
pub(super) fn answer(
    document: &ResponseBody<'_>,
    succeeded: bool,
    grant: GrantType,
    paths: &AnswerPaths,
    errors: &ErrorRules,
    asked_at: Timestamp,
) -> TokenAnswer {
    let described = || document.text(["error_description", "message", "error_message", "reason"]);
    if let Some(code) = document.text(["error"]) {
        return TokenAnswer::Error { code, description: described() };
    }
    let refused = document.find(&paths.success) == Some(ResponseValue::False);
    let incomplete = match granted(document, grant, paths, asked_at) {
        Ok(granted) if succeeded && !refused => return TokenAnswer::Tokens(Box::new(granted)),
        Err(lacks) if succeeded && !refused => match replacement(document, grant, paths) {
            Some(refresh_token) => return TokenAnswer::Half { refresh_token, lacks },
            None => lacks,
        },
        Ok(_) => "a refusal without an error code",
        Err(what) => what,
    };
    // Members with another meaning in a success (`status`, `name`) are an error's code otherwise.
    if let Some(code) = document.text(errors.code.iter().map(String::as_str)) {
        return TokenAnswer::Error { code, description: described() };
    }
    TokenAnswer::Unrecognized(incomplete)
}

/// The codes for a dead refresh token, at any provider.
const DEAD_GRANTS: [&str; 6] = [
    "invalid_grant",
    "bad_refresh_token",
    "invalid_refresh_token",
    "expired_refresh_token",
    "refresh_token_expired",
    "refresh_token_revoked",
];

/// Whether an error code tells of a dead refresh token, in any capitals.
pub(super) fn is_dead_grant(code: &str) -> bool {
    DEAD_GRANTS.iter().any(|known| known.eq_ignore_ascii_case(code.trim()))
}

/// The code of a dead grant in a refusal of another form than RFC 6749 5.2.
pub(super) fn dead_grant(text: &str) -> Option<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.into_iter().find(|word| is_dead_grant(word)).map(str::to_ascii_lowercase)
}

fn granted(
    document: &ResponseBody<'_>,
    grant: GrantType,
    paths: &AnswerPaths,
    asked_at: Timestamp,
) -> Result<TokenResponse, &'static str> {
    let access_token = match first(document, &paths.access_token) {
        None => return Err("no access token"),
        Some(ResponseValue::Text(token)) if is_token(&token) => Secret::new(token),
        Some(ResponseValue::Text(token)) if token.trim().is_empty() => return Err("an empty access token"),
        Some(ResponseValue::Text(token)) if is_token(token.trim()) => {
            return Err("an access token with a blank at its end");
        }
        Some(_) => return Err("an access token that is not printable text"),
    };
    let refresh_token = refresh_token(document, grant, paths)?;
    let refresh_length = refresh_token.as_ref().map_or(0, |token| token.expose().len());
    if access_token.expose().len() + refresh_length > LARGEST_TOKENS {
        return Err("tokens of more than 256 KiB");
    }
    let token_type = document.text(["token_type"]);
    let mut warnings: Vec<String> = token_type.as_deref().and_then(unspoken).into_iter().collect();
    let said =
        paths.expires_in.iter().find_map(|path| number(&document.find(path)?).filter(|length| *length > 0.0));
    let (expires_in, end) = match said.map(|said| lifetime(said, asked_at)) {
        None => (None, None),
        Some(Lifetime::Seconds(length)) => (length, None),
        Some(Lifetime::Milliseconds(length)) => {
            warnings.push("expires_in of the answer is over ten years; taken for milliseconds".to_owned());
            (Some(length), None)
        }
        Some(Lifetime::Until(end)) => {
            warnings
                .push("expires_in of the answer is over ten years; taken for the time of the end".to_owned());
            (None, Some(end))
        }
    };
    Ok(TokenResponse {
        asked_at,
        access_token,
        refresh_token,
        expires_in,
        expires_at: end.or_else(|| paths.expires_at.iter().find_map(|path| moment(&document.find(path)?))),
        warnings,
        refresh_expires_in: paths.refresh_expires_in.iter().find_map(|path| {
            let item = document.find(path)?;
            seconds(&item).or_else(|| is_zero(&item).then_some(Duration::ZERO))
        }),
        scope: scope(document),
        token_type,
        id_token: document.text(["id_token"]).filter(|token| is_token(token)).map(Secret::new),
        kept: paths
            .keep
            .iter()
            .filter_map(|name| Some((name.clone(), Secret::new(document.raw(name)?))))
            .collect(),
    })
}

/// The refresh token of an answer that grants no access token.
fn replacement(document: &ResponseBody<'_>, grant: GrantType, paths: &AnswerPaths) -> Option<Secret> {
    let token = refresh_token(document, grant, paths).ok().flatten()?;
    (token.expose().len() <= LARGEST_TOKENS).then_some(token)
}

/// A warning about a token type that no Bearer header can carry. Other types are names of Bearer, or of the token's
/// user.
fn unspoken(token_type: &str) -> Option<String> {
    const UNSPOKEN: [&str; 4] = ["dpop", "pop", "mac", "n_a"];
    UNSPOKEN.iter().find(|known| known.eq_ignore_ascii_case(token_type.trim())).map(|known| {
        format!(
            "the answer's token_type is {known}, and the token is sent as Bearer, which its server may refuse; \
             ask for Bearer tokens where the client is registered"
        )
    })
}

/// The new refresh token, if there is one.
fn refresh_token(
    document: &ResponseBody<'_>,
    grant: GrantType,
    paths: &AnswerPaths,
) -> Result<Option<Secret>, &'static str> {
    // An application requests a new token each time; RFC 6749 4.4.3 says that there should be no refresh token.
    if grant == GrantType::ClientCredentials {
        return Ok(None);
    }
    match first(document, &paths.refresh_token) {
        // Empty, null and false all mean "as before" (RFC 6749 6).
        None | Some(ResponseValue::False) => Ok(None),
        Some(ResponseValue::Text(token)) if token.trim().is_empty() => Ok(None),
        Some(ResponseValue::Text(token)) if is_token(&token) => Ok(Some(Secret::new(token))),
        Some(ResponseValue::Text(token)) if is_token(token.trim()) => {
            Err("a refresh token with a blank at its end")
        }
        Some(_) => Err("a refresh token that is not printable text"),
    }
}

/// The value at the first of the paths that holds anything but null.
fn first(document: &ResponseBody<'_>, paths: &Paths) -> Option<ResponseValue> {
    paths.iter().filter_map(|path| document.find(path)).find(|item| *item != ResponseValue::Null)
}

/// Whether a text can be a token. Tokens are printable ASCII of any length (RFC 6749 appendix A). A header would lose a
/// blank at an end.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.trim().len() == text.len() && is_printable(text)
}

/// The meaning of an `expires_in`.
enum Lifetime {
    /// Seconds, as in RFC 6749 5.1; `None` for less than the clock's millisecond.
    Seconds(Option<Duration>),
    /// Milliseconds, as some servers send them.
    Milliseconds(Duration),
    /// The time of the end, as other servers send it.
    Until(Timestamp),
}

/// Interprets `expires_in`. A number over ten years is no lifetime: it is a time near the present, or counts
/// milliseconds.
fn lifetime(said: f64, asked_at: Timestamp) -> Lifetime {
    const TEN_YEARS: Duration = Duration::from_hours(10 * 8766);
    let ten_years = TEN_YEARS.as_secs_f64();
    if said > ten_years {
        if let Some((end, _)) = Timestamp::from_number(said)
            && end.since(asked_at) <= TEN_YEARS
            && asked_at.since(end) <= TEN_YEARS
        {
            return Lifetime::Until(end);
        }
        if said / 1000.0 <= ten_years {
            return Lifetime::Milliseconds(Duration::from_secs_f64(said / 1000.0));
        }
    }
    let length = Duration::from_secs_f64(said.min(LONGEST));
    Lifetime::Seconds((length >= Duration::from_millis(1)).then_some(length))
}

fn number(item: &ResponseValue) -> Option<f64> {
    match item {
        ResponseValue::Number(text) | ResponseValue::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The most bytes of an access token and a refresh token together. A token file of more than 1 MiB is not read, and no
/// client sends such a token.
const LARGEST_TOKENS: usize = 256 << 10;

/// The longest lifetime that is used. A longer one means "for ever", and would overflow later sums.
const LONGEST: f64 = 100.0 * 365.25 * 86_400.0;

/// A positive number of seconds, as number or as text; `None` for anything else. The comparison is false for NaN.
fn seconds(item: &ResponseValue) -> Option<Duration> {
    let value = number(item)?;
    let duration = (value > 0.0).then(|| Duration::from_secs_f64(value.min(LONGEST)))?;
    // Less than the clock's millisecond counts as nothing.
    (duration >= Duration::from_millis(1)).then_some(duration)
}

/// Whether the value is zero: Keycloak gives 0 seconds for an offline token, which does not end.
fn is_zero(item: &ResponseValue) -> bool {
    matches!(item, ResponseValue::Number(text) | ResponseValue::Text(text) if text.trim() == "0")
}

/// A point in time: RFC 3339 text (Sentry), or seconds since 1970. A number over 10^11 is in milliseconds.
fn moment(item: &ResponseValue) -> Option<Timestamp> {
    if let ResponseValue::Text(text) = item
        && let Ok(time) = OffsetDateTime::parse(text.trim(), &Rfc3339)
    {
        let millis = time.unix_timestamp_nanos() / 1_000_000;
        return i64::try_from(millis).ok().map(Timestamp::from_millis);
    }
    Timestamp::from_number(number(item)?).map(|(at, _)| at)
}

/// `scope` as text, or a list of texts joined by blanks.
fn scope(document: &ResponseBody<'_>) -> Option<String> {
    document.text(["scope"]).or_else(|| {
        let list: Vec<String> = serde_json::from_str(&document.raw("scope")?).ok()?;
        (!list.is_empty()).then(|| list.join(" "))
    })
}

#[cfg(test)]
mod tests;

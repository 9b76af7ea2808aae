//! The result of one job for one file.

use crate::clock::Timestamp;
use crate::state::LastFailure;

/// Reports by file name, in the order of the events.
pub(crate) type Reports = Vec<(String, Report)>;

/// The result for one file. No variant holds a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Report {
    /// The file holds new tokens. The texts are warnings.
    Refreshed(Vec<String>),
    /// The file is not due, and is as the cycle has read or written it.
    NotDue,
    /// The file holds other tokens than when the cycle read it, and these are not due.
    RefreshedElsewhere,
    /// A process died while it was storing an answer, which is in place now.
    Finished,
    /// The file got a new refresh token from its endpoint, and no access token. The failure is remembered as its last
    /// one.
    HalfRefreshed(LastFailure),
    /// The file got the new refresh token of its chain and keeps its own access token.
    Followed,
    /// The file was an old copy, and got the refresh token of the file with this name.
    Repaired(String),
    /// Another program stored a new sign-in during the request; that sign-in stays and the answer is dropped.
    SignedInMeanwhile,
    /// The file was moved during its refresh, and has the new tokens under this name.
    Moved(String),
    /// The file does not exist any more.
    Gone,
    /// Another process is refreshing the file at this moment.
    Busy,
    /// The process was told to stop before a request was sent.
    Stopped,
    /// The endpoint is in trouble, and the file is not refreshed before this time.
    Waiting(Timestamp),
    /// The file holds nothing to refresh it with, for this reason.
    Monitored(String),
    /// A request failed or was not allowed. The failure is remembered as the last one.
    Failed(LastFailure),
    /// The file cannot be read or used any more, for this reason.
    Unusable(String),
}

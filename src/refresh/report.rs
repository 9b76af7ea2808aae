//! What became of one file in one job.

use crate::clock::Timestamp;
use crate::state::LastFailure;

/// Reports by file name, in the order of what happened.
pub(crate) type Reports = Vec<(String, Report)>;

/// What became of one file. No variant holds a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Report {
    /// It holds new tokens. The texts deserve a warning.
    Refreshed(Vec<String>),
    /// It is not due, and it is as it was when the cycle read it or wrote it.
    NotDue,
    /// It holds other tokens than when the cycle read it, and they are not due.
    RefreshedElsewhere,
    /// A process died while it was storing an answer, which is in place now.
    Finished,
    /// It got a new refresh token from its endpoint, and no access token: what went wrong, remembered as its last
    /// failure.
    HalfRefreshed(LastFailure),
    /// It got the new refresh token of its chain and keeps its own access token.
    Followed,
    /// It was an old copy, and got the refresh token of the file called so.
    Repaired(String),
    /// Another program stored a new sign-in during the request; that sign-in stays and the answer is dropped.
    SignedInMeanwhile,
    /// It got the name of this file during its refresh, which has the new tokens.
    Moved(String),
    /// It is not there any more.
    Gone,
    /// Another process is refreshing it at this moment.
    Busy,
    /// The process was told to stop before anything was sent.
    Stopped,
    /// Its endpoint is in trouble, and it is not refreshed before this time.
    Waiting(Timestamp),
    /// It holds nothing to refresh it with, for this reason.
    Monitored(String),
    /// A request failed, or something stood against sending one; remembered as its last failure.
    Failed(LastFailure),
    /// It cannot be read or used any more, for this reason.
    Unusable(String),
}

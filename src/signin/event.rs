//! The events during a sign-in in the browser.

use super::redirect::Verdict;

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// A redirect came to the listener, or the person pasted its address.
    Redirect(Verdict),
    /// The person pasted another text; the reply to it.
    NotAnAddress(&'static str),
    /// Standard input has ended.
    InputEnded,
}

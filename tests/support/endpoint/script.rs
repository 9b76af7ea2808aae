//! The faults of an endpoint as data: a test for another fault is another row.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::http::{Answer, Delivery, End, Framing};

/// The source of a scripted answer's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The strict endpoint judges the request: a refresh token is spent, whatever the delivery.
    Honest,
    /// A fixed answer: nothing is issued or spent.
    Fixed(Answer),
}

/// One scripted answer: its content and its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub content: Content,
    pub delivery: Delivery,
    /// The wait before the first byte of the answer, beside the endpoint's own latency.
    pub delay: Duration,
}

impl Step {
    /// The endpoint's own answer, delivered as it should be.
    pub(crate) fn honest() -> Self {
        Self { content: Content::Honest, delivery: Delivery::Whole(Framing::Length), delay: Duration::ZERO }
    }

    /// The request is judged (and the token spent), then the answer is delivered like this.
    pub(crate) fn spent(delivery: Delivery) -> Self {
        Self { delivery, ..Self::honest() }
    }

    /// Nothing is issued or spent; an empty 200 is delivered like this.
    pub(crate) fn unspent(delivery: Delivery) -> Self {
        Self { delivery, ..Self::answer(Answer::new(200, "")) }
    }

    /// A fixed answer; nothing is issued or spent.
    pub(crate) fn answer(answer: Answer) -> Self {
        Self { content: Content::Fixed(answer), ..Self::honest() }
    }

    /// An OAuth error (RFC 6749 section 5.2).
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::answer(Answer::json(status, &serde_json::json!({"error": code})))
    }

    /// A redirect to `location`.
    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::answer(Answer::new(status, "").header("Location", location))
    }

    /// The same step, later.
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same step with another delivery.
    pub(crate) fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }
}

/// The fault of a connection before a byte is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// FIN at once; the client's bytes are read and forgotten.
    Close,
    /// RST as soon as the client has sent a byte.
    Reset,
    /// Nothing is ever read or answered.
    Silence,
}

/// The requests that a script is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Any request to the token endpoint that no client's own script takes.
    Anyone,
    /// Requests that name this client id, in the form or in the Basic header.
    Client(String),
}

impl Who {
    /// Short for a client's requests.
    pub(crate) fn client(id: &str) -> Self {
        Self::Client(id.to_owned())
    }
}

/// The steps still to be played.
#[derive(Default)]
pub(super) struct Scripts {
    queued: HashMap<Who, VecDeque<Step>>,
    always: HashMap<Who, Step>,
}

impl Scripts {
    pub(super) fn queue(&mut self, who: Who, steps: impl IntoIterator<Item = Step>) {
        self.queued.entry(who).or_default().extend(steps);
    }

    pub(super) fn always(&mut self, who: Who, step: Step) {
        self.always.insert(who, step);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next step for a request of this client: from its own queue, from its own rule, then from those for anyone.
    pub(super) fn next(&mut self, client_id: Option<&str>) -> Option<Step> {
        let own = client_id.map(Who::client);
        own.into_iter().chain([Who::Anyone]).find_map(|who| {
            let queued = self.queued.get_mut(&who).and_then(VecDeque::pop_front);
            queued.or_else(|| self.always.get(&who).cloned())
        })
    }
}

/// Whether a delivery needs the socket closed with a byte unread.
pub(super) fn ends_in_reset(delivery: &Delivery) -> bool {
    !delivery.keeps_open() && delivery.end() == End::Reset
}

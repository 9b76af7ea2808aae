//! Endpoints that let one wait. These take the program's own timeouts (10 s to connect, 30 s for all
//! of it), so they are few and run at the same time.

use std::thread;
use std::time::Duration;

use super::afterwards;
use super::black_hole;
use super::case::{Case, Serve, play_with};
use super::outcome::{LEFT, Outcome, passing};
use crate::support::{Answer, Delivery, End, Fault, Step};

/// Run by [`a_minute`](crate::a_minute).
pub(crate) fn what_takes_the_programs_own_timeouts() {
    thread::scope(|scope| {
        scope.spawn(black_hole::an_endpoint_that_never_answers);
        scope.spawn(black_hole::a_host_that_drops_connections);
        scope.spawn(afterwards::after_a_passing_failure_the_daemon_comes_back_by_itself);
        scope.spawn(who_does_not_answer_is_given_up_after_half_a_minute);
    });
}

fn who_does_not_answer_is_given_up_after_half_a_minute() {
    let tokens = Answer::new(200, r#"{"access_token":"at-new","expires_in":3600}"#);
    let slow = |delivery| Step::answer(tokens.clone()).delivered(delivery);
    let each = Duration::from_secs(2);
    // A minute before the expiry, of which the wait has taken half a minute.
    let in_doubt = Outcome::InDoubt(LEFT - 60 - 40..=LEFT - 60 - 30);
    let silence = slow(Delivery::Nothing(End::Silence));
    let says = "it did not come in time";
    play_with(
        vec![
            Case::step("silence", "github", silence.clone(), in_doubt.clone()).says(says),
            Case::step("silence in a grace", "atlassian", silence.clone(), Outcome::InDoubt(0..=2))
                .sent_again()
                .says(says),
            Case::step("silence without rotation", "google", silence.clone(), passing()).says(says),
            Case::step("silence to an application", "github", silence, passing()).machine().says(says),
            Case::step("slow head", "github", slow(Delivery::SlowHead(each)), in_doubt.clone()).says(says),
            Case::step("slow body", "github", slow(Delivery::SlowBody(each)), in_doubt.clone()).says(says),
            Case::new("never read", "github", Serve::Connection(Fault::Silence), in_doubt).says(says),
            // No TLS handshake comes: nothing left.
            Case::new("no handshake", "github", Serve::SilentTls, passing()).says("nothing was sent"),
        ],
        8,
        Duration::from_secs(85),
    );
}

//! Every answer that a token endpoint can give, and every way of giving none, against the real
//! program from outside: what it takes the answer for, what it tells a person, what becomes of the
//! token file, and when it asks again. If something here fails, a healthy sign-in is given up, a dead
//! one is hammered, or a secret is shown.
//!
//! Each behaviour is a row with its documented outcome; [`case`] plays them. What the rows say of a
//! provider comes from the provider's own pages or from working clients of it.

mod afterwards;
mod black_hole;
mod broken;
mod case;
mod hostile;
mod misconfigured;
mod odd_but_whole;
mod outcome;
mod overload;
mod own_rows;
mod refusals;
mod silence;
mod successes;

pub(crate) use silence::what_takes_the_programs_own_timeouts;

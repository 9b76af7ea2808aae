//! token-refresher keeps the OAuth tokens of coding assistants alive. See README.md.

mod clock;
mod secret;

fn main() {}

//! token-refresher keeps the OAuth tokens of coding assistants alive. See README.md.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, to panic is to fail"))]

#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod cli;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod clients;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod clock;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod files;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod json;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod logging;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod oauth;
#[cfg(test)]
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod scratch;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod secret;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod servers;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod settings;
#[allow(dead_code, unused_imports, reason = "called by the daemon, which comes later")]
mod tokens;

fn main() {}

//! `token-refresher bridge`: the real program between a client that starts it and a strict MCP server. If
//! something here fails, an assistant loses its tools, or waits for ever.

#[allow(dead_code, reason = "the server offers more than each test file uses")]
#[path = "../../support/mcp/mod.rs"]
mod mcp;

#[allow(dead_code, reason = "as much as a client can do")]
mod client;
mod ends;
mod http_sse;
mod passes;
mod refreshes;
mod sessions;
mod sizes;
mod streams;
mod tokens;
mod trouble;

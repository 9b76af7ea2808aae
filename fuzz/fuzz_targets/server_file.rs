//! A file of the registry: any text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_refresher_fuzz::servers::read_server;

fuzz_target!(|text: &str| {
    if let Ok(Some(server)) = read_server("any.json", text) {
        server.endpoint();
        server.is_open();
    }
});

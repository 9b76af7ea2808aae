//! A user's own provider rows: any text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_refresher_fuzz::oauth::providers::Providers;

fuzz_target!(|text: &str| {
    match Providers::with_user_rows(text) {
        Ok(providers) => {
            providers.longest_name_prefix("github-repos");
        }
        Err(why) => assert!(!why.is_empty() && !why.contains('\n'), "{why:?}"),
    }
});

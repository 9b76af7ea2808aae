//! An answer of a token endpoint: any bytes, under each of the content types that the program knows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_refresher_fuzz::clock::Timestamp;
use token_refresher_fuzz::oauth::outcome::GrantType;
use token_refresher_fuzz::oauth::providers::Providers;
use token_refresher_fuzz::oauth::response_body::ResponseBody;
use token_refresher_fuzz::oauth::token_response::{TokenAnswer, answer};

const TYPES: [&str; 4] = ["application/json", "application/x-www-form-urlencoded", "text/html", ""];
const PROVIDERS: [&str; 4] = ["github", "slack", "keycloak", "atlassian"];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, body) = (usize::from(input.0), input.1);
    let Some(document) = ResponseBody::read(body, TYPES[choice % 4], choice & 64 == 0) else { return };
    let providers = Providers::builtin();
    let provider = providers.named(PROVIDERS[choice / 4 % 4]).expect("a built-in row");
    let grant = if choice & 128 == 0 { GrantType::RefreshToken } else { GrantType::ClientCredentials };
    let now = Timestamp::from_seconds(1_800_000_000);
    let understood = answer(&document, choice & 32 == 0, grant, provider.answer.get(), provider.errors.get(), now);
    if let TokenAnswer::Tokens(tokens) = understood {
        assert!(choice & 32 == 0, "a refusal is no success");
        assert!(grant == GrantType::RefreshToken || tokens.refresh_token.is_none());
    }
});

//! The text of a sealed member: any text, and a good one with any part replaced. Nothing but what was sealed opens, and
//! a damaged text is not taken for a plain token.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use token_refresher_fuzz::sealing::{
    Binding, Keyring, Seal, SealingKey, SecretMember, StoredSecret, opened, opened_anywhere, stored,
};
use token_refresher_fuzz::secret::Secret;
use token_refresher_fuzz::tokens::Document;
use token_refresher_fuzz::tokens::at_rest::AtRest;

/// How many letters of a sealed text may be wrong for it to be known as one.
const FEW: usize = 8;

fuzz_target!(|input: (&str, u16, &str)| {
    let (text, place, part) = input;
    let member = SecretMember::RefreshToken;
    let mut keys = Keyring::default();
    keys.add(Arc::new(SealingKey::parse(&"A".repeat(43)).unwrap()));
    let binding = Binding { endpoint: "https://idp.example".to_owned(), client: None };
    let seal = Seal::new(keys.first().unwrap(), binding.clone());

    assert!(opened_anywhere(&Secret::new(text), member, &keys).is_err(), "nobody sealed it: {text:?}");
    if let Err(why) = SealingKey::parse(text) {
        assert!(!why.to_string().contains('\n'));
    }
    if let Ok(document) = Document::parse(&serde_json::json!({"refresh_token": text}).to_string()) {
        AtRest::of(&document);
        document.refresh_fingerprint();
    }

    let whole = seal.seal(member, &Secret::new(text)).unwrap();
    let again = opened(&whole, member, &binding, &keys).unwrap();
    assert!(again == Secret::new(text), "what was sealed opens");

    let mut bytes = whole.expose().as_bytes().to_vec();
    let place = usize::from(place) % bytes.len();
    let changed = bytes[place..].iter_mut().zip(part.bytes()).map(|(old, new)| std::mem::replace(old, new));
    let changed = changed.count();
    let Ok(changed_text) = String::from_utf8(bytes) else { return };
    if changed_text == whole.expose() {
        return;
    }
    assert!(opened_anywhere(&Secret::new(&*changed_text), member, &keys).is_err(), "{changed_text}");
    if changed <= FEW {
        assert!(stored(&changed_text) != StoredSecret::Plain, "{changed_text}");
    }
});

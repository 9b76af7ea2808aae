use super::super::key::test_key;
use super::super::recognise::{StoredSecret, stored};
use super::*;
use crate::secret::Fingerprint;

fn keys(fills: &[u8]) -> Keyring {
    let mut keys = Keyring::default();
    for fill in fills {
        keys.add(Arc::new(test_key(*fill)));
    }
    keys
}

fn binding(endpoint: &str, client: Option<&str>) -> Binding {
    let client = client.map(|client| Fingerprint::of(client.as_bytes()));
    Binding { endpoint: endpoint.to_owned(), client }
}

fn here() -> Binding {
    binding("https://idp.example", Some("client"))
}

fn sealed(secret: &str) -> Secret {
    Seal::new(keys(&[1]).first().unwrap(), here())
        .seal(SecretMember::RefreshToken, &Secret::new(secret))
        .unwrap()
}

fn open(text: &str) -> Result<Secret, Unsealable> {
    opened(&Secret::new(text), SecretMember::RefreshToken, &here(), &keys(&[1]))
}

/// The text with another protected header, as its first part.
fn with_header(text: &str, json: &str) -> String {
    let rest = text.split_once('.').unwrap().1;
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(json))
}

fn header_of(text: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text.split_once('.').unwrap().0).unwrap()).unwrap()
}

#[test]
fn what_is_sealed_opens_and_says_everything_about_itself() {
    for secret in ["r", "a refresh token with blanks", &"x".repeat(9000), "-----BEGIN KEY-----\nä\n"] {
        let text = sealed(secret);
        assert_eq!(open(text.expose()).unwrap().expose(), secret);
        assert_ne!(text, sealed(secret), "each nonce is another");
        let (kid, fp) = (test_key(1).kid(), Secret::new(secret).fingerprint());
        let client = Fingerprint::of(b"client");
        assert_eq!(
            header_of(text.expose()),
            [
                r#"{"alg":"dir","enc":"A256GCM","typ":"token-refresher+jwe""#.to_owned(),
                format!(r#""kid":"{kid}","member":"refresh_token","endpoint":"https://idp.example""#),
                format!(r#""client":"{client}","fp":"{fp}"}}"#),
            ]
            .join(",")
        );
        assert!(!text.expose().contains(secret) || secret.len() < 3);
    }
    let public = Seal::new(keys(&[1]).first().unwrap(), binding("row:github", None));
    let text = public.seal(SecretMember::ClientSecret, &Secret::new("s")).unwrap();
    assert!(!header_of(text.expose()).contains("\"client\""), "an absent client is left out");
}

#[test]
fn it_opens_only_where_it_belongs() {
    let text = sealed("r");
    let elsewhere = |member, binding: &Binding, fills: &[u8]| {
        opened(&text, member, binding, &keys(fills)).map(drop).map_err(|why| why.to_string())
    };
    let member = SecretMember::RefreshToken;
    assert_eq!(elsewhere(member, &here(), &[2, 1]), Ok(()), "any key of the ring opens");
    for (member, binding, fills, expected) in [
        (member, here(), vec![2], "the key 72cd6e8422c407fb, which is not here"),
        (member, here(), vec![], "which is not here"),
        (SecretMember::ClientSecret, here(), vec![1], "made for refresh_token"),
        (
            member,
            binding("https://evil.example", Some("client")),
            vec![1],
            "leads to https://evil.example now",
        ),
        (member, binding("row:github", Some("client")), vec![1], "leads to row:github now"),
        (member, binding("https://idp.example", Some("other")), vec![1], "another client_id"),
        (member, binding("https://idp.example", None), vec![1], "another client_id"),
    ] {
        let why = elsewhere(member, &binding, &fills).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
    let (secret, header) = opened_anywhere(&text, member, &keys(&[1])).unwrap();
    assert_eq!((secret.expose(), header.binding()), ("r", here()));
}

#[test]
fn a_changed_letter_anywhere_is_found_and_never_taken_for_a_plain_token() {
    let text = sealed("a refresh token");
    let whole = text.expose();
    for place in 0..whole.len() {
        for bit in 0..7 {
            let mut bytes = whole.as_bytes().to_vec();
            bytes[place] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert_ne!(stored(&changed), StoredSecret::Plain, "{place} {bit}");
            assert!(open(&changed).is_err(), "{place} {bit}");
        }
        let mut shorter = whole.to_owned();
        shorter.remove(place);
        assert_ne!(stored(&shorter), StoredSecret::Plain, "without {place}");
        assert!(open(&shorter).is_err());
        let mut longer = whole.to_owned();
        longer.insert(place, 'A');
        assert_ne!(stored(&longer), StoredSecret::Plain, "with a letter more at {place}");
        assert!(open(&longer).is_err());
        if place >= 24 {
            assert_ne!(stored(&whole[..place]), StoredSecret::Plain, "cut at {place}");
        }
        assert!(open(&whole[..place]).is_err());
    }
}

#[test]
fn parts_of_two_texts_do_not_fit_together() {
    let (one, other) = (sealed("one"), sealed("two"));
    let split = |text: &Secret| text.expose().split('.').map(ToOwned::to_owned).collect::<Vec<_>>();
    for part in [0, 2, 3, 4] {
        let mut parts = split(&one);
        parts[part] = split(&other)[part].clone();
        assert_eq!(open(&parts.join(".")).err(), Some(Unsealable::Broken), "part {part}");
    }
}

#[test]
fn a_header_that_is_not_ours_to_the_letter_is_refused() {
    let text = sealed("r");
    let header = header_of(text.expose());
    for (from, to, expected) in [
        ("\"dir\"", "\"A256KW\"", Unsealable::Algorithm),
        ("\"A256GCM\"", "\"A128GCM\"", Unsealable::Algorithm),
        ("{\"alg\"", "{\"zip\":\"DEF\",\"alg\"", Unsealable::Header),
        ("{\"alg\"", "{\"crit\":[\"exp\"],\"exp\":1,\"alg\"", Unsealable::Header),
        ("{\"alg\"", "{\"alg\":\"dir\",\"alg\"", Unsealable::Header),
        ("+jwe\"", "+jws\"", Unsealable::Header),
        ("\"refresh_token\"", "\"access_token\"", Unsealable::Header),
        ("\"fp\":", "\"pf\":", Unsealable::Header),
        ("\"kid\":\"", "\"kid\":\"x", Unsealable::Header),
        // A good header, and not the one that was sealed.
        ("idp.example", "evil.example", Unsealable::Broken),
        ("\"refresh_token\"", "\"client_secret\"", Unsealable::Broken),
        ("\"alg\":\"dir\"", " \"alg\" : \"dir\"", Unsealable::Broken),
    ] {
        let changed = header.replacen(from, to, 1);
        assert_ne!(changed, header, "{from}");
        let forged = with_header(text.expose(), &changed);
        assert_eq!(open(&forged).err(), Some(expected), "{to}");
        assert!(from == "+jwe\"" || stored(&forged) != StoredSecret::Plain, "{to}");
    }
    let values = header.trim_matches(['{', '}']).split(',').map(|member| member.split_once("\":").unwrap().1);
    let list = format!("[{}]", values.collect::<Vec<_>>().join(","));
    assert_eq!(open(&with_header(text.expose(), &list)).err(), Some(Unsealable::Header), "{list}");
    let long = with_header(text.expose(), &header.replace("idp.example", &"i".repeat(4000)));
    assert_eq!(open(&long).err(), Some(Unsealable::Oversize));
    let endless = format!("{}{}", text.expose(), "A".repeat(1 << 20));
    assert_eq!(open(&endless).err(), Some(Unsealable::Oversize));
}

#[test]
fn tokens_of_providers_are_none_of_ours() {
    let nonce_to_tag = format!("..{}.Y2lwaGVy.{}", "A".repeat(16), "A".repeat(22));
    let jwe = |header: &str| format!("{}{nonce_to_tag}", URL_SAFE_NO_PAD.encode(header));
    for text in [
        "opaque-refresh-token".to_owned(),
        "1//0gabcdefghijklmnopqrstuvwxyz".to_owned(),
        String::new(),
        "eyJhbGciOiJkaXIi".to_owned(),
        "a.b.c.d.e".to_owned(),
        // A JWS, and JWEs of a provider. The second JWE has the very algorithms that seal.
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2ln".to_owned(),
        jwe(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#),
        jwe(r#"{"alg":"dir","enc":"A256GCM","cty":"JWT"}"#),
        jwe(r#"{"alg":"dir","enc":"A256GCM","typ":"JWT"}"#),
        jwe(r#"{"alg":"dir","enc":"A256GCM","typ":7}"#),
    ] {
        assert_eq!(stored(&text), StoredSecret::Plain, "{text}");
    }
    // Another library writes the members of the header in its own order.
    let text = sealed("r");
    let mut members: Vec<String> =
        header_of(text.expose()).trim_matches(['{', '}']).split(',').map(ToOwned::to_owned).collect();
    members.reverse();
    let turned = with_header(text.expose(), &format!("{{{}}}", members.join(",")));
    assert!(matches!(stored(&turned), StoredSecret::Sealed(_)));
}

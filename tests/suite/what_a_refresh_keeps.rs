//! What a refresh changes in a token file, and that it changes nothing else: other tools own the
//! fields that we do not understand.

use crate::support::{self, Client, Due, Endpoint, Program, Project, TokenFile, due};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const FILE: &str = "github-repos-egress.json";

#[test]
fn everything_but_the_refreshed_values_stays_byte_for_byte() {
    let Due { endpoint, project, client } = due::none();
    let tokens = endpoint.sign_in("app");
    // An order, spellings and spacing that no serializer would choose.
    let text = |access: &str, refresh: &str, expires_at: i64, issued_at: i64, expires_in: i64| {
        format!(
            "{{ \"zeta\" : 1.50,\n\t\"access_token\":\"{access}\" , \"big\":123456789012345678901234567890,\n\
             \"exponent\": 1.7672256E+9, \"huge\": 1e400, \"minus\": -0,\n  \
             \"escaped\": \"\\u00e9\\/\\ud83d\\ude00\",\n\
             \"refresh_token\": \"{refresh}\",\n\n  \"expires_at\":   {expires_at},\r\n\"issued_at\": {issued_at}, \
             \"expires_in\": {expires_in},\n\"nested\": {{\"b\": [1,2 , {{}}], \"a\": null}}, \
             \"token_type\": \"Bearer\",\n\
             \"token_endpoint\": \"{}\", \"client_id\": \"{}\",\n\"client_secret\": \"{}\", \"alpha\": true }}",
            endpoint.url(),
            client.id(),
            client.secret()
        )
    };
    let now = support::now();
    project
        .write_tokens_file(FILE, text(&tokens.access_token, &tokens.refresh_token, now - 10, now - 610, 600));
    Program::new(&project).once().expect_code(0);

    let new = project.text(&format!(".oauth-tokens/{FILE}"));
    // A parser of 64-bit numbers cannot read 1e400.
    let document: Value = serde_json::from_str(&new.replace("1e400", "1")).unwrap();
    let (word, number) =
        (|name: &str| document[name].as_str().unwrap(), |name: &str| document[name].as_i64().unwrap());
    let expected = text(
        word("access_token"),
        word("refresh_token"),
        number("expires_at"),
        number("issued_at"),
        number("expires_in"),
    );
    assert_eq!(new, expected);
    assert!(endpoint.is_live(word("access_token")));
    assert_ne!(word("refresh_token"), tokens.refresh_token);
    assert_eq!(number("expires_in"), 3600);
    assert!((0..=20).contains(&(number("issued_at") - now)), "{document:#}");
    assert_eq!(number("expires_at"), number("issued_at") + 3600);
}

/// Seconds since 1970 out of one written form.
type Read<'a> = &'a dyn Fn(&Value) -> i64;

#[test]
fn an_expiry_is_written_back_in_the_form_it_had() {
    let long_ago = "2020-01-01T00:00:00";
    let iso = |value: &Value, zone: &str| {
        let text = format!("{}{zone}", value.as_str().unwrap());
        OffsetDateTime::parse(&text, &Rfc3339)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .unix_timestamp()
    };
    let number_in_text = |value: &Value| value.as_str().unwrap().parse::<i64>().unwrap();
    let forms: [(Value, Read); 6] = [
        (1_577_836_800.into(), &|value| value.as_i64().unwrap()),
        (1_577_836_800_000_i64.into(), &|value| value.as_i64().unwrap() / 1000),
        ("1577836800".into(), &number_in_text),
        (format!("{long_ago}Z").into(), &|value| iso(value, "")),
        (format!("{long_ago}+00:00").into(), &|value| iso(value, "")),
        (format!("{long_ago}.521374").into(), &|value| iso(value, "Z")),
    ];
    for (old, read) in forms {
        let Due { endpoint, project, client } = due::none();
        let file = TokenFile::signed_in("github", "repos", &endpoint, &client);
        project.write_token(&file.field("expires_at", old.clone()));
        Program::new(&project).once().expect_code(0);
        let new = project.read_token(FILE)["expires_at"].clone();
        let left = read(&new) - support::now();
        assert!((3580..=3601).contains(&left), "{old} became {new}: {left} s");
    }
}

/// The names that other tools give the expiry: one that is not read lets the token die in silence.
#[test]
fn an_expiry_under_another_name_is_read_and_written_back() {
    let rows: [(&str, Value); 8] = [
        ("expiry", "2020-01-01T00:00:00.000000Z".into()),
        ("expiry", "2020-01-01T00:00:00".into()),
        ("expiry_date", 1_577_836_800_000_i64.into()),
        ("expires_on", "1577836800".into()),
        ("expires_on", 1_577_836_800.into()),
        ("access_token_expiration", "2020-01-01T00:00:00Z".into()),
        ("expires", 1_577_836_800.into()),
        ("expires", "2020-01-01T00:00:00+00:00".into()),
    ];
    for (name, old) in rows {
        let Due { endpoint, project, client } = due::none();
        let file = TokenFile::signed_in("github", "repos", &endpoint, &client);
        project.write_token(&file.field(name, old.clone()));
        Program::new(&project).once().expect_code(0);
        assert_eq!(endpoint.requests().len(), 1, "{name} {old}: it is due");
        let new = project.read_token(FILE)[name].clone();
        assert_ne!(new, old, "{name}");
        assert_eq!((new.is_string(), new.is_i64()), (old.is_string(), old.is_i64()), "{name}: {new}");
        // What was written is understood: it is not due any more, and status says until when it lasts.
        Program::new(&project).once().expect_code(0);
        assert_eq!(endpoint.requests().len(), 1, "{name} {new}");
        let end = due::report(&project)["tokens"][0]["expires_at"].as_i64();
        let left = end.unwrap_or_else(|| panic!("{name} {new}: no expiry")) - support::now();
        assert!((3580..=3601).contains(&left), "{name} {new}: {left} s");
    }
}

#[test]
fn a_lifetime_from_its_beginning_is_read_under_other_names_too() {
    for (began, lasts) in
        [("created_at", "expires_in"), ("issued_at", "expires_in"), ("obtained_at", "expires_in")]
    {
        for (age, due) in [(7000, true), (60, false)] {
            let Due { endpoint, project, client } = due::none();
            let file = TokenFile::signed_in("gitlab", "repos", &endpoint, &client);
            project.write_token(&file.field(began, support::now() - age).field(lasts, 7200));
            Program::new(&project).once().expect_code(0);
            assert_eq!(endpoint.requests().len(), usize::from(due), "{began}, {age} s ago");
        }
    }
}

#[test]
fn a_fraction_of_a_second_stays_a_fraction() {
    let Due { endpoint, project, client } = due::none();
    let file = TokenFile::signed_in("github", "repos", &endpoint, &client);
    project.write_token(&file.field("expires_at", 1_577_836_800.25));
    Program::new(&project).once().expect_code(0);
    let new = project.read_token(FILE)["expires_at"].clone();
    assert!(new.is_f64(), "{new}");
}

#[test]
fn a_file_that_others_could_read_is_for_its_owner_alone_afterwards() {
    let Due { endpoint, project, client } = due::none();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    let path = format!(".oauth-tokens/{FILE}");
    project.set_mode(&path, 0o644);
    Program::new(&project).once().expect_code(0);
    assert_eq!(project.mode(&path), 0o600);
}

#[test]
fn answers_add_no_field_that_they_were_not_asked_for() {
    let endpoint = Endpoint::start();
    let client = Client::new("app").answers_with("id_token", "eyJ".into()).answers_with("ext", 1.into());
    endpoint.register(client.clone());
    let project = Project::new();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    let before = project.read_token(FILE);
    Program::new(&project).once().expect_code(0);
    let known = ["token_type", "issued_at", "expires_in"];
    for name in project.read_token(FILE).as_object().unwrap().keys() {
        assert!(before.get(name).is_some() || known.contains(&name.as_str()), "{name}");
    }
}

//! A client's own settings file: any text. A second cycle changes nothing, and what comes out can be read again.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use token_refresher_fuzz::clients::{Edit, ReaderPaths, Secrets, Service, apply, client, names};
use token_refresher_fuzz::secret::Secret;
use token_refresher_fuzz::servers::McpTransport;

fn service(name: &str, token: Option<&str>) -> Service {
    Service {
        name: name.to_owned(),
        url: format!("https://gateway.example/{name}/mcp"),
        transport: McpTransport::StreamableHttp,
        authorization: token.map(|token| Secret::new(format!("Bearer {token}"))),
        extra: Vec::new(),
        behind_gateway: true,
    }
}

fuzz_target!(|input: (u8, &str)| {
    let (choice, text) = input;
    let names: Vec<&str> = names().collect();
    let client = client(names[usize::from(choice) % names.len()]).expect("a known client");
    let services = [service("docs", Some("at-1")), service("time", None)];
    let secrets = if choice & 128 == 0 { Secrets::Inline } else { Secrets::Auto };
    let paths =
        ReaderPaths { exe: "/bin/token-refresher", dir: "/home/x", tokens_dir: "/home/x/.oauth-tokens" };
    let first = apply(client, Some(text), &services, &[], &BTreeMap::new(), secrets, paths);
    let Edit::Write(new) = first.edit else { return };
    let second = apply(client, Some(new.expose()), &services, &first.ours, &first.users_own, secrets, paths);
    assert!(
        second.edit == Edit::Same,
        "{}: {:?} became {:?}, then {:?}",
        client.name,
        text,
        new.expose(),
        second.edit
    );
    // Without the services their entries go, and the document is one that can be read.
    let gone = apply(client, Some(new.expose()), &[], &first.ours, &first.users_own, secrets, paths);
    assert!(
        !matches!(gone.edit, Edit::Refuse(_)),
        "{}: {:?} is refused: {:?}",
        client.name,
        new.expose(),
        gone.edit
    );
});

//! Two hundred credentials whose tokens live for twenty seconds.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::reader::Reader;
use super::support::{Client, Endpoint, Program, Project, TokenFile};
use super::{median, micros, sealed, sealing_key, seconds, with_key};

const CREDENTIALS: usize = 200;
const LIFE: Duration = Duration::from_secs(20);

/// How long the tokens of a configuration were expired, as its reader saw it.
#[derive(Default)]
struct Expired {
    last_look: Option<(Instant, bool)>,
    altogether: Duration,
    looks: usize,
}

/// Every bearer token in a text.
fn bearers(text: &str) -> impl Iterator<Item = &str> {
    text.split("Bearer ").skip(1).filter_map(|rest| rest.split(['"', '\\']).next())
}

fn sync_cost(project: &Project) -> Duration {
    let path = project.token("probe");
    let times = (0..50).map(|number| {
        let mut file = File::create(&path).unwrap();
        file.write_all(format!("{number:500}").as_bytes()).unwrap();
        let began = Instant::now();
        file.sync_all().unwrap();
        began.elapsed()
    });
    let cost = median(times.collect());
    std::fs::remove_file(path).unwrap();
    cost
}

#[test]
#[ignore = "make faults"]
fn no_token_expires_and_none_is_asked_for_too_often() {
    let endpoint = Arc::new(Endpoint::start());
    endpoint.set_latency(Duration::from_millis(5));
    let project = Project::new();
    for number in 0..CREDENTIALS {
        let client = Client::new(&format!("app-{number}")).lifetime(LIFE);
        endpoint.register(client.clone());
        let file = TokenFile::signed_in("github", &format!("s{number}"), &endpoint, &client);
        project.write_token(&file.fresh_for(20));
    }
    let cost = sync_cost(&project);
    let key = sealing_key(&project, sealed());
    let daemon = with_key(Program::new(&project), key.as_ref()).env("REGISTRY_URL", "http://gateway").start();
    let expired = Arc::new(Mutex::new(Expired::default()));
    let reader = Reader::start(project.path(".oauth-tokens"), {
        let (endpoint, expired) = (Arc::clone(&endpoint), Arc::clone(&expired));
        move |name, document| {
            if name != "mcp.json" {
                return;
            }
            let live: std::collections::HashSet<String> = endpoint.live_tokens().into_iter().collect();
            let dead = bearers(&document.to_string()).any(|token| !live.contains(token));
            let mut expired = expired.lock().unwrap();
            let now = Instant::now();
            if let Some((before, true)) = expired.last_look {
                expired.altogether += now - before;
            }
            expired.last_look = Some((now, dead));
            expired.looks += 1;
        }
    });
    std::thread::sleep(Duration::from_secs(seconds()));
    let saw = reader.finish();
    daemon.stop().expect_code(0);
    assert_eq!(endpoint.reuses(), 0);
    let mut by_client: HashMap<String, Vec<Instant>> = HashMap::new();
    for request in endpoint.requests() {
        by_client.entry(request.field("client_id").unwrap().to_owned()).or_default().push(request.arrived);
    }
    assert_eq!(by_client.len(), CREDENTIALS, "each was refreshed");
    let gaps = by_client.values().flat_map(|times| times.windows(2).map(|two| two[1] - two[0]));
    let shortest = gaps.min().unwrap();
    let most = by_client.values().map(|times| within(times, LIFE)).max().unwrap();
    assert!(most <= 2, "{most} requests for one credential in the life of one token");
    let expired = expired.lock().unwrap();
    assert!(expired.looks > 0, "nobody looked at the configuration");
    println!(
        "{CREDENTIALS} credentials with tokens of {} s for {} s: {} requests, at most {most} in a life, {} \
         ms between two at \
         least; {} reads, 0 torn, 0 sent twice; expired tokens stood in a configuration for {} ms; an fsync \
         costs {} here",
        LIFE.as_secs(),
        seconds(),
        by_client.values().map(Vec::len).sum::<usize>(),
        shortest.as_millis(),
        saw.reads,
        expired.altogether.as_millis(),
        micros(cost),
    );
}

/// The most requests that follow one of these within this length: in the life of the token that it got.
fn within(times: &[Instant], length: Duration) -> usize {
    let following =
        |index: usize| times[index + 1..].iter().take_while(|time| **time - times[index] < length).count();
    (0..times.len()).map(following).max().unwrap_or(0)
}

//! `token-refresher bridge SERVER`: an MCP server on standard input and output. The bridge passes all messages to the
//! real server by streamable HTTP, with the present token.
//!
//! A client that reads its configuration once keeps a token that expires. The configuration entry of the bridge holds
//! no token. The threads block, and there is no listener: the dispatcher reads the client's messages, and the workers
//! exchange them with the server.

mod access;
mod call;
mod channel;
mod context;
mod cookies;
mod crew;
mod desk;
mod ending;
mod events;
mod flights;
mod http;
mod http_sse;
mod lines;
mod message;
mod modern;
mod notes;
mod out;
mod post;
mod push;
mod queue;
mod refresher;
mod renewal;
mod sentry;
mod session;
mod socket;
mod source;
mod stream;
mod verdict;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::Method;

use crate::exit::ExitError;
use crate::servers::McpTransport;
use crate::settings::Settings;

use access::Doorman;
use context::Bridge;
use cookies::Cookies;
use crew::Crew;
use desk::Desk;
use ending::{Ending, Reason};
use flights::Flights;
use http::Route;
use modern::Tools;
use out::Out;
use queue::{Notes, Push};
use refresher::Refresher;
use session::Session;

/// How long answers are awaited after the client has closed its side.
const LAST_ANSWERS: Duration = Duration::from_millis(400);

/// How long the server has to end the session.
const FAREWELL: Duration = Duration::from_millis(300);

/// Serves the client until it has gone. `server` is the name of a server of the project. Without a name the environment
/// holds the address.
pub(crate) fn run(server: Option<&str>, settings: &Settings) -> Result<(), ExitError> {
    let source = source::source(server, settings).map_err(ExitError::Wrong)?;
    let refresher = Refresher::new(settings);
    let access = Doorman::new(source, Arc::clone(&refresher)).map_err(ExitError::Wrong)?;
    let http = crate::cycle::http_settings(settings).map_err(ExitError::Wrong)?;
    let (url, transport) = access.server().map_err(ExitError::Wrong)?;
    let route = Route::new(&http, &url).map_err(ExitError::Wrong)?;
    let refused = |error: io::Error| ExitError::Failed(crate::files::reason(&error));
    let (ending, bells) = Ending::watch().map_err(refused)?;
    let bridge = Arc::new(Bridge {
        access,
        crew: Arc::new(Crew::new(route)),
        out: Out::new(Box::new(io::stdout()), Box::new(move || bells.stop.ring())),
        flights: Flights::default(),
        session: Session::default(),
        cookies: Cookies::default(),
        tools: Tools::default(),
        notes: Notes::default(),
        push: Push::default(),
        channel: (transport == McpTransport::Sse).then(Arc::default),
    });
    if let Some(channel) = bridge.channel.clone() {
        let own = Arc::clone(&bridge);
        let thread = std::thread::Builder::new().name("stream".to_owned());
        thread.spawn(move || own.keep_channel(&channel)).map_err(refused)?;
    }
    let desk = Desk::new(Arc::clone(&bridge));
    let (reader, input_over) = (Arc::clone(&desk), bells.input_over);
    let reading = std::thread::Builder::new().name("input".to_owned()).spawn(move || {
        if let Err(error) = reader.serve(io::stdin()) {
            log::error!(target: "BRIDGE", "standard input cannot be read: {error}");
        }
        input_over.ring();
    });
    reading.map_err(refused)?;
    let reason = ending.wait();
    let why = if reason == Reason::InputClosed { "the client has closed its side" } else { "told to stop" };
    log::debug!(target: "BRIDGE", "ending: {why}");
    if reason == Reason::InputClosed {
        ending.wait_for_input_over(LAST_ANSWERS / 2);
        let until = Instant::now() + LAST_ANSWERS;
        // Polled only here, for less than half a second: otherwise each call would have to send a signal at its end.
        while Instant::now() < until && !(desk.is_idle() && bridge.is_idle()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    farewell(&bridge);
    refresher.end();
    Ok(())
}

/// Tells the server that the client has gone: cancels the calls under way and ends the session. The process ends in
/// time whatever the server does.
fn farewell(bridge: &Arc<Bridge>) {
    let (done, is_done) = std::sync::mpsc::channel();
    let own = Arc::clone(bridge);
    bridge.crew.run(Box::new(move |wire| {
        let carried = own.session.carried();
        for flight in own.flights.all() {
            if flight.modern {
                flight.cut();
                continue;
            }
            for id in flight.open() {
                let id = id.as_json();
                let params = format!(r#"{{"requestId":{id},"reason":"the client has gone"}}"#);
                let cancelled =
                    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
                // The call is over in any case.
                let _ = own.tell(wire, cancelled.as_bytes(), &carried);
            }
        }
        if carried.id.is_some()
            && let Ok(pass) = own.access.current()
        {
            let headers = own.listening(&pass, &carried, None);
            // Not every server supports DELETE.
            let _ = wire.send(Method::DELETE, &pass.url, headers, None);
        }
        // The receiver is gone if the exchange took too long.
        let _ = done.send(());
    }));
    let _ = is_done.recv_timeout(FAREWELL);
}

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
mod dispatcher;
mod ending;
mod events;
mod guard;
mod http;
mod http_sse;
mod lines;
mod message;
mod modern;
mod notifications;
mod out;
mod pending;
mod post;
mod queue;
mod refresher;
mod renewal;
mod session;
mod socket;
mod source;
mod standing_stream;
mod stream;
mod verdict;
mod workers;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::Method;

use crate::exit::ExitError;
use crate::servers::McpTransport;
use crate::settings::Settings;
use crate::threads;

use access::ServerAccess;
use context::Bridge;
use cookies::Cookies;
use dispatcher::Dispatcher;
use ending::{Ending, Reason};
use http::Route;
use modern::Tools;
use out::ClientOutput;
use pending::PendingCalls;
use queue::{NotificationQueue, StandingStream};
use refresher::Refresher;
use session::Session;
use workers::Workers;

/// How long answers are awaited after the client has closed its side.
const LAST_ANSWERS: Duration = Duration::from_millis(400);

/// How long the server has to end the session.
const SESSION_END_LIMIT: Duration = Duration::from_millis(300);

/// Serves the client until it has gone. `server` is the name of a server of the project. Without a name the environment
/// holds the address.
pub(crate) fn run(server: Option<&str>, settings: &Settings) -> Result<(), ExitError> {
    let source = source::source(server, settings).map_err(ExitError::Wrong)?;
    let refresher = Refresher::new(settings);
    let access = ServerAccess::new(source, Arc::clone(&refresher)).map_err(ExitError::Wrong)?;
    let http = crate::cycle::http_settings(settings).map_err(ExitError::Wrong)?;
    let (url, transport) = access.server().map_err(ExitError::Wrong)?;
    let route = Route::new(&http, &url).map_err(ExitError::Wrong)?;
    let refused = |error: io::Error| ExitError::Failed(crate::files::reason(&error));
    let (ending, notifiers) = Ending::watch().map_err(refused)?;
    let bridge = Arc::new(Bridge {
        access,
        workers: Arc::new(Workers::new(route)),
        out: ClientOutput::new(Box::new(io::stdout()), Box::new(move || notifiers.stop.notify())),
        pending: PendingCalls::default(),
        session: Session::default(),
        cookies: Cookies::default(),
        tools: Tools::default(),
        notifications: NotificationQueue::default(),
        standing_stream: StandingStream::default(),
        channel: (transport == McpTransport::Sse).then(Arc::default),
    });
    if let Some(channel) = bridge.channel.clone() {
        let own = Arc::clone(&bridge);
        threads::start("stream", move || own.keep_channel(&channel)).map_err(refused)?;
    }
    let dispatcher = Dispatcher::new(Arc::clone(&bridge));
    let (reader, input_over) = (Arc::clone(&dispatcher), notifiers.input_over);
    let reading = threads::start("input", move || {
        if let Err(error) = reader.serve(io::stdin()) {
            log::error!(target: "BRIDGE", "standard input cannot be read: {error}");
        }
        input_over.notify();
    });
    reading.map_err(refused)?;
    let reason = ending.wait();
    let why = if reason == Reason::InputClosed { "the client has closed its side" } else { "told to stop" };
    log::debug!(target: "BRIDGE", "ending: {why}");
    if reason == Reason::InputClosed {
        ending.wait_for_input_over(LAST_ANSWERS / 2);
        let until = Instant::now() + LAST_ANSWERS;
        // Polled only here, for less than half a second: otherwise each call would have to send a signal at its end.
        while Instant::now() < until && !(dispatcher.is_idle() && bridge.is_idle()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    end_session(&bridge);
    refresher.end();
    Ok(())
}

/// Tells the server that the client has gone: cancels the calls under way and ends the session. The process ends in
/// time whatever the server does.
fn end_session(bridge: &Arc<Bridge>) {
    let (done, is_done) = std::sync::mpsc::channel();
    let own = Arc::clone(bridge);
    bridge.workers.run(Box::new(move |connection| {
        let session = own.session.headers();
        for call in own.pending.all() {
            if call.modern {
                call.cut();
                continue;
            }
            for id in call.open() {
                let id = id.as_json();
                let params = format!(r#"{{"requestId":{id},"reason":"the client has gone"}}"#);
                let cancelled =
                    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
                // The call is over in any case.
                let _ = own.send_unanswered(connection, cancelled.as_bytes(), &session);
            }
        }
        if session.id.is_some()
            && let Ok(target) = own.access.current()
        {
            let headers = own.listening(&target, &session, None);
            // Not every server supports DELETE.
            let _ = connection.send(Method::DELETE, &target.url, headers, None);
        }
        // The receiver is gone if the exchange took too long.
        let _ = done.send(());
    }));
    let _ = is_done.recv_timeout(SESSION_END_LIMIT);
}

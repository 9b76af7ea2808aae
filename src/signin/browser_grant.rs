//! The authorization code grant, from the choice of a redirect address to the tokens.

use super::attempt::SignInAttempt;
use super::client::Client;
use super::code::CodeFlow;
use super::fetch::{Fetched, NoTokens};
use super::listener::Listener;
use super::options::Way;
use super::pkce;
use super::redirect_plan::{RedirectPlan, plan};
use super::words::say;
use crate::oauth::{EndpointUrl, Redirect};

pub(super) fn run(attempt: &SignInAttempt<'_>) -> Result<Fetched, NoTokens> {
    let server = &attempt.target.server;
    let authorization = usable(attempt)?;
    let ClientAndRedirect { client, redirect_uri, path, listener } = arrange(attempt)?;
    let flow = CodeFlow {
        server,
        authorization,
        client_id: &client.identity.id,
        redirect_uri: &redirect_uri,
        scopes: &attempt.target.scopes,
        resource: attempt.target.resource.as_deref(),
        audience: attempt.target.known.text("audience"),
        open: attempt.asked.open,
        wait: attempt.asked.wait,
    };
    let listener = listener.map(|listener| (listener, path.as_str()));
    let code = flow.run(listener).map_err(|error| error.ends(&client))?;
    let parameters = [("grant_type", "authorization_code"), ("redirect_uri", redirect_uri.as_str())];
    let mut secrets = vec![("code", &code.code)];
    secrets.extend(code.verifier.as_ref().map(|verifier| ("code_verifier", verifier)));
    let members = attempt.members(&client, Some(&redirect_uri));
    attempt.fetch(&client, &parameters, &secrets, &members).map_err(|error| error.ends(&client))
}

/// The authorization endpoint, where a code from it would be protected by PKCE.
fn usable<'a>(attempt: &SignInAttempt<'a>) -> Result<&'a EndpointUrl, NoTokens> {
    let server = &attempt.target.server;
    let title = &server.title;
    let endpoint = server.endpoints.authorization.as_ref().ok_or_else(|| {
        format!("no authorization endpoint is known for {title}: no one can sign in there with a browser")
    })?;
    if !server.pkce && !server.row.login().no_pkce {
        let device = if server.endpoints.device.is_some() { "; try --device" } else { "" };
        let why = "without which a code can be stolen";
        return Err(NoTokens::Failed(format!("{title} does not offer PKCE (S256), {why}{device}")));
    }
    Ok(endpoint)
}

/// The client of a sign-in and its redirect address.
struct ClientAndRedirect {
    client: Client,
    redirect_uri: String,
    /// The path of the redirect address.
    path: String,
    /// The listener for the redirect; `None`: the person pastes the address.
    listener: Option<Listener>,
}

/// Chooses client and redirect address together: a redirect address is registered for one client.
fn arrange(attempt: &SignInAttempt<'_>) -> Result<ClientAndRedirect, NoTokens> {
    let (server, known) = (&attempt.target.server, &attempt.target.known);
    let mut client = attempt.known_client()?;
    let given = attempt.asked.redirect_uri.clone();
    let registered = known.text("redirect_uri").filter(|_| client.is_some());
    let takes = if server.discovered { Redirect::Exact } else { server.row.login().redirect };
    let wanted = given.as_ref().or(registered.as_ref()).map(String::as_str);
    let mut planned = plan(wanted, takes, client.is_none())?;
    let mut listener = listen(attempt, &planned);
    let replaceable = given.is_none() && client.as_ref().is_some_and(|client| client.replaceable);
    if listener.is_err() && replaceable {
        // Another program has taken the port. A new redirect address needs a new registration.
        client = None;
        planned = plan(None, takes, true)?;
        listener = listen(attempt, &planned);
    }
    let listener = listener?;
    let port = listener.as_ref().map_or_else(pkce::some_port, |listener| Ok(listener.port()))?;
    let redirect_uri = planned.address(port);
    let client = match client {
        Some(client) => client,
        None => attempt.new_client(Some(&redirect_uri))?,
    };
    if server.row.login().secret_required && !server.discovered && client.identity.secret.is_none() {
        let tokens = attempt.around.settings.tokens_dir.display();
        let how = format!("put its client_id and client_secret into a file in {tokens}");
        let title = &server.title;
        return Err(NoTokens::Failed(format!("{title} redeems a code only with the client's secret: {how}")));
    }
    if client.registered.is_none() && takes == Redirect::Exact && registered.is_none() {
        say(&format!("The client at {} must have this redirect address: {redirect_uri}", server.title));
    }
    let path = planned.path().to_owned();
    Ok(ClientAndRedirect { client, redirect_uri, path, listener })
}

/// Binds the port of the redirect address. `None` where the person pastes the address.
fn listen(attempt: &SignInAttempt<'_>, planned: &RedirectPlan) -> Result<Option<Listener>, String> {
    match planned {
        RedirectPlan::Listen { port, .. } if attempt.asked.way != Way::Paste => {
            Listener::bind(*port).map(Some).map_err(|error| {
                let port = port.map_or_else(|| "a port".to_owned(), |port| format!("port {port}"));
                let why = crate::files::reason(&error);
                format!("{port} of 127.0.0.1 cannot be taken for the redirect: {why}; try --paste")
            })
        }
        _ => Ok(None),
    }
}

//! The messages of a daemon at its start and after its first cycle.

use std::path::Path;

use crate::clock::{Soon, Timestamp, Words};
use crate::cycle::listed_names;
use crate::oauth::Providers;
use crate::settings::Settings;
use crate::text::{Count, shell_word};

/// A warning for a project root without any file that this program reads. A daemon that was started in the wrong
/// directory would make its files there and wait.
pub(crate) fn no_project(settings: &Settings) -> Option<String> {
    let registry = Path::new("registry");
    let signs = [&settings.tokens_dir, &settings.servers_dir, &settings.env_file, &settings.providers];
    let found = signs.into_iter().any(|path| path.exists()) || settings.dir.join(registry).exists();
    (!found).then(|| {
        let dir = settings.dir.display();
        let tokens = settings.tokens_dir.display();
        format!(
            "{dir} has no .oauth-tokens, no registry and no .env: is it the project? --dir names another; \
             making {tokens}"
        )
    })
}

/// The settings in effect, in one line.
pub(super) fn in_effect(settings: &Settings) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let tokens = Count(listed_names(settings).len(), "token file");
    let (interval, buffer) = (Words(settings.interval), Words(settings.buffer));
    let gateway = settings.registry_url.as_deref().unwrap_or("http://localhost (no --registry-url)");
    let names: Vec<&str> = settings.clients.iter().map(|kept| kept.client.name).collect();
    let assistants = if names.is_empty() { "none (--client)".to_owned() } else { names.join(", ") };
    format!(
        "token-refresher {version} keeps {}: {tokens}, a look every {interval}, refreshed {buffer} before expiry; \
         gateway {gateway}; assistants: {assistants}",
        settings.tokens_dir.display()
    )
}

/// Warns of user's rows that send the tokens of a built-in provider to another endpoint.
pub(super) fn say_overridden(settings: &Settings, providers: &Providers) {
    let overridden = providers.overridden();
    if !overridden.is_empty() {
        let (path, rows) = (settings.providers.display(), overridden.join(", "));
        log::warn!(target: "CONFIG", "{path} takes the place of built-in endpoints, and tokens are sent there: {rows}");
    }
}

/// The outlook after the first cycle found so many tokens: the next refresh, or the way to the first token.
pub(super) fn outlook(settings: &Settings, tokens: usize, next: Option<Timestamp>, now: Timestamp) -> String {
    match next {
        _ if tokens == 0 => {
            let dir = settings.dir.display().to_string();
            format!(
                "there is no token yet; `token-refresher login WHAT --dir {}` gets one (WHAT: an MCP server's \
                 address or a provider), and a new token file is noticed at once",
                shell_word(&dir)
            )
        }
        Some(next) => {
            format!("keeping {}; the next is due {}", Count(tokens, "token"), Soon(next.since(now)))
        }
        None => format!("keeping {}; none has to be refreshed", Count(tokens, "token")),
    }
}

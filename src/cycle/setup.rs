//! What the cycles need of the settings: the providers, and how HTTP is spoken.

use crate::files::{ReadError, read_whole, reason};
use crate::oauth::{HttpSettings, Providers, TokenClient};
use crate::settings::Settings;

/// What sends requests to token endpoints, and the providers that are known; or which setting is wrong.
pub(crate) fn connect(settings: &Settings) -> Result<(TokenClient, Providers), String> {
    Ok((TokenClient::new(&http_settings(settings)?)?, providers(settings)?))
}

/// The providers: the built-in ones and the user's rows.
pub(super) fn providers(settings: &Settings) -> Result<Providers, String> {
    let path = &settings.providers;
    match read_whole(path) {
        Ok((text, _)) => {
            Providers::with_user_rows(&text).map_err(|why| format!("--providers: {}: {why}", path.display()))
        }
        Err(ReadError::Gone) if !settings.providers_named => Ok(Providers::builtin()),
        Err(error) => Err(format!("--providers: {} cannot be read: {error}", path.display())),
    }
}

/// How HTTP is to be spoken, from the environment's well-known variables, in the order in which curl
/// reads them.
pub(crate) fn http_settings(settings: &Settings) -> Result<HttpSettings, String> {
    let variable = |names: &[&str]| names.iter().find_map(|name| settings.environment.get(name));
    let root_certificates = match variable(&["SSL_CERT_FILE"]) {
        None => None,
        Some(path) => Some(
            std::fs::read(&path)
                .map_err(|error| format!("SSL_CERT_FILE: {path} cannot be read: {}", reason(&error)))?,
        ),
    };
    Ok(HttpSettings {
        proxy: variable(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
        no_proxy: variable(&["no_proxy", "NO_PROXY"]),
        root_certificates,
        allow_http: settings.allow_http.clone(),
        ..HttpSettings::default()
    })
}

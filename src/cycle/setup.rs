//! The cycles' facts from the settings: the providers, and the settings for HTTP.

use crate::files::{ReadError, read_bytes, read_order};
use crate::oauth::{HttpSettings, Providers, TokenClient};
use crate::settings::Settings;

/// The client of token endpoints, and the known providers. The error is a wrong setting.
pub(crate) fn connect(settings: &Settings) -> Result<(TokenClient, Providers), String> {
    Ok((TokenClient::new(&http_settings(settings)?)?, providers(settings)?))
}

/// The providers: the built-in ones and the user's rows.
pub(super) fn providers(settings: &Settings) -> Result<Providers, String> {
    let path = &settings.providers;
    match read_order(path) {
        Ok(text) => {
            Providers::with_user_rows(&text).map_err(|why| format!("--providers: {}: {why}", path.display()))
        }
        Err(ReadError::Gone) if !settings.providers_named => Ok(Providers::builtin()),
        Err(error) => Err(format!("--providers: {} cannot be read: {error}", path.display())),
    }
}

/// The largest file of certificates, in bytes: many times the size of a system's own.
const LARGEST_CERTIFICATES: u64 = 16 << 20;

/// The settings for HTTP, from the well-known variables of the process's environment, in curl's order.
pub(crate) fn http_settings(settings: &Settings) -> Result<HttpSettings, String> {
    let real = |name: &&str| settings.environment.of_process_only(name)?.to_str().map(ToOwned::to_owned);
    let variable = |names: &[&str]| names.iter().find_map(real);
    let root_certificates = match variable(&["SSL_CERT_FILE"]) {
        None => None,
        Some(path) => Some(
            read_bytes(path.as_ref(), LARGEST_CERTIFICATES)
                .map_err(|why| format!("SSL_CERT_FILE: {path} cannot be read: {why}"))?
                .to_vec(),
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

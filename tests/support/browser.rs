//! A browser, played by a plain HTTP client: it opens one address and shows what came.

use std::time::Duration;

/// What a browser shows.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<String>,
    pub text: String,
}

/// Opens an address without following a redirect.
pub(crate) fn open(address: &str) -> Shown {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    let mut response = agent.get(address).call().expect("an answer");
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    let text = response.body_mut().read_to_string().unwrap_or_default();
    Shown { status: response.status().as_u16(), location, text }
}

/// Opens the address of a sign-in and follows the redirect to its end, as a person does who says yes.
pub(crate) fn sign_in(address: &str) -> Shown {
    let shown = open(address);
    let location = shown.location.unwrap_or_else(|| panic!("no redirect: {} {}", shown.status, shown.text));
    open(&location)
}

//! A browser, played by a plain HTTP client: it opens one address and shows the answer.

use std::time::Duration;

/// The page of a browser.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub status: u16,
    /// The target of a redirect.
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

/// Opens the address of a sign-in and follows the redirect to its end, as a person does who agrees.
pub(crate) fn sign_in(address: &str) -> Shown {
    let shown = open(address);
    let location = shown.location.unwrap_or_else(|| panic!("no redirect: {} {}", shown.status, shown.text));
    open(&location)
}

/// A browser that keeps cookies and follows redirects, for a server with pages between the two ends.
#[derive(Default)]
pub(crate) struct Cookies(std::collections::BTreeMap<String, String>);

impl Cookies {
    /// Opens an address, or sends a form to it, and follows every redirect to its end.
    pub(crate) fn follow(&mut self, address: &str, form: Option<&[(&str, &str)]>) -> Shown {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).build().into();
        let (mut address, mut form) = (address.to_owned(), form);
        for _ in 0..20 {
            let cookies: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let cookies = cookies.join("; ");
            let mut response = match form.take() {
                Some(form) => agent.post(&address).header("cookie", cookies).send_form(form.iter().copied()),
                None => agent.get(&address).header("cookie", cookies).call(),
            }
            .unwrap_or_else(|error| panic!("{address}: {error}"));
            for cookie in response.headers().get_all("set-cookie") {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                // An empty value takes the cookie away.
                match value {
                    "" => drop(self.0.remove(name)),
                    value => drop(self.0.insert(name.to_owned(), value.to_owned())),
                }
            }
            let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
            let text = response.body_mut().read_to_string().unwrap_or_default();
            let status = response.status().as_u16();
            let Some(location) = location else { return Shown { status, location, text } };
            let origin: String = address.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
            address = if location.starts_with('/') { format!("{origin}{location}") } else { location };
        }
        panic!("it goes round in a circle: {address}");
    }
}

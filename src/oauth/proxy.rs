//! The hosts that are reached without the proxy: `NO_PROXY` in curl's reading.

use std::net::IpAddr;

/// Whether `NO_PROXY` names the host. Entries are separated by commas or blanks, and `*` is every host. A name covers
/// its subdomains, with or without a leading dot. An address may have a prefix length (`10.0.0.0/8`, curl 7.86).
pub(super) fn bypasses(no_proxy: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let address = host.parse::<IpAddr>().ok();
    no_proxy.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| match address {
        _ if entry == "*" => true,
        Some(address) => covers(entry, address),
        None => {
            let entry = entry.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
            let rest = host.to_ascii_lowercase().strip_suffix(&entry).map(str::to_owned);
            !entry.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }
    })
}

fn covers(entry: &str, address: IpAddr) -> bool {
    let (network, length) = match entry.split_once('/') {
        Some((network, length)) => (network, length.parse::<u32>().ok()),
        None => (entry, Some(u32::MAX)),
    };
    let (Ok(network), Some(length)) = (network.trim_matches(['[', ']']).parse::<IpAddr>(), length) else {
        return false;
    };
    let (network, address, bits) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (network.to_bits().into(), address.to_bits().into(), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    // A prefix of length zero covers every address: the shift would be by the whole width then.
    let shift = bits - length.min(bits);
    u128::checked_shr(network ^ address, shift).is_none_or(|difference| difference == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_curl_reads_it() {
        for (no_proxy, host, bypassed) in [
            ("", "idp.example", false),
            ("*", "idp.example", true),
            ("*", "10.0.0.1", true),
            ("idp.example", "idp.example", true),
            ("idp.example", "IDP.Example.", true),
            ("a.example, idp.example", "idp.example", true),
            ("a.example\tidp.example.", "idp.example", true),
            ("corp.example", "idp.corp.example", true),
            (".corp.example", "idp.corp.example", true),
            (".corp.example", "corp.example", true),
            ("corp.example", "notcorp.example", false),
            ("idp.corp.example", "corp.example", false),
            (".", "idp.example", false),
            (",,", "idp.example", false),
            ("*.example", "idp.example", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("0.0.1", "10.0.0.1", false),
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/0", "11.0.0.1", true),
            ("10.0.0.1/99", "10.0.0.1", true),
            ("10.0.0.0/x", "10.0.0.0", false),
            ("fd00::/8", "fd12::1", true),
            ("[fd00::1]", "fd00::1", true),
            ("::/0", "fd00::1", true),
            ("fd00::/8", "10.0.0.1", false),
        ] {
            assert_eq!(bypasses(no_proxy, host), bypassed, "{no_proxy:?} {host}");
        }
    }
}

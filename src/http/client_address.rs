//! Who is asking: the peer, or what a trusted proxy says it is.

use std::net::IpAddr;

use actix_http::RequestHead;

/// The client's address, for limits and for the journal; no table and no log has it (invariant 8).
///
/// `X-Forwarded-For` counts only from a trusted proxy, read from the right: the first address that is no trusted
/// proxy is the client. Anything further left is the client's own word.
pub(super) fn client_address(head: &RequestHead, trusted: &[IpAddr]) -> Option<IpAddr> {
    let peer = head.peer_addr?.ip();
    if trusted.is_empty() {
        return Some(peer);
    }
    let forwarded = head.headers().get_all("x-forwarded-for").filter_map(|v| v.to_str().ok());
    Some(resolve(peer, &forwarded.collect::<Vec<_>>().join(","), trusted))
}

fn resolve(peer: IpAddr, forwarded: &str, trusted: &[IpAddr]) -> IpAddr {
    let mut address = peer;
    for hop in forwarded.rsplit(',') {
        if !trusted.contains(&address) {
            break;
        }
        match hop.trim().parse() {
            Ok(next) => address = next,
            Err(_) => break,
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("address");
        let check =
            |peer: &str, forwarded: &str| resolve(ip(peer), forwarded, &[ip("10.0.0.1"), ip("10.0.0.2")]).to_string();
        assert_eq!(check("192.0.2.9", "198.51.100.7"), "192.0.2.9", "a stranger's word counts nothing");
        assert_eq!(check("10.0.0.1", "203.0.113.1, 198.51.100.7"), "198.51.100.7");
        assert_eq!(check("10.0.0.1", "198.51.100.7, 10.0.0.2"), "198.51.100.7");
        assert_eq!(check("10.0.0.1", "nonsense"), "10.0.0.1");
        assert_eq!(check("10.0.0.1", ""), "10.0.0.1");
    }
}

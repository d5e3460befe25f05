//! Keyed hashes of who sends: what is kept of an address once its record is loaded.
//!
//! A touch is stored with a hash of its address under a key of its day (UTC, by the time of the request). The keys
//! are random, live in this process's memory, and are dropped when their day is over, so that afterwards nobody can
//! try addresses against the stored hashes. Within a day, and one run of one node, equal hashes mean one address.
//!
//! A second key, for what is only compared in memory, lives as long as the process and is never stored with anything.

use std::hash::Hasher as _;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use super::ranges::number_of;
use crate::domain::time::{DAY_MS, UtcMillis};

/// Gives random keys; the caller brings the randomness.
pub type KeySource = Box<dyn FnMut() -> [u8; 16] + Send>;

/// How long after its end, by the times of records, the key of a day is kept: records come a little out of order.
const GRACE_MS: i64 = 120_000;

/// The keys.
pub(super) struct Keys {
    random: KeySource,
    /// Days since 1970 and their keys; two at most around midnight.
    days: Vec<(i64, SipHasher24)>,
    process: SipHasher24,
}

impl Keys {
    pub(super) fn new(mut random: KeySource) -> Self {
        let process = SipHasher24::new_with_key(&random());
        Self { random, days: Vec::new(), process }
    }

    /// The hash of an address on the day of `at`, never negative.
    pub(super) fn of_day(&mut self, address: IpAddr, at: UtcMillis) -> i64 {
        // A clock that steps over days drops their keys as well: what is not near is not kept.
        self.days.retain(|(day, _)| {
            let (first, end) = (day.saturating_mul(DAY_MS), day.saturating_add(1).saturating_mul(DAY_MS));
            (first.saturating_sub(GRACE_MS)..end.saturating_add(GRACE_MS)).contains(&at.0)
        });
        let today = at.0.div_euclid(DAY_MS);
        let hasher = match self.days.iter().find(|(day, _)| *day == today) {
            Some((_, known)) => *known,
            None => {
                let made = SipHasher24::new_with_key(&(self.random)());
                self.days.push((today, made));
                made
            }
        };
        i64::try_from(hash(hasher, &number_of(address).to_be_bytes()) & u64::MAX >> 1).unwrap_or(i64::MAX)
    }

    /// A hash that is only compared in memory.
    pub(super) fn in_memory(&self, bytes: &[u8]) -> u64 {
        hash(self.process, bytes)
    }

    /// The sender of a request in memory: an IPv4 address, or the /64 that one IPv6 customer has.
    pub(super) fn sender(&self, address: u128) -> u64 {
        let is_v4 = address >> 32 == 0xffff;
        let network = if is_v4 { address } else { address >> 64 };
        self.in_memory(&network.to_be_bytes())
    }
}

fn hash(mut hasher: SipHasher24, bytes: &[u8]) -> u64 {
    hasher.write(bytes);
    hasher.finish()
}

/// Whether an address belongs to one sender on the internet. Addresses of private networks and of the machine itself
/// are those of a proxy that is not in `server.trusted_proxies`, or of an office: everybody comes from them.
pub(super) fn is_public(address: u128) -> bool {
    let v6 = std::net::Ipv6Addr::from_bits(address);
    match v6.to_ipv4_mapped() {
        Some(v4) => {
            let is_carrier_grade = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || is_carrier_grade)
        }
        None => !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Keys 1, 2, 3, …, and how many were made.
    fn keys() -> (Keys, Arc<AtomicU8>) {
        let made = Arc::new(AtomicU8::new(0));
        let count = Arc::clone(&made);
        (Keys::new(Box::new(move || [count.fetch_add(1, Ordering::Relaxed); 16])), made)
    }

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const NOON: UtcMillis = UtcMillis(DAY_MS / 2);

    #[test]
    fn a_hash_holds_for_its_day_and_its_address() {
        let (mut keys, _) = keys();
        let hash = keys.of_day(A, NOON);
        assert!(hash >= 0);
        assert_eq!(keys.of_day(A, NOON.plus_ms(1)), hash);
        assert_eq!(keys.of_day("::ffff:192.0.2.1".parse().expect("address"), NOON), hash);
        assert_ne!(keys.of_day("192.0.2.2".parse().expect("address"), NOON), hash);
        assert_ne!(keys.of_day(A, NOON.plus_ms(DAY_MS)), hash);
        assert_ne!(keys.of_day(A, NOON), hash, "the first day's key is gone for good");
    }

    #[test]
    fn records_out_of_order_at_midnight_keep_their_days_key() {
        let (mut keys, made) = keys();
        let (before, after) = (UtcMillis(DAY_MS - 5), UtcMillis(DAY_MS + 5));
        let first = keys.of_day(A, before);
        let second = keys.of_day(A, after);
        assert_eq!((keys.of_day(A, before), keys.of_day(A, after)), (first, second));
        assert_eq!(made.load(Ordering::Relaxed), 3, "one for the process, one for each day");
        keys.of_day(A, UtcMillis(DAY_MS + GRACE_MS));
        assert_eq!(keys.days.len(), 1, "yesterday's key is dropped");
    }

    #[test]
    fn private_addresses_are_no_single_sender() {
        for (text, expected) in [
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("192.168.0.1", false),
            ("172.16.0.1", false),
            ("169.254.1.1", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::ffff:10.0.0.1", false),
            ("192.0.2.1", true),
            ("2001:db8::1", true),
        ] {
            let address: IpAddr = text.parse().expect("address");
            assert_eq!(is_public(number_of(address)), expected, "{text}");
        }
    }
}

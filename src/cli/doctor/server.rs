//! The server: does it answer, and do its counters add up.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use super::journal::Journal;
use super::{Findings, span};
use crate::config::Config;

/// A server that takes longer to tell its counters is not well.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than this many touches are not under way at one moment.
const UNDER_WAY: u64 = 100_000;

/// Asks the server, if one runs. `database` tells whether the database can be used.
pub(super) fn look(config: &Config, journal: Option<&Journal>, database: bool, findings: &mut Findings) {
    let holder = journal.and_then(|j| j.holder);
    let Some(address) = address(&config.server.bind) else {
        let remedy = "give the server's own --set server.bind=HOST:PORT";
        findings.warn("server", format!("server.bind {} names no port to ask", config.server.bind), remedy);
        return;
    };
    match ask(address) {
        Answer::Counters(text) => {
            findings.ok("server", format!("answers on {address}{}", process(holder)));
            counters(&values(&text), findings);
        }
        Answer::Refused(status) => {
            let remedy = "to have its counters checked, let it listen on loopback, or read /metrics with a key";
            findings.warn("server", format!("answers on {address}, but /metrics says {status}"), remedy);
        }
        Answer::Silent(why) => match holder {
            Some(pid) => {
                let about = format!("process {pid} has the journal open, and {address} does not answer ({why})");
                let remedy = "give the same server.bind; if it is the same, the process hangs: look at its log, \
                    then stop and start it (no answered click is lost)";
                findings.fail("server", about, remedy);
            }
            None if database => findings.warn("server", format!("none answers on {address}"), "start it"),
            None => findings.warn("server", format!("none answers on {address}"), "mend the above, then start it"),
        },
    }
}

fn process(holder: Option<u32>) -> String {
    holder.map(|pid| format!(", process {pid}")).unwrap_or_default()
}

/// Where to ask: an address for everybody is asked on loopback.
fn address(bind: &str) -> Option<SocketAddr> {
    let mut address = bind.to_socket_addrs().ok()?.next()?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        _ => {}
    }
    (address.port() != 0).then_some(address)
}

enum Answer {
    Counters(String),
    Refused(u16),
    Silent(String),
}

fn ask(address: SocketAddr) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    match agent.get(format!("http://{address}/metrics")).call() {
        Err(why) => Answer::Silent(why.to_string()),
        Ok(response) if response.status().as_u16() != 200 => Answer::Refused(response.status().as_u16()),
        Ok(mut response) => match response.body_mut().read_to_string() {
            Ok(text) if text.contains("headwater_touches_answered") => Answer::Counters(text),
            Ok(_) => Answer::Silent("something else answers there".to_owned()),
            Err(why) => Answer::Silent(why.to_string()),
        },
    }
}

/// Values by name, without prefix and without `_total`.
fn values(text: &str) -> BTreeMap<&str, u64> {
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    let pairs = lines.filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        let name = name.strip_prefix("headwater_")?;
        Some((name.strip_suffix("_total").unwrap_or(name), value.parse().ok()?))
    });
    pairs.collect()
}

fn counters(values: &BTreeMap<&str, u64>, findings: &mut Findings) {
    let of = |name: &str| values.get(name).copied().unwrap_or(0);
    let (answered, journaled, unrecorded) = (of("touches_answered"), of("touches_journaled"), of("clicks_unrecorded"));
    let first = format!("answered {answered} = journaled {journaled} + unrecorded {unrecorded}");
    // Answered is counted before, and read after, what becomes of it.
    let under_way = answered.checked_sub(journaled + unrecorded).filter(|n| *n <= UNDER_WAY);
    let (stored, duplicate, quarantined) = (of("touches_stored"), of("touches_duplicate"), of("touches_quarantined"));
    let (replayed, rewritten, pending) = (of("touches_replayed"), of("touches_rewritten"), of("touches_pending"));
    let second = format!(
        "journaled {journaled} + replayed {replayed} + rewritten {rewritten} = stored {stored} + duplicate {duplicate} + quarantined {quarantined} + pending {pending}"
    );
    let adds_up = journaled + replayed + rewritten == stored + duplicate + quarantined + pending;
    match under_way {
        Some(n) if adds_up => {
            let moving = if n > 0 { format!(" ({n} under way)") } else { String::new() };
            findings.ok("counters", format!("{first}{moving}; {second}"));
        }
        _ => findings.fail(
            "counters",
            format!("these do not add up: {first}; {second}"),
            "keep the log and data/journal, and report it: no figure of clicks can be trusted until it is understood",
        ),
    }
    deliveries(&of, findings);
    if unrecorded > 0 {
        let remedy = "see `disk` and `journal`: these clicks are lost; the count begins anew with each start";
        findings.fail("unrecorded", format!("{unrecorded} answered clicks could not be written"), remedy);
    }
    let syncs = of("journal_sync_failures");
    if syncs > 0 {
        let remedy = "look at the kernel's log for the disk, and replace it; a power cut could cost clicks now";
        findings.fail("sync", format!("the disk refused {syncs} syncs of the journal"), remedy);
    }
    links(values, findings);
}

/// Deliveries are counted as accepted after they are journaled, so those under way are on the other side.
fn deliveries(of: &impl Fn(&str) -> u64, findings: &mut Findings) {
    let of = |name: &str| of(&format!("deliveries_{name}"));
    let (accepted, unsynced, unanswered) = (of("accepted"), of("unsynced"), of("unanswered"));
    let (journaled, direct) = (of("journaled"), of("stored_directly"));
    let first = format!(
        "accepted {accepted} + unsynced {unsynced} + unanswered {unanswered} = journaled {journaled} + stored directly {direct}"
    );
    let under_way = (journaled + direct).checked_sub(accepted + unsynced + unanswered).filter(|n| *n <= UNDER_WAY);
    let (replayed, rewritten, pending) = (of("replayed"), of("rewritten"), of("pending"));
    let (stored, duplicate, quarantined) = (of("stored"), of("duplicate"), of("quarantined"));
    let second = format!(
        "journaled {journaled} + replayed {replayed} + rewritten {rewritten} = stored {stored} + duplicate {duplicate} + quarantined {quarantined} + pending {pending}"
    );
    let adds_up = journaled + replayed + rewritten == stored + duplicate + quarantined + pending;
    match under_way {
        Some(n) if adds_up => {
            let moving = if n > 0 { format!(" ({n} under way)") } else { String::new() };
            findings.ok("counters", format!("deliveries: {first}{moving}; {second}"));
        }
        _ => findings.fail(
            "counters",
            format!("deliveries do not add up: {first}; {second}"),
            "keep the log and data/deliveries, and report it: a delivery may be missing until it is understood",
        ),
    }
    let unavailable = of("unavailable");
    if unavailable > 0 {
        let remedy = "see `disk`, `deliveries` and `database`; their senders try again";
        findings.warn("deliveries", format!("{unavailable} deliveries were answered 503"), remedy);
    }
}

/// The link table, where the server tells of it.
fn links(values: &BTreeMap<&str, u64>, findings: &mut Findings) {
    let Some(links) = values.get("links") else { return };
    let size = values.get("links_bytes").map(|n| format!(", {}", super::bytes(*n))).unwrap_or_default();
    let age_ms = values.get("links_age_ms").and_then(|ms| i64::try_from(*ms).ok());
    let about =
        format!("{links} links{size}{}", age_ms.map(|ms| format!(", as of {} ago", span(ms))).unwrap_or_default());
    if age_ms.is_some_and(|ms| ms > 10_000) {
        let remedy = "see `database`: until it answers, links that were changed keep their old state";
        findings.warn("links", about, remedy);
    } else {
        findings.ok("links", about);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_everybody_is_asked_on_loopback() {
        let of = |bind: &str| address(bind).map(|a| a.to_string());
        assert_eq!(of("0.0.0.0:8080").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(of("[::]:8080").as_deref(), Some("[::1]:8080"));
        assert_eq!(of("10.0.0.5:8080").as_deref(), Some("10.0.0.5:8080"));
        assert_eq!((of("127.0.0.1:0"), of("nowhere")), (None, None));
    }

    #[test]
    fn counters_that_do_not_add_up_fail() {
        let verdict = |text: &str| {
            let mut findings = Findings::default();
            counters(&values(text), &mut findings);
            findings.worst()
        };
        let good = "headwater_touches_answered_total 5\nheadwater_touches_journaled_total 5\nheadwater_touches_stored_total 4\nheadwater_touches_pending 1\n";
        assert_eq!(verdict(good), super::super::Verdict::Ok);
        assert_eq!(verdict(&good.replace("answered_total 5", "answered_total 4")), super::super::Verdict::Fail);
        assert_eq!(verdict(&good.replace("pending 1", "pending 0")), super::super::Verdict::Fail);
        assert_eq!(verdict(&format!("{good}headwater_clicks_unrecorded_total 1\n")), super::super::Verdict::Fail);
        let taken = "headwater_deliveries_accepted_total 3\nheadwater_deliveries_journaled_total 3\nheadwater_deliveries_stored_total 3\n";
        assert_eq!(verdict(&format!("{good}{taken}")), super::super::Verdict::Ok);
        assert_eq!(
            verdict(&format!("{good}{}", taken.replace("accepted_total 3", "accepted_total 4"))),
            super::super::Verdict::Fail
        );
        assert_eq!(
            verdict(&format!("{good}{}", taken.replace("stored_total 3", "stored_total 2"))),
            super::super::Verdict::Fail
        );
    }
}

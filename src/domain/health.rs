//! The health of an endpoint: whether its sender is heard, understood, and as often as usual.
//!
//! The rule, in words for people: [`RULE`].

use super::named_enum::named_enum;
use super::time::{DAY_MS, UtcMillis};

/// How far back deliveries tell what is usual: 90 days.
pub const USUAL_DAYS: i64 = 90;
/// How many of them at most, newest first.
pub const USUAL_DELIVERIES: usize = 2_000;
/// How far back failures count: 7 days.
pub const FAILURE_DAYS: i64 = 7;
/// Gaps that are needed to know what is usual.
const GAPS_MIN: usize = 5;
/// Silence of a day is nobody's fault.
const SILENCE_MIN_MS: i64 = DAY_MS;
/// From this share of failures on an endpoint is amber, in percent.
const AMBER_PERCENT: i64 = 5;
/// From this share on it is red, in percent.
const RED_PERCENT: i64 = 50;

/// The rule of the light, for pages and documents.
pub const RULE: &str = "Green: deliveries come in and are understood. Amber: 5 % or more of the last 7 days failed, the \
    newest attempt was refused, or it is silent for longer than usual. Red: half or more failed, or it is silent for \
    three times that. Failures are refused attempts (401) and quarantined items. Longer than usual is longer than 24 \
    hours and than 5 times the gap that 95 % of its gaps do not exceed, of its last 2,000 deliveries within 90 days; \
    with fewer than 5 gaps silence says nothing.";

named_enum!(
    /// The light of an endpoint.
    Light, "light", "light-unknown" {
        /// All is well.
        Green = "green",
        /// Nothing has come yet.
        Waiting = "waiting",
        /// Somebody should look.
        Amber = "amber",
        /// It does not work.
        Red = "red",
    }
);

/// What an endpoint has seen; tests do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// When its deliveries of the last [`USUAL_DAYS`] came, newest first, at most [`USUAL_DELIVERIES`].
    pub received: Vec<UtcMillis>,
    /// When the last delivery came, however long ago.
    pub last_at: Option<UtcMillis>,
    /// Items of the last [`FAILURE_DAYS`] that were read.
    pub items: i64,
    /// Those of them that could not be understood.
    pub quarantined: i64,
    /// Attempts of the last [`FAILURE_DAYS`] that were refused.
    pub refused: i64,
    /// When the last of them was.
    pub last_refused_at: Option<UtcMillis>,
}

/// The light, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The light.
    pub light: Light,
    /// Why it is not green; sentences without a capital and a full stop.
    pub reasons: Vec<String>,
    /// The gap that 95 % of its gaps do not exceed, in milliseconds; where there are enough of them.
    pub usual_gap_ms: Option<i64>,
    /// Silence beyond this is longer than usual, in milliseconds.
    pub silence_limit_ms: Option<i64>,
}

/// Judges an endpoint at `now` by [`RULE`].
pub fn judge(traffic: &Traffic, now: UtcMillis) -> Health {
    let usual_gap_ms = usual_gap(&traffic.received);
    let silence_limit_ms = usual_gap_ms.map(|gap| gap.saturating_mul(5).max(SILENCE_MIN_MS));
    let mut health = Health { light: Light::Green, reasons: Vec::new(), usual_gap_ms, silence_limit_ms };
    let attempts = traffic.items + traffic.refused;
    let failures = traffic.quarantined + traffic.refused;
    if attempts == 0 && traffic.last_at.is_none() {
        health.worsen(
            Light::Waiting,
            "the sender has sent nothing yet; a test event, which does not count here, shows that the way is open"
                .into(),
        );
        return health;
    }
    let share = |percent: i64| failures > 0 && failures.saturating_mul(100) >= attempts.saturating_mul(percent);
    if share(AMBER_PERCENT) {
        let light = if share(RED_PERCENT) { Light::Red } else { Light::Amber };
        health.worsen(light, told(traffic, attempts));
    }
    if let (Some(refused), newest) = (traffic.last_refused_at, traffic.last_at)
        && newest.is_none_or(|newest| newest < refused)
    {
        health.worsen(Light::Amber, "the newest attempt was refused; compare the sender's secret".into());
    }
    if let (Some(last), Some(limit)) = (traffic.last_at, silence_limit_ms) {
        let silence = now.0.saturating_sub(last.0);
        if silence > limit {
            let light = if silence > limit.saturating_mul(3) { Light::Red } else { Light::Amber };
            let words = format!("silent for {}; longer than {} is not usual here", span(silence), span(limit));
            health.worsen(light, words);
        }
    }
    health
}

impl Health {
    fn worsen(&mut self, light: Light, why: String) {
        self.light = self.light.max(light);
        self.reasons.push(why);
    }
}

fn told(traffic: &Traffic, attempts: i64) -> String {
    let mut parts = Vec::new();
    if traffic.refused > 0 {
        parts.push(format!("{} refused", traffic.refused));
    }
    if traffic.quarantined > 0 {
        parts.push(format!("{} quarantined", traffic.quarantined));
    }
    format!("{} of {attempts} in the last {FAILURE_DAYS} days", parts.join(" and "))
}

/// The 95th percentile of the gaps between neighbours, by nearest rank.
fn usual_gap(received: &[UtcMillis]) -> Option<i64> {
    let pairs = received.iter().zip(received.iter().skip(1));
    let mut gaps: Vec<i64> = pairs.map(|(later, earlier)| (later.0 - earlier.0).max(0)).collect();
    if gaps.len() < GAPS_MIN {
        return None;
    }
    gaps.sort_unstable();
    let rank = (gaps.len() * 95).div_ceil(100);
    gaps.get(rank.saturating_sub(1)).copied()
}

/// A length of time as people say it: `3 days`, `26 hours`, `5 minutes`.
pub fn span(ms: i64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        2_880.. => format!("{} days", minutes / 1_440),
        120.. => format!("{} hours", minutes / 60),
        1 => "1 minute".to_owned(),
        _ => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn every(hours: i64, count: i64, last: i64) -> Traffic {
        let received: Vec<UtcMillis> = (0..count).map(|n| UtcMillis((last - n * hours) * HOUR)).collect();
        Traffic { last_at: received.first().copied(), received, items: count, ..Traffic::default() }
    }

    #[test]
    fn silence_is_measured_by_the_endpoints_own_habit() {
        let busy = every(1, 100, 1_000);
        let light = |traffic: &Traffic, hour: i64| judge(traffic, UtcMillis(hour * HOUR)).light;
        assert_eq!(light(&busy, 1_024), Light::Green, "24 hours are nobody's fault");
        assert_eq!(light(&busy, 1_025), Light::Amber);
        assert_eq!(light(&busy, 1_073), Light::Red);
        let rare = every(24 * 7, 10, 10_000);
        assert_eq!(light(&rare, 10_000 + 24 * 35), Light::Green, "weekly: five weeks");
        assert_eq!(light(&rare, 10_000 + 24 * 36), Light::Amber);
        assert_eq!(light(&every(1, 5, 1_000), 90_000), Light::Green, "four gaps say nothing");
        assert_eq!(
            judge(&busy, UtcMillis(1_030 * HOUR)).reasons,
            ["silent for 30 hours; longer than 24 hours is not usual here"]
        );
    }

    #[test]
    fn one_long_gap_in_twenty_is_no_habit() {
        let mut traffic = every(1, 21, 1_000);
        for at in traffic.received.iter_mut().skip(20) {
            at.0 -= 500 * HOUR;
        }
        assert_eq!(judge(&traffic, UtcMillis(1_001 * HOUR)).usual_gap_ms, Some(HOUR));
        assert_eq!(usual_gap(&[]), None);
    }

    #[test]
    fn failures_are_shares_of_all_attempts() {
        let of = |items, quarantined, refused| {
            let traffic = Traffic { items, quarantined, refused, ..every(1, 6, 1_000) };
            judge(&Traffic { items, ..traffic }, UtcMillis(1_001 * HOUR)).light
        };
        assert_eq!(of(100, 4, 0), Light::Green);
        assert_eq!(of(100, 5, 0), Light::Amber);
        assert_eq!(of(90, 0, 10), Light::Amber);
        assert_eq!(of(10, 0, 10), Light::Red);
        let refused =
            Traffic { refused: 1, last_refused_at: Some(UtcMillis(1_001 * HOUR)), items: 1_000, ..every(1, 6, 1_000) };
        assert_eq!(judge(&refused, UtcMillis(1_001 * HOUR)).light, Light::Amber, "the newest attempt");
        let only = Traffic { refused: 1, last_refused_at: Some(UtcMillis(5)), ..Traffic::default() };
        assert_eq!(judge(&only, UtcMillis(6)).light, Light::Red);
    }

    #[test]
    fn an_endpoint_that_has_seen_nothing_waits() {
        let health = judge(&Traffic::default(), UtcMillis(9));
        assert_eq!((health.light, health.reasons.len()), (Light::Waiting, 1));
    }
}

//! The bytes that a journal may use, and the alarms on the way there.

use std::sync::atomic::{AtomicU64, Ordering};

/// Parts of the budget, in percent, at which the operator is told.
const ALARMS: [u64; 3] = [50, 80, 100];
/// An alarm ends so many percent below where it began, so that it does not flap.
const HYSTERESIS: u64 = 5;

/// Bytes of all segments on disk against those that may be.
pub(super) struct Budget {
    /// The key of the configuration that sets it.
    key: &'static str,
    max_bytes: u64,
    used: AtomicU64,
    /// The alarm that was told last, in percent; 0 for none.
    alarm: AtomicU64,
}

impl Budget {
    pub(super) fn new(key: &'static str, max_bytes: u64, used: u64) -> Self {
        let budget = Self { key, max_bytes, used: AtomicU64::new(0), alarm: AtomicU64::new(0) };
        budget.add(used);
        budget
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether `bytes` more may be written; if not, the highest alarm is due.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        let has_room = self.used().saturating_add(bytes) <= self.max_bytes;
        if !has_room {
            self.tell(100);
        }
        has_room
    }

    /// How many bytes more may be written.
    pub(super) fn room(&self) -> u64 {
        self.max_bytes.saturating_sub(self.used())
    }

    pub(super) fn add(&self, bytes: u64) {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        self.tell(self.percent(before.saturating_add(bytes)));
    }

    pub(super) fn give_back(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        let percent = self.percent(before.saturating_sub(bytes));
        let alarm = self.alarm.load(Ordering::Relaxed);
        if alarm > 0 && percent + HYSTERESIS < alarm {
            let remaining = ALARMS.iter().rev().find(|level| **level < alarm && percent + HYSTERESIS >= **level);
            self.alarm.store(remaining.copied().unwrap_or(0), Ordering::Relaxed);
            tracing::info!(percent, "the journal has room again");
        }
    }

    /// More than 100 where the budget was lowered below what is there.
    fn percent(&self, used: u64) -> u64 {
        used / (self.max_bytes / 100).max(1)
    }

    /// Tells the operator of a level that is reached and was not told yet.
    fn tell(&self, percent: u64) {
        let Some(level) = ALARMS.iter().rev().copied().find(|level| percent >= *level) else { return };
        if self.alarm.fetch_max(level, Ordering::Relaxed) >= level {
            return;
        }
        let (key, max_bytes) = (self.key, self.max_bytes);
        match level {
            100 => tracing::error!(
                max_bytes,
                "the journal is full: what comes in is not recorded here until the database takes what waits; \
                 bring the database back, or raise {key}"
            ),
            80 => tracing::error!(
                max_bytes,
                "the journal is at 80 % of {key}: the database does not take what waits; at 100 % it records nothing more"
            ),
            _ => tracing::warn!(max_bytes, "the journal is at half of {key}: the database falls behind"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_told_once_and_end_below_where_they_began() {
        let budget = Budget::new("k", 1_000, 0);
        let alarm = || budget.alarm.load(Ordering::Relaxed);
        budget.add(499);
        assert_eq!(alarm(), 0);
        budget.add(1);
        assert_eq!(alarm(), 50);
        budget.add(300);
        assert_eq!(alarm(), 80);
        budget.give_back(20);
        assert_eq!(alarm(), 80, "not for a few bytes");
        budget.give_back(60);
        assert_eq!(alarm(), 50);
        assert!(!budget.has_room_for(281));
        assert_eq!(alarm(), 100);
        assert!(budget.has_room_for(280));
        budget.give_back(700);
        assert_eq!((alarm(), budget.used()), (0, 20));
        let lowered = Budget::new("k", 1_000, 30_000);
        lowered.give_back(1);
        assert_eq!(lowered.alarm.load(Ordering::Relaxed), 100);
        assert_eq!(
            Budget::new("k", 1_000, 900).alarm.load(Ordering::Relaxed),
            80,
            "what an earlier process left counts"
        );
    }
}

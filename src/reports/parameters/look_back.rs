//! Look-back: how far a journey reaches back, for all stages and for single ones.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::domain::attribution::journey::{LOOKBACK_DAYS_DEFAULT, LOOKBACK_DAYS_MAX};
use crate::domain::fault::{Fault, shown};
use crate::domain::stage::Stage;

/// Days by stage; written `90`, or `90,customer=180`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookBack {
    days: i64,
    by_stage: BTreeMap<Stage, i64>,
}

impl LookBack {
    /// The same for every stage.
    pub fn of_days(days: i64) -> Self {
        Self { days, by_stage: BTreeMap::new() }
    }

    /// Days before an event of `stage`, both ends inclusive.
    pub fn days(&self, stage: Stage) -> i64 {
        self.by_stage.get(&stage).copied().unwrap_or(self.days)
    }

    /// The longest.
    pub fn longest(&self) -> i64 {
        self.by_stage.values().copied().fold(self.days, i64::max)
    }
}

impl Default for LookBack {
    fn default() -> Self {
        Self::of_days(LOOKBACK_DAYS_DEFAULT)
    }
}

impl FromStr for LookBack {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut look_back = Self::default();
        for piece in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            match piece.split_once('=') {
                None => look_back.days = days(piece)?,
                Some((stage, value)) => {
                    let stage: Stage = stage.trim().parse()?;
                    look_back.by_stage.insert(stage, days(value)?);
                }
            }
        }
        Ok(look_back)
    }
}

fn days(text: &str) -> Result<i64, Fault> {
    let malformed =
        || Fault::new("lookback_days", "number-malformed", format!("{} is not a number of days", shown(text)));
    let days: i64 = text.trim().parse().map_err(|_not_a_number| malformed())?;
    if (0..=LOOKBACK_DAYS_MAX).contains(&days) {
        return Ok(days);
    }
    let detail = format!("{days} days; use 0 to {LOOKBACK_DAYS_MAX}");
    Err(Fault::new("lookback_days", "lookback-out-of-range", detail))
}

impl fmt::Display for LookBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.days)?;
        for (stage, days) in &self.by_stage {
            write!(f, ",{stage}={days}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_may_have_days_of_their_own() {
        let look_back: LookBack = "30,customer=180".parse().expect("look-back");
        assert_eq!((look_back.days(Stage::Lead), look_back.days(Stage::Customer), look_back.longest()), (30, 180, 180));
        assert_eq!(look_back.to_string(), "30,customer=180");
        let code = |text: &str| text.parse::<LookBack>().expect_err(text).code;
        assert_eq!(code("-1"), "lookback-out-of-range");
        assert_eq!(code("soon"), "number-malformed");
        assert_eq!(code("30,moon=2"), "stage-unknown");
    }
}

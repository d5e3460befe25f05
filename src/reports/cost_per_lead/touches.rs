//! The touches of a report's range, each sort with its place.

use super::super::ReportError;
use super::super::costs::{Clicks, DayClicks};
use super::super::dimension::Dimension;
use super::super::facts::Facts;
use super::super::labels::{Origin, Spot};
use super::super::parameters::Parameters;
use super::super::places::{PlaceId, Places};
use super::super::touch_counts::{self, Counted, Detail, Wanted};
use crate::domain::touch::TouchKind;
use crate::store::Conn;

/// What must be told apart for the rows of a report.
pub(in crate::reports) fn detail(parameters: &Parameters, places: &Places<'_>) -> Detail {
    let is_finer = places.dimensions().iter().any(|d| !d.is_of_channel());
    let wants = |d: Dimension| places.dimensions().contains(&d);
    Detail {
        // Days matter where rows are days, or a cost is divided by a day's clicks.
        by_day: is_finer || parameters.by.iter().any(|d| d.grain().is_some()),
        by_origin: is_finer,
        by_place: wants(Dimension::Country) || wants(Dimension::Device),
    }
}

/// Counts them.
pub(in crate::reports) fn count(
    conn: &mut Conn,
    facts: &Facts,
    parameters: &Parameters,
    places: &mut Places<'_>,
    detail: Detail,
) -> Result<Vec<(PlaceId, Counted)>, ReportError> {
    let wanted = Wanted {
        zone: &parameters.zone,
        days: parameters.range,
        moments: facts.moments,
        classes: &parameters.classes,
        detail,
    };
    let counts = touch_counts::count(conn, &facts.labels, &wanted)?;
    let with_place = |counted: Counted| {
        let place = places.of(&spot_of(&counted), parameters.zone.day_start(counted.day));
        (place, counted)
    };
    Ok(counts.into_iter().map(with_place).collect())
}

/// The clicks among them by day, as costs are split by.
pub(in crate::reports) fn clicks_by_day(counts: &[(PlaceId, Counted)]) -> Clicks {
    let mut clicks = Clicks::new();
    for (place, counted) in counts.iter().filter(|(_, c)| c.kind == TouchKind::Click) {
        clicks.entry(counted.day).or_default().push(DayClicks {
            channel: counted.channel,
            campaign: counted.campaign,
            post: counted.post,
            link: counted.link,
            place: *place,
            count: counted.count,
        });
    }
    clicks
}

/// Where they stand.
pub(in crate::reports) fn spot_of(counted: &Counted) -> Spot {
    Spot {
        origin: Origin { link: counted.link, channel: counted.channel, campaign: counted.campaign },
        post: counted.post,
        country: counted.country,
        device: counted.device,
    }
}

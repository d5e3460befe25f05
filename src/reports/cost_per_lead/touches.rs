//! The touches of a report's range, each sort with its place, and the clicks that costs are split by.

use super::super::ReportError;
use super::super::costs::{Clicks, DayClicks};
use super::super::dimension::Dimension;
use super::super::facts::Facts;
use super::super::labels::{Origin, Spot};
use super::super::parameters::Parameters;
use super::super::places::{PlaceId, Places};
use super::super::touch_counts::{self, Counted, Detail, Wanted};
use crate::domain::cost::CostDraft;
use crate::domain::time::DayRange;
use crate::domain::touch::TouchKind;
use crate::store::{Conn, costs as cost_store};

/// What a report needs of the touches of its range.
#[derive(Debug)]
pub(in crate::reports) struct Touched {
    /// Each sort with its place.
    pub(in crate::reports) counts: Vec<(PlaceId, Counted)>,
    /// Clicks by day, as costs are split by them.
    pub(in crate::reports) clicks: Clicks,
}

/// Reads them.
///
/// Rows of channels, countries and devices are in the rollups, which know no links. A cost that names a link, a post or
/// a campaign is split by its own clicks, so on the days of such costs clicks are told apart by link, too.
pub(in crate::reports) fn read(
    conn: &mut Conn,
    facts: &Facts,
    parameters: &Parameters,
    places: &mut Places<'_>,
) -> Result<Touched, ReportError> {
    let detail = detail(parameters, places);
    let counts = count(conn, facts, parameters, places, detail)?;
    let mut clicks = clicks_by_day(&counts);
    let is_split = places.dimensions().iter().any(|d| !d.is_of_channel());
    let days = if is_split && !detail.by_origin { days_of_fine_costs(conn, facts, parameters)? } else { None };
    if let Some(days) = days {
        let parameters = Parameters { range: days, ..parameters.clone() };
        let detail = Detail { by_origin: true, ..detail };
        let fine = clicks_by_day(&count(conn, facts, &parameters, places, detail)?);
        clicks.retain(|day, _| !days.contains(*day));
        clicks.extend(fine);
    }
    Ok(Touched { counts, clicks })
}

/// The days of the range from the first to the last one of costs that name more than a channel.
fn days_of_fine_costs(
    conn: &mut Conn,
    facts: &Facts,
    parameters: &Parameters,
) -> Result<Option<DayRange>, ReportError> {
    let range = parameters.range;
    let is_fine = |cost: &CostDraft| cost.campaign.is_some() || cost.post.is_some() || cost.link.is_some();
    let entries = cost_store::visible(conn, range, &facts.moments)?;
    let fine = entries.iter().map(|e| &e.cost).filter(|c| parameters.cost.counts(c.kind) && is_fine(c));
    let days = fine.map(|c| DayRange { from: c.days.from.max(range.from), to: c.days.to.min(range.to) });
    Ok(days.reduce(|all, own| DayRange { from: all.from.min(own.from), to: all.to.max(own.to) }))
}

/// What must be told apart for the rows of a report.
pub(in crate::reports) fn detail(parameters: &Parameters, places: &Places<'_>) -> Detail {
    let wants = |d: Dimension| places.dimensions().contains(&d);
    let by_place = wants(Dimension::Country) || wants(Dimension::Device);
    let is_of_place = |d: &Dimension| matches!(d, Dimension::Country | Dimension::Device);
    let by_origin = places.dimensions().iter().any(|d| !d.is_of_channel() && !is_of_place(d));
    // Days matter where rows are days, or a cost is divided by a day's clicks.
    let by_day = by_place || by_origin || parameters.by.iter().any(|d| d.grain().is_some());
    Detail { by_day, by_origin, by_place }
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
fn clicks_by_day(counts: &[(PlaceId, Counted)]) -> Clicks {
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
        origin: Origin { link: counted.link, channel: counted.channel, campaign: counted.campaign, platform: None },
        post: counted.post,
        country: counted.country,
        device: counted.device,
    }
}

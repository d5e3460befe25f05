//! Sharing: by what costs that name no channel are shared by channels, day by day.
//!
//! What is weighed happened on the cost's day and is counted the same in every report: media spend, human clicks,
//! entries into a stage. No model, look-back, filter or class that a report asks for changes it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ReportError;
use super::costs::Named;
use super::credits::{self, Credit, Measure, Sink};
use super::exchange::{Exchange, Lacking};
use super::facts::{Facts, Journeys};
use super::labels::Origin;
use super::parameters::{Filters, LookBack, Parameters, ReportClock};
use super::places::Places;
use super::touch_counts::{self, Detail, HUMAN, Wanted};
use crate::domain::allocation::Allocation;
use crate::domain::attribution::Choice;
use crate::domain::attribution::credit::allocate;
use crate::domain::cost::{CostEntry, CostKind};
use crate::domain::ids::{CampaignId, ChannelId, LinkId, PostId};
use crate::domain::stage::Stage;
use crate::domain::time::Day;
use crate::domain::touch::TouchKind;
use crate::store::Conn;

/// The model by which an entry into a stage is shared: its distinct channels share it equally.
const EQUALLY: &str = "linear_distinct";

/// Something weighed: where it was, and how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    pub(super) channel: ChannelId,
    pub(super) campaign: Option<CampaignId>,
    pub(super) post: Option<PostId>,
    pub(super) link: Option<LinkId>,
    /// Minor units, clicks or micro-units; below 0 where a credit note is.
    pub(super) weight: i64,
}

/// How a part of a shared cost came to its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// No rule shares the cost.
    Not,
    /// By weight: so much of so much.
    By {
        /// The channel's weight.
        weight: i64,
        /// The weight of all channels.
        of: i64,
    },
    /// The day has nothing to weigh.
    Nothing,
}

type ByDay = HashMap<Day, Vec<Weight>>;

/// Weights of each rule that some cost has.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    spend: ByDay,
    clicks: ByDay,
    stages: HashMap<Stage, ByDay>,
}

impl Sharing {
    /// Reads what the rules of `shared` weigh; `all` are the costs of the range, of every kind.
    pub(super) fn load(
        conn: &mut Conn,
        facts: &Facts,
        parameters: &Parameters,
        (shared, all): (&[&CostEntry], &[CostEntry]),
        (exchange, lacking): (&Exchange, &mut Lacking),
    ) -> Result<Self, ReportError> {
        let rules = || shared.iter().map(|e| &e.cost.allocation);
        let mut sharing = Self::default();
        if rules().any(|rule| *rule == Allocation::Spend) {
            sharing.spend = spend(facts, parameters, all, exchange, lacking)?;
        }
        if rules().any(|rule| *rule == Allocation::Clicks) {
            let by_origin = shared.iter().any(|e| e.cost.campaign.is_some() || e.cost.post.is_some());
            sharing.clicks = clicks(conn, facts, parameters, by_origin)?;
        }
        let stages: HashSet<Stage> =
            rules().filter_map(|rule| if let Allocation::Stage(stage) = rule { Some(*stage) } else { None }).collect();
        if !stages.is_empty() {
            sharing.stages = entries(conn, facts, parameters, &stages)?;
        }
        Ok(sharing)
    }

    /// The channels' parts of a day's amount, in the order of channels; `None` is what stays shared. They sum to `minor`.
    pub(super) fn parts(
        &self,
        rule: &Allocation,
        named: &Named,
        day: Day,
        minor: i64,
    ) -> Vec<(Option<ChannelId>, i64, Shared)> {
        let weights = match rule {
            Allocation::Keep => return vec![(None, minor, Shared::Not)],
            Allocation::Spend => weighed(&self.spend, named, day),
            Allocation::Clicks => weighed(&self.clicks, named, day),
            Allocation::Stage(stage) => {
                self.stages.get(stage).map_or_else(BTreeMap::new, |all| weighed(all, named, day))
            }
            Allocation::Weights(fixed) => {
                fixed.iter().map(|(channel, weight)| (*channel, i64::try_from(*weight).unwrap_or(i64::MAX))).collect()
            }
        };
        if weights.is_empty() {
            return vec![(None, minor, Shared::Nothing)];
        }
        let of = weights.values().sum();
        let shares: Vec<u128> = weights.values().map(|w| u128::from(w.unsigned_abs())).collect();
        let part = |((channel, weight), minor)| (Some(channel), minor, Shared::By { weight, of });
        weights.into_iter().zip(allocate(minor, &shares)).map(part).collect()
    }
}

/// Weights above 0 by channel, of what matches the cost's own campaign or post.
fn weighed(all: &ByDay, named: &Named, day: Day) -> BTreeMap<ChannelId, i64> {
    let mut weights: BTreeMap<ChannelId, i64> = BTreeMap::new();
    for own in all.get(&day).into_iter().flatten().filter(|w| named.weighs(w)) {
        *weights.entry(own.channel).or_default() += own.weight;
    }
    // What was taken back weighs nothing.
    weights.retain(|_, weight| *weight > 0);
    weights
}

/// Media spend that names a channel, in the report's currency.
fn spend(
    facts: &Facts,
    parameters: &Parameters,
    all: &[CostEntry],
    exchange: &Exchange,
    lacking: &mut Lacking,
) -> Result<ByDay, ReportError> {
    let mut by_day = ByDay::new();
    for cost in all.iter().map(|e| &e.cost).filter(|c| c.kind == CostKind::Media) {
        for (day, own) in cost.by_day().filter(|(d, _)| parameters.range.contains(*d)) {
            let named = Named::of(cost, parameters.zone.day_start(day), &facts.labels);
            let Some(channel) = named.channel else { continue };
            match exchange.quote(cost.amount.currency, day) {
                Ok(quote) => by_day.entry(day).or_default().push(Weight {
                    channel,
                    campaign: named.campaign,
                    post: named.post,
                    link: named.link,
                    weight: quote.convert(own)?,
                }),
                Err(missing) => lacking.note(missing),
            }
        }
    }
    Ok(by_day)
}

/// Human clicks of channels.
fn clicks(conn: &mut Conn, facts: &Facts, parameters: &Parameters, by_origin: bool) -> Result<ByDay, ReportError> {
    let wanted = Wanted {
        zone: &parameters.zone,
        days: parameters.range,
        moments: facts.moments,
        detail: Detail { by_day: true, by_origin, by_place: false },
        classes: HUMAN,
    };
    let mut by_day = ByDay::new();
    for counted in touch_counts::count(conn, &facts.labels, &wanted)? {
        let Some(channel) = counted.channel.filter(|_| counted.kind == TouchKind::Click) else { continue };
        by_day.entry(counted.day).or_default().push(Weight {
            channel,
            campaign: counted.campaign,
            post: counted.post,
            link: counted.link,
            weight: counted.count,
        });
    }
    Ok(by_day)
}

/// Entries into stages: what the report of the same days says by [`EQUALLY`], with every other parameter as usual.
fn entries(
    conn: &mut Conn,
    facts: &Facts,
    parameters: &Parameters,
    stages: &HashSet<Stage>,
) -> Result<HashMap<Stage, ByDay>, ReportError> {
    let usual = Parameters {
        by: Vec::new(),
        models: vec![EQUALLY.parse::<Choice>()?],
        look_back: LookBack::default(),
        clock: ReportClock::Period,
        compare: Vec::new(),
        classes: HUMAN.to_vec(),
        views: false,
        filters: Filters::new(),
        ..parameters.clone()
    };
    let mut places = Places::new(&usual, &facts.labels)?;
    let mut found = Entries { facts, parameters: &usual, stages, by_stage: HashMap::new() };
    credits::walk(conn, facts, &mut places, &usual, &mut found)?;
    Ok(found.by_stage)
}

struct Entries<'a> {
    facts: &'a Facts,
    parameters: &'a Parameters,
    stages: &'a HashSet<Stage>,
    by_stage: HashMap<Stage, ByDay>,
}

impl Sink for Entries<'_> {
    fn take(&mut self, journeys: &Journeys<'_>, _: &mut Places<'_>, credit: &Credit<'_>) -> Result<(), ReportError> {
        let stage = match credit.measure {
            Measure::Leads => Stage::Lead,
            Measure::Mqls => Stage::Mql,
            Measure::Sqls => Stage::Sql,
            Measure::Opportunities => Stage::Opportunity,
            Measure::Customers => Stage::Customer,
            _ => return Ok(()),
        };
        let at = credit.event.occurred_at;
        if !self.stages.contains(&stage) || at < self.parameters.begin() || at >= self.parameters.end() {
            return Ok(());
        }
        let day = self.parameters.zone.day_of(at);
        for share in credit.shares {
            let Some(touch) = share.touch.and_then(|id| journeys.touch(id)) else { continue };
            let (origin, labels) = (Origin::of(touch), &self.facts.labels);
            let Some(channel) = labels.channel_of(origin, touch.occurred_at) else { continue };
            self.by_stage.entry(stage).or_default().entry(day).or_default().push(Weight {
                channel,
                campaign: labels.campaign_of(origin, touch.occurred_at),
                post: labels.post_of(origin, touch.occurred_at),
                link: origin.link,
                weight: share.amount,
            });
        }
        Ok(())
    }
}

//! Costs by the codes people use; the API, the pages and the command line all come through here.

use std::collections::HashMap;

use super::edit_schedules::with_codes;
use super::import::Codes;
use super::workers::{Workers, worker_of};
use crate::domain::cost::{CostDraft, CostEntry, CostKind};
use crate::domain::fault::Fault;
use crate::domain::labour::Labour;
use crate::domain::money::{Currency, Money};
use crate::domain::stage::Source;
use crate::domain::time::{Day, DayRange};
use crate::store::costs::{self, Stored};
use crate::store::labels::{self, Author};
use crate::store::{Conn, StoreError, links};

/// A cost in its sender's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostInput {
    /// First day, or the only one.
    pub from: String,
    /// Last day; the first if empty.
    pub to: String,
    /// The channel's code; without one the cost is shared.
    pub channel: Option<String>,
    /// The campaign's code.
    pub campaign: Option<String>,
    /// The post's code.
    pub post: Option<String>,
    /// The link's slug.
    pub link: Option<String>,
    /// `media` if empty.
    pub kind: String,
    /// A decimal amount.
    pub amount: Option<String>,
    /// The amount in minor units, instead.
    pub amount_minor: Option<i64>,
    /// ISO 4217.
    pub currency: String,
    /// Invoice number.
    pub document: Option<String>,
    /// How channels share it, where it names none: `shared`, `spend`, `clicks`, `stage:lead`, `weights:CODE=3,CODE=1`.
    pub allocation: Option<String>,
    /// What it was for.
    pub note: Option<String>,
    /// Of labour: who worked, a person
    pub person: Option<String>,
    /// or a team,
    pub team: Option<String>,
    /// how long, `1.5` or `1:30`,
    pub hours: Option<String>,
    /// and what an hour costs; the recorded rate if not given.
    pub rate: Option<String>,
}

/// Longest note, in characters.
const NOTE_MAX: usize = 500;

fn given(text: Option<&String>) -> Option<&str> {
    text.map(|t| t.trim()).filter(|t| !t.is_empty())
}

impl CostInput {
    fn check(&self, (codes, workers): (&Codes, &Workers), source: &Source) -> Result<CostDraft, Vec<Fault>> {
        let mut faults = Vec::new();
        let channel = codes.channel(self.channel.as_deref(), &mut faults);
        let campaign = codes.campaign(self.campaign.as_deref(), &mut faults);
        let post = codes.post(self.post.as_deref(), &mut faults);
        let link = codes.link(self.link.as_deref(), &mut faults);
        let days = self.days().map_err(|f| faults.push(f)).ok();
        let kind = self.kind().map_err(|f| faults.push(f)).ok();
        let amount = match days {
            Some(days) if self.is_labour() => self.labour(days, workers).map(|(money, labour)| (money, Some(labour))),
            _ if self.is_labour() => Err(Vec::new()),
            _ => self.money().map(|money| (money, None)).map_err(|f| vec![f]),
        };
        let amount = amount.map_err(|own| faults.extend(own)).ok();
        let allocation = codes.allocation(self.allocation.as_deref(), &mut faults);
        let note = given(self.note.as_ref()).map(str::to_owned);
        if note.as_ref().is_some_and(|n| n.chars().count() > NOTE_MAX) {
            faults.push(Fault::new("note", "note-too-long", format!("keep the note under {NOTE_MAX} characters")));
        }
        let document = given(self.document.as_ref()).map(str::to_owned);
        let (Some(days), Some(kind), Some((amount, labour))) = (days, kind, amount) else { return Err(faults) };
        let source = source.clone();
        let draft =
            CostDraft { days, channel, campaign, post, link, kind, amount, source, document, allocation, note, labour };
        faults.extend(draft.check().err());
        if faults.is_empty() { Ok(draft) } else { Err(faults) }
    }

    fn is_labour(&self) -> bool {
        [&self.hours, &self.person, &self.team, &self.rate].into_iter().any(|field| given(field.as_ref()).is_some())
    }

    fn kind(&self) -> Result<CostKind, Fault> {
        let usual = if self.is_labour() { CostKind::Labour } else { CostKind::Media };
        let kind = if self.kind.is_empty() { usual } else { self.kind.parse()? };
        if self.is_labour() && kind != CostKind::Labour {
            let detail = format!("hours are labour, not {kind}; leave the kind out");
            return Err(Fault::new("kind", "labour-kind", detail));
        }
        Ok(kind)
    }

    /// What hours cost, by the rate given with them or the one recorded for the worker.
    fn labour(&self, days: DayRange, workers: &Workers) -> Result<(Money, Labour), Vec<Fault>> {
        let mut faults = Vec::new();
        if self.amount.as_ref().is_some_and(|a| !a.trim().is_empty()) || self.amount_minor.is_some() {
            faults.push(Fault::new("amount", "value-twice", "hours make the amount; give either an amount or hours"));
        }
        let worker = worker_of(self.person.as_deref(), self.team.as_deref()).map_err(|f| faults.push(f)).ok();
        let hours = given(self.hours.as_ref()).unwrap_or_default().parse().map_err(|f| faults.push(f)).ok();
        let hourly = self.hourly().map_err(|f| faults.push(f)).ok();
        match (worker, hours, hourly) {
            (Some(worker), Some(hours), Some(hourly)) if faults.is_empty() => {
                workers.price(&worker, hours, days, hourly).map_err(|f| vec![f])
            }
            _ => Err(faults),
        }
    }

    fn hourly(&self) -> Result<Result<Money, Option<Currency>>, Fault> {
        let currency = if self.currency.trim().is_empty() { None } else { Some(self.currency.parse::<Currency>()?) };
        let Some(text) = given(self.rate.as_ref()) else { return Ok(Err(currency)) };
        let missing = || Fault::new("currency", "currency-missing", "a rate needs its currency, such as EUR");
        Money::parse(text, currency.ok_or_else(missing)?).map(Ok).map_err(|f| f.named("rate"))
    }

    fn days(&self) -> Result<DayRange, Fault> {
        let from: Day = self.from.parse().map_err(|f: Fault| f.named("from"))?;
        let to = if self.to.is_empty() { from } else { self.to.parse().map_err(|f: Fault| f.named("to"))? };
        DayRange::new(from, to)
    }

    fn money(&self) -> Result<Money, Fault> {
        let currency = self.currency.parse()?;
        match (self.amount.as_deref(), self.amount_minor) {
            (Some(text), None) => Money::parse(text, currency),
            (None, Some(minor)) => Money::new(minor, currency),
            _ => Err(Fault::new("amount", "amount-missing", "give either `amount` or `amount_minor`")),
        }
    }
}

/// Adds costs, all or none; the faults name each cost by its place.
pub fn add(
    conn: &mut Conn,
    inputs: &[CostInput],
    source: &Source,
    label: &str,
    author: &Author,
) -> Result<Stored, StoreError> {
    let (codes, workers) = (Codes::load(conn)?, Workers::load(conn)?);
    let (mut drafts, mut faults) = (Vec::new(), Vec::new());
    for (place, input) in inputs.iter().enumerate() {
        match input.check((&codes, &workers), source) {
            Ok(draft) => drafts.push(draft),
            Err(list) if inputs.len() == 1 => faults.extend(list),
            Err(list) => {
                faults.extend(list.into_iter().map(|f| Fault { field: format!("/costs/{place}/{}", f.field), ..f }))
            }
        }
    }
    if faults.is_empty() { costs::add(conn, &drafts, label, author) } else { Err(StoreError::Refused(faults)) }
}

/// A standing cost with the codes of what it was spent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCost {
    /// The entry.
    pub entry: CostEntry,
    /// The channel's code.
    pub channel: Option<String>,
    /// The campaign's code.
    pub campaign: Option<String>,
    /// The post's code.
    pub post: Option<String>,
    /// The link's slug.
    pub link: Option<String>,
    /// How channels share it, with their codes.
    pub allocation: String,
}

/// The newest standing costs.
pub fn list(conn: &mut Conn, limit: i64) -> Result<Vec<NamedCost>, StoreError> {
    let channels: HashMap<_, _> = labels::list_channels(conn)?.into_iter().map(|c| (c.id, c.code)).collect();
    let campaigns: HashMap<_, _> = labels::list_campaigns(conn)?.into_iter().map(|c| (c.id, c.code)).collect();
    let posts: HashMap<_, _> = labels::list_posts(conn)?.into_iter().map(|p| (p.id, p.code)).collect();
    let slugs: HashMap<_, _> = links::all(conn)?.into_iter().map(|l| (l.id, l.slug)).collect();
    let entries = costs::list(conn, limit)?;
    Ok(entries
        .into_iter()
        .map(|entry| NamedCost {
            channel: entry.cost.channel.and_then(|id| channels.get(&id).cloned()),
            campaign: entry.cost.campaign.and_then(|id| campaigns.get(&id).cloned()),
            post: entry.cost.post.and_then(|id| posts.get(&id).cloned()),
            link: entry.cost.link.and_then(|id| slugs.get(&id).cloned()),
            allocation: with_codes(&entry.cost.allocation, &channels),
            entry,
        })
        .collect())
}

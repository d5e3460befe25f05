//! The data: touches through the writer's sink, leads and customers through the store, costs per channel and day.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use headwater::domain::allocation::Allocation;
use headwater::domain::channel::{CampaignCodes, CampaignLabels, ChannelCodes, ChannelLabels};
use headwater::domain::cost::{CostDraft, CostKind};
use headwater::domain::ids::{CampaignId, ChannelId, LinkId, TouchId, VisitorId, uuid_v7};
use headwater::domain::link::LinkLabels;
use headwater::domain::money::Money;
use headwater::domain::person::JoinKey;
use headwater::domain::slug::Slug;
use headwater::domain::stage::{Source, Stage, StageEventDraft, Subject};
use headwater::domain::time::{Clock, DAY_MS, DayRange, DrivenClock, UtcMillis, Zone};
use headwater::domain::touch::{ClientFacts, RecordKind, TouchRecord};
use headwater::jobs::load_touches::StoreSink;
use headwater::store::identity::Recording;
use headwater::store::labels::{Author, Similar, create_campaign, create_channel};
use headwater::store::stage_events::{self, Teller};
use headwater::store::{Conn, Db, StoreError, costs, ledger, links, rollups};
use headwater::tracking::classify::{ClassificationSettings, Classifier};
use headwater::tracking::writer::RecordSink;

use super::Outcome;
use super::dice::Dice;

/// Days of traffic.
pub(super) const DAYS: i64 = 90;
/// When it begins: 2026-01-01.
pub(super) const START: UtcMillis = UtcMillis(1_767_225_600_000);
const CHANNELS: i64 = 12;
const LINKS: u64 = 10_000;
const AGENTS: u64 = 2_000;
const BATCH: usize = 10_000;
const LEADS_PER_TRANSACTION: usize = 5_000;

/// A whole number from 0 to below `limit`.
fn up_to(dice: &mut Dice, limit: i64) -> i64 {
    dice.below(limit.unsigned_abs()).cast_signed()
}

/// Who becomes a lead, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    pub(super) visitor: VisitorId,
    pub(super) at: UtcMillis,
    click: TouchId,
}

/// Makes clicks in the order of their time, and chooses leads among them.
struct Traffic {
    dice: Dice,
    touches: u64,
    made: u64,
    recent: Vec<VisitorId>,
    agents: Vec<String>,
    leads: u64,
    chosen: HashSet<VisitorId>,
    conversions: Vec<Conversion>,
}

impl Traffic {
    fn new(touches: u64, leads: u64) -> Self {
        let agent = |n| {
            let major = 100 + n % 40;
            format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/{major}.0.{n}.0 Safari/537.36")
        };
        Self {
            dice: Dice(42),
            touches,
            made: 0,
            recent: Vec::new(),
            agents: (0..AGENTS).map(agent).collect(),
            leads,
            chosen: HashSet::new(),
            conversions: Vec::new(),
        }
    }

    fn now(&self) -> UtcMillis {
        let ms = i128::from(self.made) * i128::from(DAYS * DAY_MS) / i128::from(self.touches.max(1));
        START.plus_ms(i64::try_from(ms).unwrap_or(0))
    }

    /// Two touches in three are of somebody who was there in the last three days.
    fn visitor(&mut self, at: UtcMillis) -> VisitorId {
        let known = self.recent.len();
        let which = usize::try_from(self.dice.below(known.max(1) as u64)).unwrap_or(0);
        if known > 1_000 && self.dice.below(3) > 0 {
            return self.recent[which];
        }
        let new = VisitorId(uuid_v7(at, self.dice.bytes()));
        if (known as u64) < self.touches / 30 {
            self.recent.push(new);
        } else {
            self.recent[which] = new;
        }
        new
    }

    /// Leads are due evenly over all touches but the last hundredth, which makes up for programs and for leads twice.
    fn lead_is_due(&self) -> bool {
        let made = self.conversions.len() as u64;
        made < self.leads && made * self.touches * 99 < self.made * self.leads * 100
    }

    fn next(&mut self) -> TouchRecord<'static> {
        self.made += 1;
        let at = self.now();
        let visitor = self.visitor(at);
        let is_bot = self.dice.below(7) == 0;
        let agent = usize::try_from(self.dice.skewed(AGENTS)).unwrap_or(0);
        let user_agent = if is_bot { "Googlebot/2.1 (+http://www.google.com/bot.html)" } else { &self.agents[agent] };
        let id = TouchId::new(at, self.dice.bytes());
        if self.lead_is_due() && !is_bot && self.chosen.insert(visitor) {
            let at = at.plus_ms(up_to(&mut self.dice, 3 * DAY_MS));
            self.conversions.push(Conversion { visitor, at, click: id });
        }
        TouchRecord {
            id,
            occurred_at: at,
            kind: RecordKind::Click { link: LinkId(1 + self.dice.skewed(LINKS).cast_signed()) },
            visitor: Some(visitor),
            private: false,
            client: ClientFacts {
                user_agent: Some(Cow::Owned(user_agent.to_owned())),
                referrer_host: Some(Cow::Owned(format!("host{}.example.com", self.dice.skewed(50)))),
                address: Some(std::net::IpAddr::from(self.dice.bytes()[..4].try_into().unwrap_or([192, 0, 2, 1]))),
                head: false,
                prefetch: false,
                accept_language: true,
                navigation: true,
            },
            network_ids: Vec::new(),
        }
    }
}

/// Fills an empty database, and answers its conversions in the order of their time.
pub(super) fn fill(db: &Db, touches: u64, leads: u64) -> Outcome<Vec<Conversion>> {
    db.write_now(|conn| {
        set_up(conn)?;
        rollups::adopt_zone(conn, &Zone::utc())
    })?;
    let clock = Arc::new(DrivenClock::new(START));
    let present: Arc<dyn Clock> = Arc::<DrivenClock>::clone(&clock);
    let classifier = Classifier::new(&ClassificationSettings::default(), Box::new(|| [7; 16]))?;
    let mut sink = StoreSink::new(db.clone(), present, classifier);
    let mut traffic = Traffic::new(touches, leads);
    let wanted = usize::try_from(leads)?;
    let mut left = usize::try_from(touches)?;
    while left > 0 {
        let records: Vec<TouchRecord<'static>> = (0..left.min(BATCH)).map(|_| traffic.next()).collect();
        left -= records.len();
        clock.set(traffic.now().plus_ms(50));
        let done = sink.store(&records)?;
        if done.stored != records.len() as u64 {
            return Err(format!("{} of {} records were stored", done.stored, records.len()).into());
        }
    }
    let mut conversions = std::mem::take(&mut traffic.conversions);
    if conversions.len() < wanted {
        return Err(format!("{touches} touches give {} leads only", conversions.len()).into());
    }
    conversions.sort_by_key(|c| c.at);
    add_leads(db, &conversions, &mut traffic.dice)?;
    Ok(conversions)
}

/// Every second lead brings its click id, the others their browser, all of them an email; three in ten buy.
fn add_leads(db: &Db, conversions: &[Conversion], dice: &mut Dice) -> Outcome<()> {
    let teller = Teller { source: Source::parse("crm")?, counts_revenue: true };
    let now = START.plus_ms((DAYS + 10) * DAY_MS);
    for (part, chunk) in conversions.chunks(LEADS_PER_TRANSACTION).enumerate() {
        db.write_now(|conn| {
            let at = ledger::stamp(conn, now)?;
            let recording = Recording { at, event: None, batch: None, by: "bench".into() };
            for (i, conversion) in chunk.iter().enumerate() {
                let n = part * LEADS_PER_TRANSACTION + i;
                let email = JoinKey::Email(format!("{:016x}{:016x}{n:032x}", dice.roll(), dice.roll()));
                let weak = match n % 2 {
                    0 => JoinKey::Click(conversion.click),
                    _ => JoinKey::Visitor(conversion.visitor),
                };
                let lead = draft(&format!("lead-{n}"), Stage::Lead, conversion.at, vec![email.clone(), weak]);
                store(conn, &lead, &teller, &recording)?;
                if dice.below(10) < 3 {
                    let at = conversion.at.plus_ms(up_to(dice, 5 * DAY_MS));
                    let mut sale = draft(&format!("sale-{n}"), Stage::Customer, at, vec![email]);
                    sale.subject = Some(Subject::parse(&format!("order:{n}"))?);
                    sale.value = Some(Money { minor: 1_000 + up_to(dice, 100_000), currency: "EUR".parse()? });
                    store(conn, &sale, &teller, &recording)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn draft(event_id: &str, stage: Stage, occurred_at: UtcMillis, keys: Vec<JoinKey>) -> StageEventDraft {
    StageEventDraft {
        event_id: event_id.into(),
        stage,
        occurred_at,
        keys,
        subject: None,
        parent: None,
        value: None,
        self_reported: None,
        network_lead: None,
        repeats_by_id: false,
    }
}

fn store(conn: &mut Conn, draft: &StageEventDraft, teller: &Teller, recording: &Recording) -> Result<(), StoreError> {
    stage_events::insert(conn, draft, teller, draft.event_id.as_bytes(), recording).map(|_stored| ())
}

fn set_up(conn: &mut Conn) -> Result<(), StoreError> {
    let author = Author { name: "bench".into(), now: START.plus_ms(-DAY_MS) };
    for n in 0..CHANNELS {
        let codes = ChannelCodes {
            code: format!("channel-{n}").parse()?,
            utm_source: format!("s{n}").parse()?,
            utm_medium: "social".parse()?,
        };
        create_channel(conn, &codes, &ChannelLabels::default(), Similar::Accept, &author)?;
    }
    for n in 0..30 {
        let codes = CampaignCodes { code: format!("campaign-{n}").parse()?, utm_id: None };
        create_campaign(conn, &codes, &CampaignLabels::default(), Similar::Accept, &author)?;
    }
    for n in 0..LINKS.cast_signed() {
        let slug: Slug = format!("link-{n}").parse()?;
        let labels = LinkLabels {
            destination: format!("https://www.example.com/{n}"),
            title: String::new(),
            channel: ChannelId(1 + n % CHANNELS),
            campaign: Some(CampaignId(1 + n % 30)),
            post: None,
            tags: Vec::new(),
            passes_query: true,
            archived: false,
            expires_at: None,
        };
        links::create(conn, &slug, &labels, &author)?;
    }
    add_costs(conn, &author)
}

/// A day's ad spend for each channel.
fn add_costs(conn: &mut Conn, author: &Author) -> Result<(), StoreError> {
    let mut drafts = Vec::new();
    let mut dice = Dice(7);
    for day in 0..DAYS {
        let day = Zone::utc().day_of(START.plus_ms(day * DAY_MS));
        for channel in 1..=CHANNELS {
            drafts.push(CostDraft {
                days: DayRange { from: day, to: day },
                channel: Some(ChannelId(channel)),
                campaign: None,
                post: None,
                link: None,
                kind: CostKind::Media,
                amount: Money { minor: 1_000 + up_to(&mut dice, 50_000), currency: "EUR".parse()? },
                source: Source::parse("ads")?,
                document: None,
                allocation: Allocation::Keep,
                note: None,
                labour: None,
            });
        }
    }
    costs::add(conn, &drafts, "bench", author).map(|_stored| ())
}

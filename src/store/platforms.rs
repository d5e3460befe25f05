//! Accounts, campaigns and ads of platforms, and what they are in our words.
//!
//! The names are reference data. The mappings are facts: revisions under the ledger clock, so that a report of an
//! earlier `as_of` keeps the mapping that it saw.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;

use super::labels::Author;
use super::schema::{platform_accounts, platform_ads, platform_campaigns, platform_revisions};
use super::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, ledger, stored};
use crate::domain::channel::{Effect, History, Revision};
use crate::domain::ids::{CampaignId, ChannelId, PlatformAccountId, PlatformCampaignId};
use crate::domain::money::Currency;
use crate::domain::platform::{CampaignKey, LEADS_ACCOUNT, Mapping, PlatformAccount, PlatformCampaign};
use crate::domain::stage::Source;
use crate::domain::time::{Day, UtcMillis, Zone};

type AccountRow = (i64, String, String, String, Option<String>, String, i64);
type CampaignRow = (i64, i64, Option<String>, String);

fn account_of(row: AccountRow) -> Result<PlatformAccount, StoreError> {
    let (id, platform, name, source, currency, zone, _created) = row;
    Ok(PlatformAccount {
        id: PlatformAccountId(id),
        platform,
        name,
        source: Source::stored(source),
        currency: currency.as_deref().map(stored).transpose()?,
        zone: stored(&zone)?,
    })
}

fn campaign_of((id, account, external_id, name): CampaignRow) -> PlatformCampaign {
    PlatformCampaign { id: PlatformCampaignId(id), account: PlatformAccountId(account), external_id, name }
}

/// What a revision belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A whole account.
    Account(PlatformAccountId),
    /// One campaign of it.
    Campaign(PlatformCampaignId),
}

impl Subject {
    fn columns(self) -> (&'static str, i64) {
        match self {
            Self::Account(id) => ("account", id.0),
            Self::Campaign(id) => ("campaign", id.0),
        }
    }
}

/// Every account, by platform and name.
pub fn accounts(conn: &mut Conn) -> Result<Vec<PlatformAccount>, StoreError> {
    let rows: Vec<AccountRow> = on!(conn, c => platform_accounts::table.load(c))?;
    let mut list = rows.into_iter().map(account_of).collect::<Result<Vec<_>, _>>()?;
    list.sort_by(|a, b| (&a.platform, &a.name).cmp(&(&b.platform, &b.name)));
    Ok(list)
}

/// An account by its name.
pub fn account(conn: &mut Conn, platform: &str, name: &str) -> Result<Option<PlatformAccount>, StoreError> {
    use platform_accounts as t;
    let row: Option<AccountRow> =
        on!(conn, c => t::table.filter(t::platform.eq(platform)).filter(t::name.eq(name)).first(c).optional())?;
    row.map(account_of).transpose()
}

/// Makes an account. Its source is made of platform and name, with a number where another account has the same.
pub fn create_account(
    conn: &mut Conn,
    platform: &str,
    name: &str,
    currency: Option<Currency>,
    zone: &Zone,
    now: UtcMillis,
) -> Result<PlatformAccount, StoreError> {
    use platform_accounts as t;
    let base = source_name(platform, name);
    let taken: Vec<String> = on!(conn, c => t::table.select(t::source).load(c))?;
    let numbered = (2_u32..).map(|n| format!("{base}-{n}"));
    let source = std::iter::once(base.clone()).chain(numbered).find(|s| !taken.contains(s)).unwrap_or(base);
    let id: i64 = on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::platform.eq(platform), t::name.eq(name), t::source.eq(&source),
            t::currency.eq(currency.map(Currency::code)), t::zone.eq(zone.name()), t::created_at.eq(now.0),
        ))
        .returning(t::id).get_result(c))?;
    let (platform, name) = (platform.to_owned(), name.to_owned());
    let (id, source) = (PlatformAccountId(id), Source::stored(source));
    Ok(PlatformAccount { id, platform, name, source, currency, zone: zone.clone() })
}

/// `meta-acme-ads`: at most 90 characters of what a source may hold.
fn source_name(platform: &str, name: &str) -> String {
    let mut text = String::new();
    for c in format!("{platform}-{name}").to_lowercase().chars().take(90) {
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if c != '-' || !text.ends_with('-') {
            text.push(c);
        }
    }
    text.trim_end_matches('-').to_owned()
}

/// Remembers the currency that an account is billed in, once.
pub fn set_currency(conn: &mut Conn, id: PlatformAccountId, currency: Currency) -> Result<(), StoreError> {
    use platform_accounts as t;
    on!(conn, c => diesel::update(t::table.find(id.0).filter(t::currency.is_null()))
        .set(t::currency.eq(currency.code())).execute(c))?;
    Ok(())
}

/// Corrects the zone that an account counts its days by; days are labels, so no figure moves.
pub fn set_zone(conn: &mut Conn, id: PlatformAccountId, zone: &Zone) -> Result<(), StoreError> {
    use platform_accounts as t;
    on!(conn, c => diesel::update(t::table.find(id.0)).set(t::zone.eq(zone.name())).execute(c))?;
    Ok(())
}

/// Every campaign of every account, in the order in which they were met.
pub fn campaigns(conn: &mut Conn) -> Result<Vec<PlatformCampaign>, StoreError> {
    use platform_campaigns as t;
    let rows: Vec<CampaignRow> = on!(conn, c => t::table.order(t::id)
        .select((t::id, t::account_id, t::external_id, t::name)).load(c))?;
    Ok(rows.into_iter().map(campaign_of).collect())
}

/// The campaign that a key names among those of an account: by id, else by name where the name is the only thing known
/// of one of the two; else by id among those that only leads have named so far.
pub fn find_campaign<'a>(
    known: &'a [PlatformCampaign],
    account: Option<PlatformAccountId>,
    leads: Option<PlatformAccountId>,
    key: &CampaignKey,
) -> Option<&'a PlatformCampaign> {
    let own = account.and_then(|account| find_own(known, account, key));
    let id = key.external_id.as_ref();
    own.or_else(|| known.iter().find(|c| Some(c.account) == leads && id.is_some() && c.external_id.as_ref() == id))
}

fn find_own<'a>(
    known: &'a [PlatformCampaign],
    account: PlatformAccountId,
    key: &CampaignKey,
) -> Option<&'a PlatformCampaign> {
    let mut own = known.iter().filter(|c| c.account == account);
    match &key.external_id {
        Some(id) => own
            .clone()
            .find(|c| c.external_id.as_ref() == Some(id))
            .or_else(|| own.find(|c| c.external_id.is_none() && !c.name.is_empty() && c.name == key.name)),
        None => {
            let mut named = own.filter(|c| c.name == key.name);
            let first = named.next();
            // Of several with one name none is meant for sure.
            first.filter(|c| c.external_id.is_none() || named.next().is_none())
        }
    }
}

/// The campaign that a key names among those of an account, or of leads that no file has named; made if it is new, and
/// completed with what the key adds.
pub fn campaign(
    conn: &mut Conn,
    (account, leads): (PlatformAccountId, Option<PlatformAccountId>),
    key: &CampaignKey,
    own: &mut Vec<PlatformCampaign>,
    now: UtcMillis,
) -> Result<PlatformCampaignId, StoreError> {
    use platform_campaigns as t;
    let Some(found) = find_campaign(own, Some(account), leads, key).cloned() else {
        let id: i64 = on!(conn, c => diesel::insert_into(t::table)
            .values((
                t::account_id.eq(account.0), t::external_id.eq(&key.external_id), t::name.eq(&key.name),
                t::created_at.eq(now.0),
            ))
            .returning(t::id).get_result(c))?;
        let id = PlatformCampaignId(id);
        own.push(PlatformCampaign { id, account, external_id: key.external_id.clone(), name: key.name.clone() });
        return Ok(id);
    };
    if found.account != account {
        move_campaign(conn, &found, account, now)?;
        own.iter_mut().filter(|c| c.id == found.id).for_each(|c| c.account = account);
    }
    let external_id = key.external_id.as_ref().or(found.external_id.as_ref());
    let name = if key.name.is_empty() { &found.name } else { &key.name };
    if external_id != found.external_id.as_ref() || *name != found.name {
        on!(conn, c => diesel::update(t::table.find(found.id.0))
            .set((t::external_id.eq(external_id), t::name.eq(name))).execute(c))?;
        if let Some(known) = own.iter_mut().find(|c| c.id == found.id) {
            (known.external_id, known.name) = (external_id.cloned(), name.clone());
        }
    }
    Ok(found.id)
}

/// Moves a campaign from the account of leads to the one that spends on it, with what was said of it. What it takes from
/// its account changes, so the move has a time of the ledger.
fn move_campaign(
    conn: &mut Conn,
    campaign: &PlatformCampaign,
    to: PlatformAccountId,
    now: UtcMillis,
) -> Result<(), StoreError> {
    use platform_campaigns as t;
    let at = ledger::stamp(conn, now)?;
    on!(conn, c => diesel::update(t::table.find(campaign.id.0))
        .set((t::account_id.eq(to.0), t::moved_from.eq(campaign.account.0), t::moved_at.eq(at.0))).execute(c))?;
    Ok(())
}

/// The account of a platform's leads whose campaign no file has named; made by the first of them.
pub fn leads_account(conn: &mut Conn, platform: &str, now: UtcMillis) -> Result<PlatformAccountId, StoreError> {
    let known = account(conn, platform, LEADS_ACCOUNT)?;
    known.map_or_else(|| create_account(conn, platform, LEADS_ACCOUNT, None, &Zone::utc(), now), Ok).map(|a| a.id)
}

/// Remembers which ads and ad sets belong to the campaigns of an account.
pub fn note_ads(
    conn: &mut Conn,
    account: PlatformAccountId,
    mut ads: BTreeSet<(PlatformCampaignId, String)>,
    now: UtcMillis,
) -> Result<(), StoreError> {
    use platform_ads as t;
    if ads.is_empty() {
        return Ok(());
    }
    let known: Vec<(i64, String)> = on!(conn, c => t::table
        .inner_join(platform_campaigns::table.on(platform_campaigns::id.eq(t::platform_campaign_id)))
        .filter(platform_campaigns::account_id.eq(account.0))
        .select((t::platform_campaign_id, t::external_id)).load(c))?;
    for (campaign, ad) in known {
        ads.remove(&(PlatformCampaignId(campaign), ad));
    }
    let rows: Vec<_> = ads
        .into_iter()
        .map(|(campaign, ad)| (t::platform_campaign_id.eq(campaign.0), t::external_id.eq(ad), t::created_at.eq(now.0)))
        .collect();
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::insert_into(t::table).values(chunk.to_vec()).execute(c))?;
    }
    Ok(())
}

/// Says what an account or a campaign is in our words; answers whether that changed anything.
///
/// The first word holds from the beginning; a later one by its effect.
pub fn map(
    conn: &mut Conn,
    subject: Subject,
    mapping: Mapping,
    effect: Effect,
    author: &Author,
) -> Result<bool, StoreError> {
    ledger::lock(conn)?;
    let history = histories(conn, UtcMillis(i64::MAX))?.remove(&subject).unwrap_or_default();
    let latest = history.latest().copied().unwrap_or_default();
    let stands = match effect {
        Effect::FromNowOn => latest == mapping,
        Effect::Correction => history.segments().iter().all(|(_, m)| **m == mapping) && latest == mapping,
    };
    if stands {
        return Ok(false);
    }
    let recorded_at = ledger::stamp(conn, author.now)?;
    let mut revisions = history.changed(effect, author.now, |_| mapping);
    if revisions.is_empty() {
        revisions.push((author.now, mapping));
    }
    let (kind, id) = subject.columns();
    for (effective_from, mapping) in revisions {
        on!(conn, c => diesel::insert_into(platform_revisions::table)
            .values((
                platform_revisions::subject_kind.eq(kind), platform_revisions::subject_id.eq(id),
                platform_revisions::recorded_at.eq(recorded_at.0),
                platform_revisions::effective_from.eq(effective_from.0),
                platform_revisions::channel_id.eq(mapping.channel.map(|c| c.0)),
                platform_revisions::campaign_id.eq(mapping.campaign.map(|c| c.0)),
                platform_revisions::recorded_by.eq(&author.name),
            ))
            .execute(c))?;
    }
    Ok(true)
}

type RevisionRow = (String, i64, i64, i64, Option<i64>, Option<i64>);

fn histories(conn: &mut Conn, upto: UtcMillis) -> Result<BTreeMap<Subject, History<Mapping>>, StoreError> {
    use platform_revisions as t;
    let rows: Vec<RevisionRow> = on!(conn, c => t::table
        .filter(t::recorded_at.le(upto.0)).order((t::recorded_at, t::id))
        .select((t::subject_kind, t::subject_id, t::recorded_at, t::effective_from, t::channel_id, t::campaign_id))
        .load(c))?;
    let mut revisions: BTreeMap<Subject, Vec<Revision<Mapping>>> = BTreeMap::new();
    for (kind, id, recorded_at, effective_from, channel, campaign) in rows {
        let subject = match kind.as_str() {
            "account" => Subject::Account(PlatformAccountId(id)),
            _ => Subject::Campaign(PlatformCampaignId(id)),
        };
        let labels = Mapping { channel: channel.map(ChannelId), campaign: campaign.map(CampaignId) };
        let revision =
            Revision { recorded_at: UtcMillis(recorded_at), effective_from: UtcMillis(effective_from), labels };
        revisions.entry(subject).or_default().push(revision);
    }
    Ok(revisions.into_iter().map(|(subject, list)| (subject, History::new(list))).collect())
}

/// The mappings that a report sees.
#[derive(Debug, Default)]
pub struct Mappings {
    accounts: HashMap<PlatformCampaignId, PlatformAccountId>,
    histories: BTreeMap<Subject, History<Mapping>>,
}

impl Mappings {
    /// Those recorded up to the moment of labels.
    pub fn load(conn: &mut Conn, moments: &Moments) -> Result<Self, StoreError> {
        use platform_campaigns as t;
        let rows: Vec<(i64, i64, Option<i64>, Option<i64>)> =
            on!(conn, c => t::table.select((t::id, t::account_id, t::moved_from, t::moved_at)).load(c))?;
        let account = |(id, now, before, moved_at): (i64, i64, Option<i64>, Option<i64>)| {
            let is_before = moved_at.is_some_and(|at| at > moments.labels.0);
            (PlatformCampaignId(id), PlatformAccountId(before.filter(|_| is_before).unwrap_or(now)))
        };
        let accounts = rows.into_iter().map(account).collect();
        Ok(Self { accounts, histories: histories(conn, moments.labels)? })
    }

    /// What was said of each account and campaign over time, in no order.
    pub fn all(&self) -> impl Iterator<Item = &History<Mapping>> {
        self.histories.values()
    }

    /// Those that hold after everything that was recorded.
    pub fn latest(conn: &mut Conn) -> Result<Self, StoreError> {
        Self::load(conn, &Moments::all(UtcMillis(i64::MAX)))
    }

    /// What a campaign is at an instant: its own word, else its account's.
    pub fn at(&self, campaign: PlatformCampaignId, at: UtcMillis) -> Mapping {
        let of = |subject| self.histories.get(&subject).and_then(|h| h.at(at)).copied().unwrap_or_default();
        let account = self.accounts.get(&campaign).map(|id| of(Subject::Account(*id))).unwrap_or_default();
        of(Subject::Campaign(campaign)).or(account)
    }

    /// What a campaign is on a day. The day is the account's, and a mapping begins at an instant: the two meet in UTC,
    /// so that no figure depends on a zone that may be corrected.
    pub fn on(&self, campaign: PlatformCampaignId, day: Day) -> Mapping {
        self.at(campaign, Zone::utc().day_start(day))
    }

    /// What was last said of a subject itself.
    pub fn said(&self, subject: Subject) -> Mapping {
        self.histories.get(&subject).and_then(History::latest).copied().unwrap_or_default()
    }
}

/// The campaign that a platform's ids name: that of the first of `ids` that is a known campaign, ad or ad set.
///
/// `ids` are the platform's own, in the order of trust, such as campaign, ad set, ad. Names are tried where no id is
/// known, as some lead forms tell only names. A campaign that only leads have named is answered where no file names any
/// of them; `None` where nothing does.
pub fn named(conn: &mut Conn, platform: &str, ids: &[&str]) -> Result<Option<PlatformCampaignId>, StoreError> {
    let given = || ids.iter().map(|id| id.trim()).filter(|id| !id.is_empty());
    for id in given() {
        if let Some(found) = named_by_file(conn, platform, id)? {
            return Ok(Some(found));
        }
    }
    for id in given() {
        if let Some(found) = by_external_id(conn, platform, id, true)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn named_by_file(conn: &mut Conn, platform: &str, id: &str) -> Result<Option<PlatformCampaignId>, StoreError> {
    use platform_accounts as a;
    use platform_campaigns as c;
    if let Some(found) = by_external_id(conn, platform, id, false)? {
        return Ok(Some(found));
    }
    let by_ad: Option<i64> = on!(conn, x => platform_ads::table
        .inner_join(c::table.on(c::id.eq(platform_ads::platform_campaign_id)))
        .inner_join(a::table.on(a::id.eq(c::account_id)))
        .filter(a::platform.eq(platform)).filter(platform_ads::external_id.eq(id))
        .order(c::id).select(c::id).first(x).optional())?;
    if let Some(found) = by_ad {
        return Ok(Some(PlatformCampaignId(found)));
    }
    let by_name: Vec<i64> = on!(conn, x => c::table.inner_join(a::table.on(a::id.eq(c::account_id)))
        .filter(a::platform.eq(platform)).filter(a::name.ne(LEADS_ACCOUNT)).filter(c::name.eq(id))
        .select(c::id).limit(2).load(x))?;
    // Of several with one name none is meant for sure.
    Ok(match by_name.as_slice() {
        [only] => Some(PlatformCampaignId(*only)),
        _ => None,
    })
}

/// A campaign by the platform's id, among those that files have named or among those that only leads have.
fn by_external_id(
    conn: &mut Conn,
    platform: &str,
    id: &str,
    of_leads: bool,
) -> Result<Option<PlatformCampaignId>, StoreError> {
    use platform_accounts as a;
    use platform_campaigns as c;
    let found: Option<i64> = on!(conn, x => c::table.inner_join(a::table.on(a::id.eq(c::account_id)))
        .filter(a::platform.eq(platform)).filter(a::name.eq(LEADS_ACCOUNT).eq(of_leads)).filter(c::external_id.eq(id))
        .order(c::id).select(c::id).first(x).optional())?;
    Ok(found.map(PlatformCampaignId))
}

//! Touches of leads that were given inside a network's own form.
//!
//! Each is made by its stage event, in the same transaction, and voided with it. Nobody clicked on anything of ours, so it
//! has no browser; the event joins it to its person. It says where in the network it was by the network's own ids. Which
//! channel and campaign of ours that is, the platform's mappings say when a report is made, as they do of spend.
//!
//! They stand beside `touches`: their number grows with leads, one may be voided alone, and what they count as changes
//! with a mapping. So they are in no rollup and counted one by one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::{DEVICE_UNKNOWN, DeviceId, Key, Touch, Words, class_code, class_of, id_range};
use crate::domain::ids::{PlatformCampaignId, StageEventId, TouchId};
use crate::domain::intake::NetworkLead;
use crate::domain::person::JoinKey;
use crate::domain::platform::{CampaignKey, LEADS_ACCOUNT, LEADS_OF_ADS, LEADS_WITHOUT_AD, platform_of};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{NetworkForm, TouchClass, TouchKind};
use crate::store::schema::{form_touch_campaigns, form_touches, identity_facts, platform_campaigns};
use crate::store::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, bytes, ledger, platforms};

/// The touch that a stage event makes: its id follows from the event's, so that there is one of each.
pub fn id_of(event: StageEventId, occurred_at: UtcMillis) -> TouchId {
    TouchId::new(occurred_at, event.0.as_bytes().last_chunk().copied().unwrap_or_default())
}

/// Whether a standing event has told this lead and made its touch: a lead that its network and a CRM both tell is one.
pub fn is_told(conn: &mut Conn, keys: &[JoinKey]) -> Result<bool, StoreError> {
    use form_touches as t;
    use identity_facts as i;
    for key in keys.iter().filter(|k| matches!(k, JoinKey::Lead(_))) {
        let is_told: bool = on!(conn, c => diesel::select(diesel::dsl::exists(i::table
            .inner_join(t::table.on(i::stage_event_id.eq(t::stage_event_id.nullable())))
            .filter(i::key_value.eq(key.value())).filter(i::key_kind.eq(key.kind()))
            .filter(i::voided_at.is_null()).filter(t::voided_at.is_null()))).get_result(c))?;
        if is_told {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those of some touches that were made in a network's form.
pub(in crate::store) fn those_of_forms(conn: &mut Conn, ids: &[TouchId]) -> Result<Vec<TouchId>, StoreError> {
    use form_touches as t;
    let keys: Vec<Vec<u8>> = ids.iter().map(|id| bytes(id.0)).collect();
    let mut found = Vec::new();
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Key> = on!(conn, c => t::table.filter(t::id.eq_any(chunk)).select(t::id).load(c))?;
        found.extend(rows.into_iter().map(|id| TouchId(id.id())));
    }
    Ok(found)
}

/// Stores the touch of a stage event at the ledger time of the event, and which campaign of its platform it is of.
pub fn insert(
    conn: &mut Conn,
    lead: &NetworkLead,
    (event, occurred_at): (StageEventId, UtcMillis),
    at: UtcMillis,
) -> Result<(), StoreError> {
    use form_touches as t;
    let mut words = Words::default();
    words.remember(Words::add(conn, &[NetworkForm::RULE.to_owned(), DEVICE_UNKNOWN.to_owned()])?);
    let form = lead.place();
    let id = bytes(id_of(event, occurred_at).0);
    on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::id.eq(&id), t::recorded_at.eq(at.0), t::occurred_at.eq(occurred_at.0), t::stage_event_id.eq(bytes(event.0)),
            t::class.eq(class_code(TouchClass::Human)), t::class_rule_id.eq(words.number(NetworkForm::RULE)?),
            t::device_id.eq(words.number(DEVICE_UNKNOWN)?), t::network.eq(&form.network), t::ad_id.eq(&form.ad_id),
            t::adset_id.eq(&form.adset_id), t::campaign_id.eq(&form.campaign_id), t::form_id.eq(&form.form_id),
        ))
        .execute(c))?;
    let campaign = campaign_of(conn, &form, at)?;
    link(conn, &[id], campaign, at)
}

/// Voids the touch of an event, with the event.
pub(in crate::store) fn void_of_event(conn: &mut Conn, event: StageEventId, at: UtcMillis) -> Result<(), StoreError> {
    use form_touches as t;
    on!(conn, c => diesel::update(t::table.filter(t::stage_event_id.eq(bytes(event.0))).filter(t::voided_at.is_null()))
        .set(t::voided_at.eq(at.0)).execute(c))?;
    Ok(())
}

/// A platform's ids in the order of trust.
fn ids_of(form: &NetworkForm) -> Vec<&str> {
    [&form.campaign_id, &form.adset_id, &form.ad_id].into_iter().flatten().map(String::as_str).collect()
}

/// The campaign that a form's ids name. One that no file has named is made known, so that it can be mapped.
fn campaign_of(conn: &mut Conn, form: &NetworkForm, now: UtcMillis) -> Result<PlatformCampaignId, StoreError> {
    let platform = platform_of(&form.network);
    if let Some(found) = platforms::named(conn, platform, &ids_of(form))? {
        return Ok(found);
    }
    let account = platforms::leads_account(conn, platform, now)?;
    let name = match &form.campaign_id {
        Some(_) => "",
        None if ids_of(form).is_empty() => LEADS_WITHOUT_AD,
        None => LEADS_OF_ADS,
    };
    let key = CampaignKey { external_id: form.campaign_id.clone(), name: name.to_owned() };
    let mut own = platforms::campaigns(conn)?;
    own.retain(|c| c.account == account);
    platforms::campaign(conn, (account, None), &key, &mut own, now)
}

fn link(conn: &mut Conn, touches: &[Vec<u8>], to: PlatformCampaignId, at: UtcMillis) -> Result<(), StoreError> {
    use form_touch_campaigns as t;
    for chunk in touches.chunks(ROWS_PER_STATEMENT) {
        let row =
            |id: &Vec<u8>| (t::touch_id.eq(id.clone()), t::recorded_at.eq(at.0), t::platform_campaign_id.eq(to.0));
        let rows: Vec<_> = chunk.iter().map(row).collect();
        on!(conn, c => diesel::insert_into(t::table).values(&rows).execute(c))?;
    }
    Ok(())
}

/// Looks again for the campaigns of leads that no file had named, when a file of the platform has been read: their touches
/// are of what it names from now on. Reports of an earlier `as_of` see them where they were.
pub fn find_campaigns(conn: &mut Conn, platform: &str, now: UtcMillis) -> Result<(), StoreError> {
    let Some(account) = platforms::account(conn, platform, LEADS_ACCOUNT)? else { return Ok(()) };
    let mut found: BTreeMap<PlatformCampaignId, Vec<Vec<u8>>> = BTreeMap::new();
    for (ids, touches) in unnamed(conn, account.id.0)? {
        let ids: Vec<&str> = ids.iter().flatten().map(String::as_str).collect();
        let Some(campaign) = platforms::named(conn, platform, &ids)? else { continue };
        let new = touches.into_iter().filter(|(_, known)| *known != campaign).map(|(id, _)| id);
        found.entry(campaign).or_default().extend(new);
    }
    found.retain(|_, touches| !touches.is_empty());
    if found.is_empty() {
        return Ok(());
    }
    let at = ledger::stamp(conn, now)?;
    found.iter().try_for_each(|(campaign, touches)| link(conn, touches, *campaign, at))
}

/// Standing touches with the campaign that they are of, by what they tell of campaign, ad set and ad.
type ByIds = BTreeMap<[Option<String>; 3], Vec<(Vec<u8>, PlatformCampaignId)>>;

/// Those of an account of leads that name something.
fn unnamed(conn: &mut Conn, account: i64) -> Result<ByIds, StoreError> {
    use form_touch_campaigns as l;
    use form_touches as t;
    type Told = (Key, Option<String>, Option<String>, Option<String>);
    let rows: Vec<Told> = on!(conn, c => t::table
        .inner_join(l::table.on(l::touch_id.eq(t::id)))
        .inner_join(platform_campaigns::table.on(platform_campaigns::id.eq(l::platform_campaign_id)))
        .filter(platform_campaigns::account_id.eq(account)).filter(t::voided_at.is_null())
        .filter(t::campaign_id.is_not_null().or(t::adset_id.is_not_null()).or(t::ad_id.is_not_null()))
        .select((t::id, t::campaign_id, t::adset_id, t::ad_id)).load(c))?;
    let ids: Vec<Key> = rows.iter().map(|(id, ..)| *id).collect();
    let now = campaigns_of(conn, &ids, UtcMillis(i64::MAX))?;
    let mut all = ByIds::new();
    for (id, campaign, adset, ad) in rows {
        let known = now.get(&id).map(|known| (id.0.to_vec(), *known));
        all.entry([campaign, adset, ad]).or_default().extend(known);
    }
    Ok(all)
}

/// The campaigns that an `as_of` sees of some touches.
fn campaigns_of(
    conn: &mut Conn,
    ids: &[Key],
    as_of: UtcMillis,
) -> Result<HashMap<Key, PlatformCampaignId>, StoreError> {
    use form_touch_campaigns as t;
    let mut found = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        // In the order of recording, so that the last one stays.
        let rows: Vec<(Key, i64)> = on!(conn, c => t::table
            .filter(t::touch_id.eq_any(chunk.iter().map(|k| &k.0[..]))).filter(t::recorded_at.le(as_of.0))
            .order((t::touch_id, t::recorded_at)).select((t::touch_id, t::platform_campaign_id)).load(c))?;
        found.extend(rows.into_iter().map(|(id, campaign)| (id, PlatformCampaignId(campaign))));
    }
    Ok(found)
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = form_touches)]
struct Loaded {
    id: Key,
    occurred_at: i64,
    class: i16,
    device_id: i32,
    network: String,
    ad_id: Option<String>,
    adset_id: Option<String>,
    campaign_id: Option<String>,
    form_id: Option<String>,
}

/// Those that a report sees.
macro_rules! seen {
    ($moments:expr) => {
        form_touches::table
            .select(Loaded::as_select())
            .filter(form_touches::recorded_at.le($moments.touches.0))
            .filter(form_touches::voided_at.is_null().or(form_touches::voided_at.gt($moments.voids.0)))
    };
}

/// Whether there is any: mostly there is none, and then nobody need look.
fn any(conn: &mut Conn) -> Result<bool, StoreError> {
    let one: Option<i64> =
        on!(conn, c => form_touches::table.select(form_touches::recorded_at).limit(1).first(c).optional())?;
    Ok(one.is_some())
}

/// Touches by id that a report sees, in no order.
pub(super) fn by_ids(conn: &mut Conn, ids: &[Key], moments: &Moments) -> Result<Vec<Touch>, StoreError> {
    if ids.is_empty() || !any(conn)? {
        return Ok(Vec::new());
    }
    let mut rows: Vec<Loaded> = Vec::new();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let found: Vec<Loaded> = on!(conn, c => seen!(moments)
            .filter(form_touches::id.eq_any(chunk.iter().map(|k| &k.0[..]))).load(c))?;
        rows.extend(found);
    }
    touches(conn, rows, moments)
}

/// Touches of some classes in `[from, to)` that a report sees, sorted by id.
pub fn in_period(
    conn: &mut Conn,
    (from, to): (UtcMillis, UtcMillis),
    classes: &[TouchClass],
    moments: &Moments,
) -> Result<Vec<Touch>, StoreError> {
    use form_touches as t;
    let (first, end) = id_range(from, to);
    let codes: Vec<i16> = classes.iter().map(|c| class_code(*c)).collect();
    let rows: Vec<Loaded> = on!(conn, c => seen!(moments)
        .filter(t::id.ge(&first[..])).filter(t::id.lt(&end[..]))
        .filter(t::occurred_at.ge(from.0)).filter(t::occurred_at.lt(to.0)).filter(t::class.eq_any(&codes))
        .order(t::id).load(c))?;
    touches(conn, rows, moments)
}

fn touches(conn: &mut Conn, rows: Vec<Loaded>, moments: &Moments) -> Result<Vec<Touch>, StoreError> {
    let ids: Vec<Key> = rows.iter().map(|r| r.id).collect();
    let campaigns = campaigns_of(conn, &ids, moments.labels)?;
    rows.into_iter().map(|row| row.into_touch(&campaigns)).collect()
}

impl Loaded {
    fn into_touch(self, campaigns: &HashMap<Key, PlatformCampaignId>) -> Result<Touch, StoreError> {
        Ok(Touch {
            id: TouchId(self.id.id()),
            occurred_at: UtcMillis(self.occurred_at),
            kind: TouchKind::Form,
            class: class_of(self.class)?,
            link: None,
            channel: None,
            campaign: None,
            platform: campaigns.get(&self.id).copied(),
            visitor: None,
            country: None,
            device: DeviceId(self.device_id),
            external_id: None,
            form: Some(Arc::new(NetworkForm {
                network: self.network,
                ad_id: self.ad_id,
                adset_id: self.adset_id,
                campaign_id: self.campaign_id,
                form_id: self.form_id,
            })),
        })
    }
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    campaign: i64,
    #[diesel(sql_type = BigInt)]
    leads: i64,
}

/// How many standing leads each campaign of a platform has.
pub fn leads_by_campaign(conn: &mut Conn) -> Result<HashMap<PlatformCampaignId, i64>, StoreError> {
    let query = "SELECT l.platform_campaign_id AS campaign, COUNT(*) AS leads FROM form_touch_campaigns l \
        JOIN form_touches t ON t.id = l.touch_id WHERE t.voided_at IS NULL AND NOT EXISTS (SELECT 1 \
        FROM form_touch_campaigns n WHERE n.touch_id = l.touch_id AND n.recorded_at > l.recorded_at) \
        GROUP BY l.platform_campaign_id";
    let rows: Vec<Counted> = on!(conn, c => diesel::sql_query(query).load(c))?;
    Ok(rows.into_iter().map(|r| (PlatformCampaignId(r.campaign), r.leads)).collect())
}

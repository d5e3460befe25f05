//! Imports of history: files become facts, all or nothing unless asked otherwise,
//! and running one again changes nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::erase;
use super::intake::IntakeContext;
use super::workers::Workers;
use crate::domain::allocation::Allocation;
use crate::domain::cost::CostDraft;
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::{BatchId, CampaignId, ChannelId, LinkId, PersonId, PostId, TouchId, VisitorId};
use crate::domain::intake::IntakeDefaults;
use crate::domain::person::JoinKey;
use crate::domain::stage::StageEventDraft;
use crate::domain::time::UtcMillis;
use crate::domain::touch::TouchClass;
use crate::domain::utm::near_duplicate;
use crate::imports::costs::ImportedCost;
use crate::imports::decode::{RowError, Sheet};
use crate::imports::mapping::{ImportKind, ImportMapping};
use crate::imports::touches::ImportedTouch;
use crate::imports::{conversions, costs, touches};
use crate::store::batches::{self, Batch, BatchKind};
use crate::store::erasure::{self, ReturnedKind};
use crate::store::identity::{self, Recording};
use crate::store::labels::{self, Author};
use crate::store::stage_events::{self, Outcome, Teller};
use crate::store::touches::{Client, NewTouch};
use crate::store::{self, Conn, StoreError, ledger, links};

/// What to do when some rows are bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBadRows {
    /// Store nothing.
    StoreNothing,
    /// Store the good rows and tell the bad ones.
    KeepGoing,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    /// The unit of undo; `None` where nothing was new.
    pub batch: Option<BatchId>,
    /// New facts.
    pub stored: usize,
    /// Facts that stood already.
    pub duplicate: usize,
    /// Cost entries that new ones replaced.
    pub replaced: usize,
    /// Rows that were not stored, by line.
    pub errors: Vec<RowError>,
}

/// One import.
#[expect(missing_debug_implementations, reason = "a sheet holds the whole file")]
pub struct Import<'a> {
    /// The file.
    pub sheet: &'a Sheet<'a>,
    /// What its columns mean.
    pub mapping: &'a ImportMapping,
    /// The file's name, for the list of batches.
    pub label: &'a str,
    /// What to do when some rows are bad.
    pub on_bad_rows: OnBadRows,
    /// Whether the money of imported events counts as revenue.
    pub counts_revenue: bool,
}

/// Runs an import inside the caller's transaction. `progress` is told the rows done so far.
pub fn run(
    conn: &mut Conn,
    import: &Import<'_>,
    context: &IntakeContext,
    author: &Author,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, StoreError> {
    match import.mapping.kind {
        ImportKind::Touches => import_touches(conn, import, context, author, progress),
        ImportKind::Conversions => import_conversions(conn, import, context, author, progress),
        ImportKind::Costs => import_costs(conn, import, author, progress),
    }
}

impl Import<'_> {
    /// Whether the bad rows found so far keep the good ones out.
    fn is_refused(&self, errors: &[RowError]) -> bool {
        !errors.is_empty() && self.on_bad_rows == OnBadRows::StoreNothing
    }

    fn recording(&self, at: UtcMillis, author: &Author) -> (BatchId, Recording) {
        let batch = BatchId::new(at, rand::random());
        (batch, Recording { at, event: None, batch: Some(batch), by: author.name.clone() })
    }

    fn record_batch(
        &self,
        conn: &mut Conn,
        kind: BatchKind,
        done: &mut Imported,
        recording: &Recording,
    ) -> Result<(), StoreError> {
        let Some(id) = recording.batch.filter(|_| done.stored > 0) else { return Ok(()) };
        done.batch = Some(id);
        batches::insert(
            conn,
            &Batch {
                id,
                kind,
                source: self.mapping.source.as_str().to_owned(),
                label: self.label.to_owned(),
                rows_stored: i64::try_from(done.stored).unwrap_or(i64::MAX),
                recorded_at: recording.at,
                voided_at: None,
                recorded_by: recording.by.clone(),
            },
        )
    }
}

fn import_touches(
    conn: &mut Conn,
    import: &Import<'_>,
    context: &IntakeContext,
    author: &Author,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, StoreError> {
    let codes = Codes::load(conn)?;
    let (rows, mut errors) = read(touches::rows(import.sheet, import.mapping).map_err(StoreError::Refused)?, progress);
    let at = ledger::stamp(conn, author.now)?;
    let (batch, recording) = import.recording(at, author);
    let source = import.mapping.source.as_str();
    let mut fresh = Vec::new();
    for (line, row) in rows {
        match touch_of(&row, source, batch, &codes) {
            Ok(touch) => fresh.push((line, touch)),
            Err(faults) => errors.push(RowError { line, faults }),
        }
    }
    let mut done = Imported::default();
    let fresh = without_erased(conn, context, source, fresh, &mut done)?;
    let new = without_known(conn, source, fresh, &mut done, &mut errors)?;
    if !import.is_refused(&errors) {
        join_visitors(conn, &new, &recording)?;
        let list: Vec<NewTouch<'_>> = new.into_iter().map(|(touch, _)| touch).collect();
        done.stored = store::touches::insert(conn, &list, at)?;
        import.record_batch(conn, BatchKind::Touches, &mut done, &recording)?;
    }
    done.errors = sorted(errors);
    Ok(done)
}

/// A touch with the contact it belongs to.
type OwnedTouch = (NewTouch<'static>, Option<JoinKey>);

fn touch_of(row: &ImportedTouch, source: &str, batch: BatchId, codes: &Codes) -> Result<OwnedTouch, Vec<Fault>> {
    let mut faults = Vec::new();
    let channel = codes.channel(row.channel.as_deref(), &mut faults);
    let campaign = codes.campaign(row.campaign.as_deref(), &mut faults);
    let link = codes.link(row.link.as_deref(), &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let touch = NewTouch {
        id: TouchId::new(row.occurred_at, rand::random()),
        occurred_at: row.occurred_at,
        kind: row.kind,
        class: TouchClass::Human,
        class_rule: "imported".into(),
        link,
        channel,
        campaign,
        visitor: row.person.as_ref().map(visitor_of_contact),
        private: false,
        source: Some(source.to_owned()),
        external_id: Some(row.external_id.clone()),
        batch: Some(batch),
        user_agent: None,
        referrer: None,
        page: None,
        network_ids: Cow::Borrowed(&[]),
        client: Client::unknown(),
    };
    Ok((touch, row.person.clone()))
}

/// The browser that stands for an imported person: the same on every run, so that an import is idempotent.
fn visitor_of_contact(contact: &JoinKey) -> VisitorId {
    let digest: [u8; 32] = Sha256::digest(format!("imported visitor\n{contact}")).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    VisitorId(Uuid::new_v8(bytes))
}

/// Drops touches of people who were erased: the file brings them again.
fn without_erased(
    conn: &mut Conn,
    context: &IntakeContext,
    source: &str,
    mut fresh: Vec<(u64, OwnedTouch)>,
    done: &mut Imported,
) -> Result<Vec<(u64, OwnedTouch)>, StoreError> {
    let ids: Vec<String> = fresh.iter().filter_map(|(_, (t, _))| t.external_id.clone()).collect();
    let erased = erase::imports_again(conn, &context.secret, source, &ids)?;
    let before = fresh.len();
    fresh.retain(|(_, (touch, _))| touch.external_id.as_ref().is_none_or(|id| !erased.contains(id)));
    done.duplicate += before - fresh.len();
    Ok(fresh)
}

/// Drops touches that stand already, and tells those that stand with other content.
fn without_known(
    conn: &mut Conn,
    source: &str,
    fresh: Vec<(u64, OwnedTouch)>,
    done: &mut Imported,
    errors: &mut Vec<RowError>,
) -> Result<Vec<OwnedTouch>, StoreError> {
    let ids: Vec<String> = fresh.iter().filter_map(|(_, (t, _))| t.external_id.clone()).collect();
    let known = store::touches::known_external(conn, source, &ids)?;
    let mut in_file: HashMap<String, u64> = HashMap::new();
    let mut new = Vec::with_capacity(fresh.len());
    for (line, (touch, contact)) in fresh {
        let id = touch.external_id.clone().unwrap_or_default();
        if let Some(earlier) = in_file.insert(id.clone(), line) {
            errors.push(conflict(
                line,
                "external_id",
                format!("{} stands on line {earlier} already; each touch needs an id of its own", shown(&id)),
            ));
        } else if let Some(standing) = known.get(&id) {
            let same = (
                standing.occurred_at,
                standing.kind,
                standing.link,
                standing.channel,
                standing.campaign,
                standing.visitor,
            ) == (touch.occurred_at, touch.kind, touch.link, touch.channel, touch.campaign, touch.visitor);
            if same {
                done.duplicate += 1;
            } else {
                errors.push(conflict(line, "external_id", format!(
                    "{} was imported before with other content; undo that batch first, or give the touch another id", shown(&id))));
            }
        } else {
            new.push((touch, contact));
        }
    }
    Ok(new)
}

fn conflict(line: u64, field: &str, why: String) -> RowError {
    RowError { line, faults: vec![Fault::new(field, "conflict", why)] }
}

/// Joins the contacts of imported touches to the browsers that stand for them.
fn join_visitors(conn: &mut Conn, new: &[OwnedTouch], recording: &Recording) -> Result<(), StoreError> {
    let mut wanted: BTreeMap<String, (JoinKey, VisitorId)> = BTreeMap::new();
    for (touch, contact) in new {
        if let (Some(contact), Some(visitor)) = (contact, touch.visitor) {
            wanted.insert(contact.value(), (contact.clone(), visitor));
        }
    }
    let contacts: Vec<String> = wanted.keys().cloned().collect();
    let persons = identity::joined_to(conn, "contact", &contacts)?;
    let mut joins = Vec::with_capacity(wanted.len() * 2);
    for (value, (contact, visitor)) in wanted {
        let person = persons.get(&value).copied().unwrap_or_else(|| PersonId::new(recording.at, rand::random()));
        // Both are told again by every batch, so that undoing one leaves the others whole.
        joins.extend([(person, contact), (person, JoinKey::Visitor(visitor))]);
    }
    identity::insert_joins(conn, &joins, recording)
}

fn import_conversions(
    conn: &mut Conn,
    import: &Import<'_>,
    context: &IntakeContext,
    author: &Author,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, StoreError> {
    let (rows, mut errors) =
        read(conversions::rows(import.sheet, import.mapping).map_err(StoreError::Refused)?, &mut |_| {});
    let defaults = IntakeDefaults {
        currency: import.mapping.currency,
        namespace: context.person_namespace.clone(),
        zone: import.mapping.zone.clone(),
    };
    let mut drafts: Vec<(u64, StageEventDraft)> = Vec::new();
    for (line, input) in rows {
        match input.check(&defaults, author.now, &|email| context.secret.email_hash(email)) {
            Ok(draft) => drafts.push((line, draft)),
            Err(faults) => errors.push(RowError { line, faults }),
        }
    }
    let mut done = Imported::default();
    if !import.is_refused(&errors) {
        let at = ledger::stamp(conn, author.now)?;
        let (_, recording) = import.recording(at, author);
        let teller = Teller { source: import.mapping.source.clone(), counts_revenue: import.counts_revenue };
        let returns = erasure::any_returned(conn, ReturnedKind::Event)?;
        for (done_rows, (line, draft)) in (1_u64..).zip(drafts) {
            let hash = context.secret.content_hash(&draft.content());
            if returns && erase::told_again(conn, &context.secret, &teller.source, &draft.event_id)?.is_some() {
                done.duplicate += 1;
                continue;
            }
            match stage_events::insert(conn, &draft, &teller, &hash, &recording)? {
                Outcome::Stored(_) => done.stored += 1,
                Outcome::Duplicate(_) | Outcome::Retold(..) => done.duplicate += 1,
                Outcome::Conflict(id) => errors.push(conflict(line, "event_id", format!(
                    "{} was told before with other content ({id}); void that event first, or give this one another id", shown(&draft.event_id)))),
            }
            progress(done_rows);
        }
        if import.is_refused(&errors) {
            // The transaction must not keep the half of it that went in.
            return Err(StoreError::Refused(errors.into_iter().flat_map(located).collect()));
        }
        import.record_batch(conn, BatchKind::Conversions, &mut done, &recording)?;
    }
    done.errors = sorted(errors);
    Ok(done)
}

fn import_costs(
    conn: &mut Conn,
    import: &Import<'_>,
    author: &Author,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, StoreError> {
    let codes = Codes::load(conn)?;
    let workers = Workers::load(conn)?;
    let (rows, mut errors) = read(costs::rows(import.sheet, import.mapping).map_err(StoreError::Refused)?, progress);
    let mut drafts = Vec::new();
    for (line, row) in rows {
        match codes.cost(&row, import, &workers) {
            Ok(draft) => drafts.push(draft),
            Err(faults) => errors.push(RowError { line, faults }),
        }
    }
    let mut done = Imported::default();
    if !import.is_refused(&errors) {
        let stored = store::costs::replace(conn, &drafts, import.label, author)?;
        if stored.replaced > 0 && !errors.is_empty() {
            return Err(StoreError::refused(Fault::new(
                "costs",
                "replaces-with-gaps",
                format!(
                    "{} standing entries would be replaced while {} bad rows have nothing in their place; \
                 mend the file and import it whole",
                    stored.replaced,
                    errors.len()
                ),
            )));
        }
        done.batch = stored.batch;
        done.stored = stored.added;
        done.replaced = stored.replaced;
        done.duplicate = drafts.len() - stored.added;
    }
    done.errors = sorted(errors);
    Ok(done)
}

fn located(error: RowError) -> Vec<Fault> {
    let line = error.line;
    error.faults.into_iter().map(|f| Fault { field: format!("line {line}, {}", f.field), ..f }).collect()
}

fn sorted(mut errors: Vec<RowError>) -> Vec<RowError> {
    errors.sort_by_key(|e| e.line);
    errors
}

/// Splits rows into good ones and errors, telling the progress.
fn read<T>(
    rows: impl Iterator<Item = Result<(u64, T), RowError>>,
    progress: &mut dyn FnMut(u64),
) -> (Vec<(u64, T)>, Vec<RowError>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (count, row) in (1_u64..).zip(rows) {
        match row {
            Ok(pair) => good.push(pair),
            Err(error) => bad.push(error),
        }
        progress(count);
    }
    (good, bad)
}

/// Codes that files and API calls name things by, with their ids.
#[derive(Debug)]
pub struct Codes {
    channels: HashMap<String, i64>,
    campaigns: HashMap<String, i64>,
    posts: HashMap<String, i64>,
    links: HashMap<String, i64>,
}

impl Codes {
    /// Reads all codes.
    pub fn load(conn: &mut Conn) -> Result<Self, StoreError> {
        Ok(Self {
            channels: labels::list_channels(conn)?.into_iter().map(|c| (c.code, c.id.0)).collect(),
            campaigns: labels::list_campaigns(conn)?.into_iter().map(|c| (c.code, c.id.0)).collect(),
            posts: labels::list_posts(conn)?.into_iter().map(|p| (p.code, p.id.0)).collect(),
            links: links::all(conn)?.into_iter().map(|l| (l.slug, l.id.0)).collect(),
        })
    }

    /// The id of a channel's code; an unknown one is a fault with the code that was probably meant.
    pub fn channel(&self, code: Option<&str>, faults: &mut Vec<Fault>) -> Option<ChannelId> {
        look_up(&self.channels, code, "channel", faults).map(ChannelId)
    }

    /// The id of a campaign's code, likewise.
    pub fn campaign(&self, code: Option<&str>, faults: &mut Vec<Fault>) -> Option<CampaignId> {
        look_up(&self.campaigns, code, "campaign", faults).map(CampaignId)
    }

    /// The id of a post's code, likewise.
    pub fn post(&self, code: Option<&str>, faults: &mut Vec<Fault>) -> Option<PostId> {
        look_up(&self.posts, code, "post", faults).map(PostId)
    }

    /// The id of a link's slug, likewise.
    pub fn link(&self, slug: Option<&str>, faults: &mut Vec<Fault>) -> Option<LinkId> {
        look_up(&self.links, slug, "link", faults).map(LinkId)
    }

    /// An allocation rule whose channels are named by code; empty keeps a cost shared.
    pub fn allocation(&self, text: Option<&str>, faults: &mut Vec<Fault>) -> Allocation {
        let rule = text.unwrap_or_default().parse::<Allocation<String>>().map_err(|fault| vec![fault]);
        let by_id = rule.and_then(|rule| {
            rule.try_map(|code| {
                let mut unknown = Vec::new();
                let id = self.channel(Some(&code), &mut unknown);
                id.ok_or_else(|| unknown.into_iter().map(|f| f.named("allocation")).collect::<Vec<_>>())
            })
        });
        by_id.map_err(|own| faults.extend(own)).unwrap_or_default()
    }

    fn cost(&self, row: &ImportedCost, import: &Import<'_>, workers: &Workers) -> Result<CostDraft, Vec<Fault>> {
        let mut faults = Vec::new();
        let priced = match &row.labour {
            None => Ok((row.amount, None)),
            Some(own) => workers.price(&own.worker, own.hours, row.days, own.hourly).map(|(m, l)| (m, Some(l))),
        };
        let (amount, labour) = priced.map_err(|f| faults.push(f)).unwrap_or((row.amount, None));
        let draft = CostDraft {
            days: row.days,
            channel: self.channel(row.channel.as_deref(), &mut faults),
            campaign: self.campaign(row.campaign.as_deref(), &mut faults),
            post: self.post(row.post.as_deref(), &mut faults),
            link: self.link(row.link.as_deref(), &mut faults),
            kind: row.kind,
            amount,
            source: import.mapping.source.clone(),
            document: row.document.clone(),
            allocation: self.allocation(row.allocation.as_deref(), &mut faults),
            note: row.note.clone(),
            labour,
        };
        faults.extend(draft.check().err());
        if faults.is_empty() { Ok(draft) } else { Err(faults) }
    }
}

fn look_up(known: &HashMap<String, i64>, code: Option<&str>, what: &str, faults: &mut Vec<Fault>) -> Option<i64> {
    let code = code.map(str::trim).filter(|c| !c.is_empty())?;
    if let Some(id) = known.get(code) {
        return Some(*id);
    }
    let mut names: Vec<&str> = known.keys().map(String::as_str).collect();
    names.sort_unstable();
    let hint = near_duplicate(code, names.iter().copied())
        .filter(|meant| known.contains_key(meant))
        .map_or_else(|| format!("create the {what} first"), |meant| format!("did you mean `{meant}`?"));
    faults.push(Fault::new(what, &format!("{what}-unknown"), format!("there is no {what} {}; {hint}", shown(code))));
    None
}

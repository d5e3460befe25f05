//! From journal records to stored touches: classified, labelled, in one transaction a batch.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::channel::classify_arrival;
use crate::domain::ids::{LinkId, VisitorId};
use crate::domain::time::{Clock, UtcMillis};
use crate::domain::touch::{RecordKind, TouchClass, TouchKind, TouchRecord};
use crate::store::touches::NewTouch;
use crate::store::{Conn, Db, StoreError, labels, ledger, touches};
use crate::tracking::classify::{self, Repeat};
use crate::tracking::writer::{SinkError, Stored, TouchSink};

/// The journal writer's way into the database.
#[expect(missing_debug_implementations, reason = "a database pool prints nothing useful")]
pub struct StoreSink {
    /// The database.
    pub db: Db,
    /// The present, for the ledger.
    pub clock: Arc<dyn Clock>,
    /// The repeat window.
    pub repeat_window_ms: i64,
}

impl TouchSink for StoreSink {
    fn store(&mut self, batch: &[TouchRecord<'_>]) -> Result<Stored, SinkError> {
        let now = self.clock.now();
        let outcome = self.db.write_now(|conn| {
            let list = classified(conn, batch, self.repeat_window_ms)?;
            let at = ledger::stamp(conn, now)?;
            touches::insert(conn, &list, at)
        });
        match outcome {
            Ok(stored) => {
                let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
                Ok(Stored { stored: count(stored), duplicate: count(batch.len() - stored) })
            }
            Err(e) if e.is_passing() => Err(SinkError::Unavailable(e.to_string())),
            // A refused batch is cut down to the record that spoils it; what is neither is tried again.
            Err(StoreError::Refused(_) | StoreError::Corrupt(_) | StoreError::Duplicate(_)) => {
                Err(SinkError::Rejected("the database refused the record".into()))
            }
            Err(e) => Err(SinkError::Unavailable(e.to_string())),
        }
    }
}

fn classified(conn: &mut Conn, batch: &[TouchRecord<'_>], window_ms: i64) -> Result<Vec<NewTouch>, StoreError> {
    let channels = labels::list_channels(conn)?;
    let sources: Vec<_> = channels
        .iter()
        .filter(|c| !c.labels.archived)
        .map(|c| (c.id, c.utm_source.as_str(), c.utm_medium.as_str(), c.labels.direct))
        .collect();
    let campaigns: HashMap<String, _> = labels::list_campaigns(conn)?.into_iter().map(|c| (c.code, c.id)).collect();
    let mut latest: HashMap<(VisitorId, LinkId), UtcMillis> = HashMap::new();
    let mut list = Vec::with_capacity(batch.len());
    for record in batch {
        let (kind, link, arrival) = match &record.kind {
            RecordKind::Click { link } => (TouchKind::Click, Some(*link), None),
            RecordKind::View { link } => (TouchKind::View, *link, None),
            RecordKind::Landing(arrival) => (TouchKind::Landing, None, Some(arrival)),
        };
        let previous = match (record.visitor, link) {
            (Some(visitor), Some(link)) if kind == TouchKind::Click => {
                previous(conn, &latest, visitor, link, record.occurred_at, window_ms)?
            }
            _ => None,
        };
        let repeat = Repeat { previous, at: record.occurred_at, window_ms };
        let verdict = classify::classify(&record.client, &record.kind, repeat);
        if let (TouchKind::Click, TouchClass::Human, Some(visitor), Some(link)) =
            (kind, verdict.class, record.visitor, link)
        {
            latest.insert((visitor, link), record.occurred_at);
        }
        list.push(NewTouch {
            id: record.id,
            occurred_at: record.occurred_at,
            kind,
            class: verdict.class,
            class_rule: verdict.rule.into_owned(),
            link,
            channel: arrival.and_then(|a| classify_arrival(a, &record.network_ids, &sources)),
            campaign: arrival.and_then(|a| campaigns.get(a.utm_campaign.as_ref()?).copied()),
            visitor: record.visitor,
            private: record.private,
            source: None,
            external_id: None,
            batch: None,
            user_agent: record.client.user_agent.as_deref().map(str::to_owned),
            referrer: arrival
                .map_or_else(|| record.client.referrer_host.as_deref(), |a| a.referrer_host.as_deref())
                .map(str::to_owned),
            page: arrival.map(|a| a.page.clone()),
            network_ids: record.network_ids.clone(),
        });
    }
    Ok(list)
}

/// The visitor's latest earlier human click on the link: in this batch, else in the database.
fn previous(
    conn: &mut Conn,
    latest: &HashMap<(VisitorId, LinkId), UtcMillis>,
    visitor: VisitorId,
    link: LinkId,
    at: UtcMillis,
    window_ms: i64,
) -> Result<Option<UtcMillis>, StoreError> {
    match latest.get(&(visitor, link)) {
        Some(in_batch) => Ok(Some(*in_batch)),
        None => touches::previous_human_click(conn, visitor, link, at.plus_ms(-window_ms), at),
    }
}

//! What a delivery asks to be forgotten, and what it brings again of somebody who was.

use std::collections::BTreeSet;

use super::IntakeContext;
use super::judge::Judged;
use crate::domain::delivery::Delivery;
use crate::domain::erasure::ERASURE;
use crate::domain::fault::Fault;
use crate::domain::ids::DeliveryId;
use crate::domain::time::UtcMillis;
use crate::jobs::erase::{self, Wish};
use crate::store::deliveries::{self, Item, Verdict};
use crate::store::labels::Author;
use crate::store::{Conn, StoreError, erasure};

/// Erases whom the items of a delivery name, in their order, and removes the delivery's own body. The verdicts on its items
/// are stored already. Answers them as they are afterwards, and the deliveries whose bodies are gone.
pub(super) fn forget(
    conn: &mut Conn,
    context: &IntakeContext,
    delivery: &Delivery,
    judged: Judged,
    (now, at): (UtcMillis, UtcMillis),
) -> Result<(Vec<Item>, BTreeSet<DeliveryId>), StoreError> {
    let author = Author { name: format!("endpoint {}", delivery.source), now };
    let mut gone = BTreeSet::new();
    let mut said = Vec::new();
    for (place, whom) in judged.wishes {
        let wish = Wish { whom, reason: None, delivery: Some(delivery.id) };
        match erase::erase(conn, context, &wish, &author, at) {
            Ok(erased) => {
                let record = erased.record;
                let nothing = if record.counts.is_nothing() { "; nothing was held" } else { "" };
                said.push((place, Ok(format!("{}{nothing}", record.id))));
                gone.extend(erased.deliveries);
            }
            // It stays, with its body, until somebody has settled who is meant.
            Err(StoreError::Refused(faults)) => said.push((place, Err(faults))),
            Err(error) => return Err(error),
        }
    }
    // What is told again of somebody who was erased is their data as well; but not at the cost of others' items.
    let is_decided = |item: &Item| !matches!(item.verdict, Verdict::Quarantined | Verdict::NeedsEnrichment);
    if judged.is_told_again && judged.items.iter().all(is_decided) && !gone.contains(&delivery.id) {
        gone.insert(delivery.id);
        erasure::remove_deliveries(conn, &BTreeSet::from([delivery.id]), now)?;
    }
    let mut items = deliveries::items(conn, &[delivery.id])?;
    for (place, outcome) in said {
        if let Some(item) = items.get_mut(place) {
            settle(item, outcome);
        }
    }
    deliveries::set_items(conn, &items)?;
    Ok((items, gone))
}

fn settle(item: &mut Item, outcome: Result<String, Vec<Fault>>) {
    let (verdict, code, detail) = match outcome {
        Ok(detail) => (Verdict::Ignored, Some(ERASURE.to_owned()), detail),
        Err(faults) => {
            let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
            (Verdict::Quarantined, faults.first().map(|f| f.code.clone()), words.join("; "))
        }
    };
    (item.verdict, item.code, item.detail) = (verdict, code, Some(detail));
}

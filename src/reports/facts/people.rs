//! Who is who.

use std::collections::HashMap;

use crate::domain::ids::{TouchId, VisitorId};
use crate::domain::person::{IdentityFact, JoinKey, People};
use crate::domain::time::UtcMillis;
use crate::store::{Conn, Moments, StoreError, identity, touches};

/// The clusters at one `as_of`.
pub fn people(conn: &mut Conn, moments: &Moments) -> Result<People, StoreError> {
    told(conn, moments).map(|told| People::resolve(&told))
}

/// What the clusters at one `as_of` follow from. A click is its browser's, too: where its touch is known, the browser's
/// join stands behind the click's, so that it does not matter whether the touch or its conversion was loaded first.
pub(super) fn told(conn: &mut Conn, moments: &Moments) -> Result<Vec<(UtcMillis, IdentityFact)>, StoreError> {
    let facts = identity::facts(conn, moments)?;
    let click = |fact: &IdentityFact| match fact {
        IdentityFact::Join { key: JoinKey::Click(id), .. } => Some(*id),
        _ => None,
    };
    let clicks: Vec<TouchId> = facts.iter().filter_map(|(_, fact)| click(fact)).collect();
    let browser_of: HashMap<TouchId, VisitorId> = touches::browsers_of(conn, &clicks, moments)?.into_iter().collect();
    let mut told = Vec::with_capacity(facts.len());
    for (at, fact) in facts {
        let browser = match &fact {
            IdentityFact::Join { person, key: JoinKey::Click(id) } => browser_of
                .get(id)
                .map(|visitor| IdentityFact::Join { person: *person, key: JoinKey::Visitor(*visitor) }),
            _ => None,
        };
        told.push((at, fact));
        told.extend(browser.map(|fact| (at, fact)));
    }
    Ok(told)
}

//! Touches: loaded from the journal or imported, read by journey and counted by interval.
//!
//! What makes loading fast, in the order of what it saves: rows sorted by id, whose first 48 bits are the
//! millisecond, so that the table and its indexes append; one statement for many rows, prepared once (SQLite) or
//! `COPY` into a temporary table (PostgreSQL); words that repeat as numbers of the dictionary, remembered across
//! batches; small codes for kind and class. The id also serves ranges of time, so there is no index of times:
//! `id_floor`.

mod again;
mod classes;
mod codes;
mod count;
pub mod forms;
mod insert;
mod journeys;
mod key;
mod paths;
mod read;
mod words;

use std::borrow::Cow;
use std::sync::Arc;

pub use again::{Classified, Pages, extent};
pub(in crate::store) use classes::of_touches;
pub use classes::{Corrected, Correction, Reclassified, correct, reclassify};
pub use count::{TouchCount, count};
pub use insert::{insert, insert_prepared};
pub use journeys::{Wanted, browsers_of, by_ids, by_visitors};
pub use paths::Paths;
pub use read::{HumanClick, counts_by_link, human_between, human_clicks_since, known_external};
pub use words::{DeviceId, Words, devices};

pub(in crate::store) use codes::{class_code, class_of, kind_code, kind_of};
pub(in crate::store) use key::Key;

use super::id_floor;
use crate::domain::client::{Country, Signals};
use crate::domain::ids::{BatchId, CampaignId, ChannelId, LinkId, PlatformCampaignId, TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{NetworkClickId, NetworkForm, TouchClass, TouchKind};

/// The device of a touch of which nothing is known.
pub const DEVICE_UNKNOWN: &str = "unknown";

/// A classified touch, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTouch<'a> {
    /// Its id. Its first 48 bits are the millisecond of `occurred_at`; ranges of time are read by them.
    pub id: TouchId,
    /// When it happened.
    pub occurred_at: UtcMillis,
    /// What it was.
    pub kind: TouchKind,
    /// Who made it.
    pub class: TouchClass,
    /// By which rule that was decided.
    pub class_rule: Cow<'a, str>,
    /// The link, for a click or a view of one.
    pub link: Option<LinkId>,
    /// The channel, where the touch itself says it: landings and imports. A click has its link's.
    pub channel: Option<ChannelId>,
    /// The campaign, likewise.
    pub campaign: Option<CampaignId>,
    /// The browser.
    pub visitor: Option<VisitorId>,
    /// The visitor asked for privacy: never shared with a network.
    pub private: bool,
    /// Whose import it came in; `None` for our own.
    pub source: Option<String>,
    /// The id it had where it was imported from.
    pub external_id: Option<String>,
    /// The import it came with.
    pub batch: Option<BatchId>,
    /// `User-Agent`.
    pub user_agent: Option<Cow<'a, str>>,
    /// Host of the referrer.
    pub referrer: Option<Cow<'a, str>>,
    /// The page landed on.
    pub page: Option<Cow<'a, str>>,
    /// Click ids of networks.
    pub network_ids: Cow<'a, [NetworkClickId]>,
    /// What is kept of who asked.
    pub client: Client<'a>,
}

/// What is kept of who asked: enough to count and to classify again, never an address (invariant 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client<'a> {
    /// The country of the address.
    pub country: Option<Country>,
    /// Kind of device, [`DEVICE_UNKNOWN`] if not known.
    pub device: Cow<'a, str>,
    /// Labels of the configured ranges that the address lies in, with a comma and no space between.
    pub range_labels: Option<Arc<str>>,
    /// Hash of the address under a key that is destroyed daily.
    pub source_hash: Option<i64>,
    /// What the request's headers showed; `None` for imports.
    pub signals: Option<Signals>,
}

impl Client<'_> {
    /// Nothing is known, as of an import.
    pub fn unknown() -> Self {
        Self {
            country: None,
            device: Cow::Borrowed(DEVICE_UNKNOWN),
            range_labels: None,
            source_hash: None,
            signals: None,
        }
    }
}

/// The stored form of signals.
fn signals_code(signals: Signals) -> i16 {
    signals.bits().cast_signed()
}

/// Reads them back.
fn signals_of(code: i16) -> Signals {
    Signals::from_bits(code.cast_unsigned())
}

/// A stored touch, as journeys need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Its id.
    pub id: TouchId,
    /// When it happened.
    pub occurred_at: UtcMillis,
    /// What it was.
    pub kind: TouchKind,
    /// Who made it.
    pub class: TouchClass,
    /// The link.
    pub link: Option<LinkId>,
    /// The channel that the touch itself says.
    pub channel: Option<ChannelId>,
    /// The campaign that the touch itself says.
    pub campaign: Option<CampaignId>,
    /// The platform's campaign, of a lead given inside its network: its mapping says channel and campaign.
    pub platform: Option<PlatformCampaignId>,
    /// The browser.
    pub visitor: Option<VisitorId>,
    /// The country of the address, where it is known.
    pub country: Option<Country>,
    /// The device.
    pub device: DeviceId,
    /// The id it was imported with.
    pub external_id: Option<String>,
    /// Where in the network it was, likewise.
    pub form: Option<Arc<NetworkForm>>,
}

/// The ids of touches in `[from, to)`, as bounds of stored keys: the first one is in, the second is out.
pub(in crate::store) fn id_range(from: UtcMillis, to: UtcMillis) -> ([u8; 16], [u8; 16]) {
    // What happened before 1970 has the millisecond 0 in its id.
    (id_floor(UtcMillis(from.0.max(0))), id_floor(UtcMillis(to.0.max(1))))
}

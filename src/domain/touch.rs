//! Touches: dated contacts of a visitor with a channel, and what kind of hit each was.

use core::net::IpAddr;
use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{LinkId, TouchId, VisitorId};
use super::named_enum::named_enum;
use super::time::UtcMillis;

named_enum!(
    /// What a touch was.
    TouchKind, "kind", "touch-kind-unknown" {
        /// A redirect of ours.
        Click = "click",
        /// An arrival seen by `hw.js` that did not come through our redirect.
        Landing = "landing",
        /// A pixel impression.
        View = "view",
        /// A lead given inside a network's own form.
        Form = "form",
    }
);

named_enum!(
    /// Who or what made a touch. Stored with its rule, never dropped; reports count `human`.
    TouchClass, "class", "touch-class-unknown" {
        /// A person, as far as can be told.
        Human = "human",
        /// A crawler, a monitor, a script.
        Bot = "bot",
        /// A network fetching the preview card of a link.
        Preview = "preview",
        /// A browser loading ahead of a click.
        Prefetch = "prefetch",
        /// A mail gateway opening links to check them.
        Scanner = "scanner",
        /// The same visitor and link again within the repeat window.
        Repeat = "repeat",
    }
);

/// Where in a network a `form` touch was made, by the network's own ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkForm {
    /// `facebook`, `instagram`, `linkedin`.
    pub network: String,
    /// The ad, or LinkedIn's creative.
    pub ad_id: Option<String>,
    /// The ad set or ad group.
    pub adset_id: Option<String>,
    /// The campaign.
    pub campaign_id: Option<String>,
    /// The form.
    pub form_id: Option<String>,
}

impl NetworkForm {
    /// What a class rests on: a form is filled in by somebody who is signed in to the network.
    pub const RULE: &'static str = "network-form";
}

impl fmt::Display for NetworkForm {
    /// `form of instagram, ad 44, ad set 33, campaign 22, form 16`, as far as it is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "form of {}", self.network)?;
        let ids =
            [("ad", &self.ad_id), ("ad set", &self.adset_id), ("campaign", &self.campaign_id), ("form", &self.form_id)];
        let mut told = ids.into_iter().filter_map(|(name, id)| Some((name, id.as_deref()?)));
        told.try_for_each(|(name, id)| write!(f, ", {name} {id}"))
    }
}

/// A network's own click id that arrived with a touch, such as `fbclid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkClickId {
    /// The query parameter.
    pub param: String,
    /// Its value.
    pub value: String,
}

/// Query parameters in which networks put their click ids
/// (`fixtures/reference/click-id-params.json`; ids of mail tools that name a reader are left out on purpose).
pub const NETWORK_CLICK_ID_PARAMS: &[&str] = &[
    "fbclid",
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "msclkid",
    "li_fat_id",
    "ttclid",
    "twclid",
    "epik",
    "rdt_cid",
    "ScCid",
    "igshid",
    "irclickid",
    "qclid",
    "yclid",
];

/// What one tracking request said, as the journal keeps it until the writer has loaded it.
///
/// Texts are borrowed from the request where it is recorded, and owned where the journal is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchRecord<'a> {
    /// The touch, for a click its click id.
    pub id: TouchId,
    /// When the request came in.
    pub occurred_at: UtcMillis,
    /// What it was.
    pub kind: RecordKind,
    /// The browser, unless it asked for privacy or brought no cookie.
    pub visitor: Option<VisitorId>,
    /// The request carried `Sec-GPC: 1` or `DNT: 1`: counted, never shared with a network.
    pub private: bool,
    /// The facts that classification reads.
    pub client: ClientFacts<'a>,
    /// Click ids of networks.
    pub network_ids: Vec<NetworkClickId>,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordKind {
    /// A redirect of a link.
    Click {
        /// Which link.
        link: LinkId,
    },
    /// A pixel impression of a link, or of a page that names none.
    View {
        /// Which link, if any.
        link: Option<LinkId>,
    },
    /// An arrival without a redirect of ours.
    Landing(Arrival),
}

/// How an arrival looked to `hw.js`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Host and path of the page, without its query.
    pub page: String,
    /// Host of the referrer.
    pub referrer_host: Option<String>,
    /// `utm_source`, lower case.
    pub utm_source: Option<String>,
    /// `utm_medium`, lower case.
    pub utm_medium: Option<String>,
    /// `utm_campaign`, lower case.
    pub utm_campaign: Option<String>,
}

/// Headers and circumstances by which a hit is classified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientFacts<'a> {
    /// `User-Agent`, cut to 512 bytes.
    pub user_agent: Option<Cow<'a, str>>,
    /// Host of `Referer`.
    pub referrer_host: Option<Cow<'a, str>>,
    /// Who asked. It stays in the journal: at loading it becomes a country and the labels of ranges, and is in no
    /// table, no log and no quarantine (invariant 8).
    pub address: Option<IpAddr>,
    /// The method was HEAD.
    pub head: bool,
    /// `Sec-Purpose`, `Purpose` or `X-Moz` said prefetch or preview.
    pub prefetch: bool,
    /// The request had an `Accept-Language`, as browsers send.
    pub accept_language: bool,
    /// `Sec-Fetch-Dest: document` or `Sec-Fetch-Mode: navigate`: a navigation of a real browser.
    pub navigation: bool,
}

//! Whose figures a file's are: accounts and campaigns that are known, and what the file would put in their place.

use std::collections::BTreeMap;

use super::Read;
use crate::domain::allocation::Allocation;
use crate::domain::cost::{CostDraft, CostKind};
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::{PlatformAccountId, PlatformCampaignId};
use crate::domain::money::Money;
use crate::domain::platform::{CampaignKey, PlatformAccount, PlatformCampaign};
use crate::domain::stage::Source;
use crate::domain::time::{DayRange, Zone};
use crate::imports::platform::{Body, Part};
use crate::imports::spend::SpendEntry;
use crate::store::costs::{Scope, Standing, standing};
use crate::store::platforms::{self, Mappings};
use crate::store::{Conn, StoreError};

/// Name of an account that neither the file nor the user names.
const ONLY_ACCOUNT: &str = "main";

/// What is known of platforms.
pub(super) struct Known {
    pub(super) accounts: Vec<PlatformAccount>,
    pub(super) campaigns: Vec<PlatformCampaign>,
    pub(super) mappings: Mappings,
}

impl Known {
    pub(super) fn load(conn: &mut Conn) -> Result<Self, StoreError> {
        Ok(Self {
            accounts: platforms::accounts(conn)?,
            campaigns: platforms::campaigns(conn)?,
            mappings: Mappings::latest(conn)?,
        })
    }

    /// The name of an account: the file's, the user's, the only one of the platform.
    pub(super) fn name(&self, platform: &str, told: Option<&str>, read: &Read) -> Result<String, Fault> {
        if let Some(name) = told.or(read.options.account.as_deref()) {
            return Ok(name.to_owned());
        }
        let own = self.accounts.iter().filter(|a| a.platform == platform && !a.is_of_leads());
        let own: Vec<&str> = own.map(|a| a.name.as_str()).collect();
        match own.as_slice() {
            [] => Ok(ONLY_ACCOUNT.to_owned()),
            [only] => Ok((*only).to_owned()),
            several => {
                // Names of one's own accounts, such as `@acme`, which are no address.
                let names: Vec<String> = several.iter().take(10).map(|n| format!("`{n}`")).collect();
                let why = format!(
                    "the file does not name its account and {platform} has several; say which: {}",
                    names.join(", ")
                );
                Err(Fault::new("account", "account-ambiguous", why))
            }
        }
    }

    pub(super) fn account(&self, platform: &str, name: &str) -> Option<&PlatformAccount> {
        self.accounts.iter().find(|a| a.platform == platform && a.name == name)
    }

    /// The account of a platform's leads whose campaign no file has named.
    pub(super) fn leads(&self, platform: &str) -> Option<PlatformAccountId> {
        self.accounts.iter().find(|a| a.platform == platform && a.is_of_leads()).map(|a| a.id)
    }

    pub(super) fn campaign(
        &self,
        platform: &str,
        account: Option<&PlatformAccount>,
        key: &CampaignKey,
    ) -> Option<PlatformCampaignId> {
        let account = account.map(|a| a.id);
        platforms::find_campaign(&self.campaigns, account, self.leads(platform), key).map(|c| c.id)
    }
}

/// The zone of an account's days: the platform's, the account's, the user's, else that of reports.
pub(super) fn zone_of(part: &Part, account: Option<&PlatformAccount>, read: &Read, default: &Zone) -> Zone {
    let known = account.map(|a| a.zone.clone());
    part.bound.zone.clone().or(known).or_else(|| read.options.zone.clone()).unwrap_or_else(|| default.clone())
}

/// The spend of one account in a file.
pub(super) struct AccountSpend<'r> {
    pub(super) part: &'r Part,
    pub(super) platform: String,
    pub(super) name: String,
    pub(super) entries: Vec<&'r SpendEntry>,
}

/// The file's spend by account.
pub(super) fn by_account<'r>(read: &'r Read, known: &Known) -> Result<Vec<AccountSpend<'r>>, Fault> {
    let mut accounts: BTreeMap<(String, String), AccountSpend<'r>> = BTreeMap::new();
    for part in &read.file.parts {
        let Body::Spend(spend) = &part.body else { continue };
        let platform = &part.bound.preset.platform;
        for entry in &spend.entries {
            let name = known.name(platform, entry.account.as_deref(), read)?;
            let key = (platform.clone(), name.clone());
            let new = || AccountSpend { part, platform: platform.clone(), name, entries: Vec::new() };
            accounts.entry(key).or_insert_with(new).entries.push(entry);
        }
    }
    Ok(accounts.into_values().collect())
}

impl AccountSpend<'_> {
    /// Refuses a file in another currency than the account is billed in.
    pub(super) fn check_currency(&self, known: &Known, read: &Read) -> Result<(), Fault> {
        let billed = known.account(&self.platform, &self.name).and_then(|a| a.currency);
        let other = self.entries.iter().map(|e| e.amount.currency).find(|c| billed.is_some_and(|b| b != *c));
        match (billed, other) {
            (Some(billed), Some(other)) => {
                let name = shown(&self.name);
                // Where the file itself names its currency, only the account can be another.
                let (field, remedy) = if read.options.currency.is_some() {
                    ("currency", "choose another account, or correct the currency")
                } else {
                    ("account", "so it is of another account: give that one's name")
                };
                let why = format!("account {name} is billed in {billed}, but the file is in {other}; {remedy}");
                Err(Fault::new(field, "currency-mismatch", why))
            }
            _ => Ok(()),
        }
    }

    /// What stands in the place of the file's spend.
    pub(super) fn standing(&self, conn: &mut Conn, known: &Known, scope: Scope) -> Result<Standing, StoreError> {
        let Some(account) = known.account(&self.platform, &self.name) else { return Ok(Standing::default()) };
        // Each campaign is looked up once, however many days it has.
        let mut ids: BTreeMap<&CampaignKey, Option<PlatformCampaignId>> = BTreeMap::new();
        for entry in &self.entries {
            ids.entry(&entry.campaign)
                .or_insert_with(|| known.campaign(&self.platform, Some(account), &entry.campaign));
        }
        let id = |key: &CampaignKey| ids.get(key).copied().flatten();
        let file: Vec<_> = self.entries.iter().map(|e| (id(&e.campaign), e.days)).collect();
        standing(conn, &account.source, &file, scope)
    }
}

/// What an entry of a platform says: two that say the same are one.
type Said = (Option<PlatformCampaignId>, DayRange, Money);

/// Whether the file says what stands already.
pub(super) fn stands(standing: &Standing, told: impl Iterator<Item = Said>) -> bool {
    let key = |(campaign, days, amount): Said| (campaign, days.from, days.to, amount.minor, amount.currency);
    let mut old: Vec<_> = standing.replaced.iter().map(|e| key((e.platform, e.cost.days, e.cost.amount))).collect();
    let mut new: Vec<_> = told.map(key).collect();
    old.sort();
    new.sort();
    old == new
}

/// An entry as a cost of a source.
pub(super) fn draft(entry: &SpendEntry, source: &Source) -> CostDraft {
    CostDraft {
        days: entry.days,
        channel: None,
        campaign: None,
        post: None,
        link: None,
        kind: CostKind::Media,
        amount: entry.amount,
        source: source.clone(),
        document: None,
        allocation: Allocation::Keep,
        note: None,
        labour: None,
    }
}

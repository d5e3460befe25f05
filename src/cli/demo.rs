//! `headwater demo`: the same server over a database of its own, filled through the product's own imports.

use super::{CliError, Context, import};
use crate::app::{self, Core, Started};
use crate::domain::channel::{CampaignCodes, CampaignLabels, ChannelCodes, ChannelLabels};
use crate::domain::fault::Fault;
use crate::http::auth::hash_password;
use crate::http::state::VISITOR_COOKIE_SETTING;
use crate::imports::decode::Sheet;
use crate::imports::mapping::ImportMapping;
use crate::jobs::edit_links::{self, LinkDraft};
use crate::jobs::edit_rates;
use crate::jobs::edit_schedules::{self, ScheduleInput};
use crate::jobs::import::{Import, OnBadRows};
use crate::jobs::workers::{self, HourlyRateInput};
use crate::secret::random_token;
use crate::store::labels::{self, Author, Similar};
use crate::store::{Conn, StoreError, access, ledger};

const TOUCHES: (&str, &str) =
    (include_str!("../../examples/demo/social_touches.csv"), include_str!("../../examples/demo/touches.toml"));
const CRM: (&str, &str) =
    (include_str!("../../examples/demo/social_crm.csv"), include_str!("../../examples/demo/crm.toml"));
const SPEND: (&str, &str) =
    (include_str!("../../examples/demo/social_spend.csv"), include_str!("../../examples/demo/spend.toml"));
const US_ADS: (&str, &str) =
    (include_str!("../../examples/demo/us_ads.csv"), include_str!("../../examples/demo/us_ads.toml"));
const HOURS: (&str, &str) =
    (include_str!("../../examples/demo/hours.csv"), include_str!("../../examples/demo/hours.toml"));
const RATES: &[u8] = include_bytes!("../../examples/demo/eurofxref-sample.csv");
const USER: &str = "demo@example.com";

/// Channels of the data set: code, `utm_source`, `utm_medium`, name, campaign of its link.
const CHANNELS: &[(&str, &str, &str, &str, &str)] = &[
    ("direct", "direct", "none", "Direct", ""),
    ("email", "newsletter", "email", "E-mail newsletter", "customer-stories"),
    ("facebook", "facebook", "social", "Facebook", "community-2025"),
    ("instagram", "instagram", "social", "Instagram", "community-2025"),
    ("linkedin", "linkedin", "social", "LinkedIn", "thought-leadership"),
    ("organic_search", "google", "organic", "Organic search", ""),
    ("paid_search", "google", "cpc", "Paid search", "demand-2025"),
    ("referral", "partners", "referral", "Referral", ""),
    ("tiktok", "tiktok", "social", "TikTok", "community-2025"),
    ("x", "x", "social", "X", "thought-leadership"),
    ("youtube", "youtube", "video", "YouTube", "thought-leadership"),
];
const CAMPAIGNS: &[(&str, &str)] = &[
    ("community-2025", "Community 2025"),
    ("customer-stories", "Customer stories"),
    ("demand-2025", "Demand 2025"),
    ("thought-leadership", "Thought leadership"),
];

/// A data directory of its own, and the days that the data covers; what the user sets wins.
pub(super) fn add_overrides(overrides: &mut Vec<(String, String)>) {
    let defaults = [("data.dir", "./data/demo"), ("reporting.from", "2025-01-01"), ("reporting.to", "2025-08-31")];
    overrides.splice(0..0, defaults.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

pub(super) fn run(context: Context) -> Result<(), CliError> {
    let core = context.open()?;
    let author = Author { name: "demo".into(), now: context.clock.now() };
    fill(&core, &author)?;
    let password = random_token();
    let hash = hash_password(&password)?;
    core.db.write_now(|conn| set_user(conn, &hash, &author))?;
    app::serve(core, context.clock.clone(), |started| welcome(started, &password))?;
    Ok(())
}

/// Fills an empty demo database; on one that is filled it changes nothing, as imports are idempotent.
fn fill(core: &Core, author: &Author) -> Result<(), CliError> {
    let param = core.config.tracking.click_id_param.clone();
    core.db.write_now(|conn| make_links(conn, &param, author))?;
    core.db.write_now(|conn| add_money(conn, author))?;
    for ((data, mapping), label) in [
        (TOUCHES, "social_touches.csv"),
        (CRM, "social_crm.csv"),
        (US_ADS, "us_ads.csv"),
        (HOURS, "hours.csv"),
        (SPEND, "social_spend.csv"),
    ] {
        let mapping = ImportMapping::parse(mapping)?;
        let sheet = Sheet::read(data.as_bytes())?;
        let import = Import {
            sheet: &sheet,
            mapping: &mapping,
            label,
            on_bad_rows: OnBadRows::StoreNothing,
            counts_revenue: true,
        };
        let done = import::store(core, &import, author, &mut |_| {})?;
        if let Some(error) = done.errors.first() {
            return Err(CliError::Message(format!("the demo data does not import: {error}")));
        }
    }
    Ok(())
}

fn make_links(conn: &mut Conn, param: &str, author: &Author) -> Result<(), StoreError> {
    if !labels::list_channels(conn)?.is_empty() {
        return Ok(());
    }
    let parse = |text: &str| text.parse().map_err(|f: Fault| StoreError::refused(f));
    for (code, name) in CAMPAIGNS {
        let codes = CampaignCodes { code: parse(code)?, utm_id: None };
        labels::create_campaign(
            conn,
            &codes,
            &CampaignLabels { name: (*name).into(), archived: false },
            Similar::Accept,
            author,
        )?;
    }
    for (code, source, medium, name, campaign) in CHANNELS {
        let codes = ChannelCodes { code: parse(code)?, utm_source: parse(source)?, utm_medium: parse(medium)? };
        let label = ChannelLabels {
            name: (*name).into(),
            network: (*source).into(),
            direct: *code == "direct",
            archived: false,
        };
        labels::create_channel(conn, &codes, &label, Similar::Accept, author)?;
        if *code == "direct" {
            continue;
        }
        let draft = LinkDraft {
            slug: Some(format!("demo-{code}")),
            destination: format!("https://www.example.com/welcome?from={code}"),
            channel: (*code).into(),
            campaign: Some((*campaign).to_owned()).filter(|c| !c.is_empty()),
            post: None,
            title: format!("{name}: profile link"),
            tags: Vec::new(),
            passes_query: true,
            expires_at: None,
        };
        edit_links::create(conn, &draft, param, author)?;
    }
    ledger::set_meta_value(conn, VISITOR_COOKIE_SETTING, "on")
}

/// A tool, an agency's fee and an hourly rate from September on, and rates of its days: behind the months whose results
/// are published, so that those stay what they are.
fn add_money(conn: &mut Conn, author: &Author) -> Result<(), StoreError> {
    if !edit_schedules::list(conn)?.is_empty() {
        return Ok(());
    }
    edit_rates::import_ecb(conn, RATES, "eurofxref-sample.csv", author)?;
    let schedule =
        |name: &str, kind: &str, last_day: &str, (amount, currency): (&str, &str), allocation: &str| ScheduleInput {
            name: name.into(),
            kind: kind.into(),
            first_day: "2025-09-01".into(),
            last_day: Some(last_day.into()),
            amount: amount.into(),
            currency: currency.into(),
            allocation: Some(allocation.into()),
            ..ScheduleInput::default()
        };
    let weights = "weights:linkedin=2,facebook=1,instagram=1";
    let monthly = [
        // There are no rates behind September.
        schedule("Scheduling tool", "tools", "2025-09-30", ("49.00", "USD"), "clicks"),
        schedule("Agency, social media", "agency", "2025-11-30", ("900.00", "EUR"), weights),
    ];
    for input in &monthly {
        edit_schedules::create(conn, input, author)?;
    }
    let hourly = HourlyRateInput {
        team: Some("Social team".into()),
        effective_from: "2025-01-01".into(),
        rate: "62.50".into(),
        currency: "EUR".into(),
        ..HourlyRateInput::default()
    };
    workers::add_rate(conn, &hourly, author).map(drop)
}

/// One demo user, with a new password at each start.
fn set_user(conn: &mut Conn, hash: &str, author: &Author) -> Result<(), StoreError> {
    if access::find_user(conn, USER)?.is_some() {
        return access::set_password(conn, USER, hash);
    }
    access::create_user(conn, USER, hash, author.now).map(drop)
}

#[expect(clippy::print_stdout, reason = "the first thing that a newcomer reads")]
fn welcome(started: &Started, password: &str) {
    let url = if started.state.config.server.bind.ends_with(":0") {
        format!("http://{}", started.address)
    } else {
        started.state.config.server.public_url.clone()
    };
    println!("Headwater demo listens on http://{}", started.address);
    println!("Sign in: {url}/app/sign-in\n  e-mail    {USER}\n  password  {password}");
    println!("It shows 11,309 touches, 575 leads and 132 customers of January to August 2025. In a second terminal:");
    println!(
        "  headwater report cost-per-lead --from 2025-01-01 --to 2025-08-31 --set data.dir={}",
        started.state.config.data.dir.display()
    );
    println!("Data: {}. Stop with Ctrl-C.", started.state.config.data.dir.display());
}

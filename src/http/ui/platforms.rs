//! Accounts and campaigns of platforms, and which channels and campaigns of ours they are.

use actix_web::web::{Data, Path, Query};
use askama::Template;

use super::forms::{Choice, Fields, Form};
use super::links::label_choices;
use super::page::{PageError, PageResult, Shell, faults_of, ok, see, unprocessable};
use super::session::{Posted, SignedIn};
use crate::domain::ids::{PlatformAccountId, PlatformCampaignId};
use crate::domain::time::Zone;
use crate::http::state::State;
use crate::jobs::edit_platforms::{self, AccountView};
use crate::store::platforms::Subject;

#[derive(Template)]
#[template(path = "platforms.html")]
struct PlatformsPage {
    shell: Shell,
    form: Form,
    accounts: Vec<AccountView>,
    channels: Vec<Choice>,
    campaigns: Vec<Choice>,
}

impl PlatformsPage {
    fn is(&self, code: &Option<String>, choice: &Choice) -> bool {
        code.as_deref() == Some(choice.value.as_str())
    }
}

/// The flash code of what was done before.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

/// `GET /app/platforms`
pub(super) async fn list(who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let mut page = page(&who, &state, Form::default()).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

async fn page(who: &SignedIn, state: &State, form: Form) -> Result<PlatformsPage, PageError> {
    let (accounts, (channels, campaigns)) =
        state.db.read(|conn| Ok((edit_platforms::list(conn)?, label_choices(conn)?))).await?;
    let shell = Shell::new("import", "Platforms", &who.session);
    Ok(PlatformsPage { shell, form, accounts, channels, campaigns })
}

/// `POST /app/platforms/{id}`: says what an account or a campaign is.
pub(super) async fn map(posted: Posted, state: Data<State>, id: Path<String>) -> PageResult {
    let Posted { who, fields } = posted;
    let subject = match id.parse::<PlatformAccountId>() {
        Ok(account) => Subject::Account(account),
        Err(_) => Subject::Campaign(id.parse::<PlatformCampaignId>()?),
    };
    let (channel, campaign, author) = (fields.some("channel"), fields.some("campaign"), who.author.clone());
    let effect = fields.effect()?;
    let zone: Option<Zone> = match fields.some("zone").map(|z| z.parse()).transpose() {
        Ok(zone) => zone,
        Err(fault) => {
            let form = Form::refused(Fields::default(), vec![fault]);
            return unprocessable(&page(&who, &state, form).await?);
        }
    };
    let changed = state
        .db
        .write(move |conn| {
            let mapped = edit_platforms::map(conn, subject, channel.as_deref(), campaign.as_deref(), effect, &author)?;
            let moved = match (subject, &zone) {
                (Subject::Account(id), Some(zone)) => edit_platforms::set_zone(conn, id, zone)?,
                _ => false,
            };
            Ok(mapped || moved)
        })
        .await;
    match changed {
        Ok(true) => Ok(see("/app/platforms?done=mapping-recorded")),
        Ok(false) => Ok(see("/app/platforms?done=mapping-stands")),
        Err(error) => {
            let form = Form::refused(Fields::default(), faults_of(error)?);
            unprocessable(&page(&who, &state, form).await?)
        }
    }
}

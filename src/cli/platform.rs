//! `headwater platform`

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::channel::Effect;
use crate::domain::ids::{PlatformAccountId, PlatformCampaignId};
use crate::jobs::edit_platforms;
use crate::store::platforms::Subject;

#[derive(Debug, Subcommand)]
pub(super) enum Platform {
    /// List accounts and campaigns of platforms with what they are
    List,
    /// Say which channel and campaign of yours an account (`pac_…`) or a campaign (`pcm_…`) is
    Map {
        /// The account's or campaign's id, as the list shows it
        id: String,
        /// Code of the channel; none takes it back
        #[arg(long)]
        channel: Option<String>,
        /// Code of the campaign; none takes it back
        #[arg(long)]
        campaign: Option<String>,
        /// Correct the past, too; without it a change holds from now on, and a first word from the beginning
        #[arg(long)]
        correction: bool,
    },
}

pub(super) fn run(context: &Context, command: Platform) -> Result<(), CliError> {
    let core = context.open()?;
    match command {
        Platform::List => {
            let list = core.db.read_now(edit_platforms::list)?;
            context.print(&json!(list), || {
                let mut rows = Vec::new();
                for account in &list {
                    let text = |t: &Option<String>| t.clone().unwrap_or_default();
                    let channel = account.channel.clone().unwrap_or_else(|| "(unmapped)".to_owned());
                    rows.push(vec![
                        account.id.to_string(),
                        account.platform.clone(),
                        account.name.clone(),
                        channel,
                        String::new(),
                        String::new(),
                    ]);
                    for campaign in &account.campaigns {
                        let name =
                            if campaign.name.is_empty() { text(&campaign.external_id) } else { campaign.name.clone() };
                        let channel = match (&campaign.channel, campaign.is_mapped) {
                            (Some(code), _) => code.clone(),
                            (None, true) => "as its account".to_owned(),
                            (None, false) => "(unmapped)".to_owned(),
                        };
                        rows.push(vec![
                            campaign.id.to_string(),
                            String::new(),
                            name,
                            channel,
                            text(&campaign.campaign),
                            campaign.leads.to_string(),
                        ]);
                    }
                }
                table(&["Id", "Platform", "Name", "Channel", "Campaign", "Leads"], rows)
            });
        }
        Platform::Map { id, channel, campaign, correction } => {
            let subject = match id.parse::<PlatformAccountId>() {
                Ok(account) => Subject::Account(account),
                Err(_) => Subject::Campaign(id.parse::<PlatformCampaignId>()?),
            };
            let effect = if correction { Effect::Correction } else { Effect::FromNowOn };
            let (channel, campaign) = (channel.as_deref(), campaign.as_deref());
            let author = context.author();
            let changed =
                core.db.write_now(|conn| edit_platforms::map(conn, subject, channel, campaign, effect, &author))?;
            let words = if changed { "The mapping is recorded." } else { "It stood so already." };
            context.print(&json!({ "changed": changed }), || words.to_owned());
        }
    }
    Ok(())
}

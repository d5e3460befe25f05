//! `headwater channel` and `headwater campaign`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::channel::{CampaignCodes, CampaignLabels, ChannelCodes, ChannelLabels, Effect};
use crate::domain::fault::Fault;
use crate::store::labels::{self, Similar};
use crate::store::{Conn, StoreError};

/// From when a change holds.
#[derive(Debug, Args)]
pub(super) struct EffectFlag {
    /// The old label was wrong: correct it from the beginning instead of changing it from now on
    #[arg(long)]
    correction: bool,
}

impl EffectFlag {
    pub(super) fn effect(&self) -> Effect {
        if self.correction { Effect::Correction } else { Effect::FromNowOn }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum ChannelCommand {
    /// Add a channel
    Create {
        /// What reports and imports call it, such as linkedin-organic
        code: String,
        /// `utm_source` of its links
        #[arg(long)]
        source: String,
        /// `utm_medium` of its links
        #[arg(long)]
        medium: String,
        /// The name people read
        #[arg(long, default_value = "")]
        name: String,
        /// Direct traffic, which "last non-direct" passes over
        #[arg(long)]
        direct: bool,
        /// Accept a name that resembles one in use
        #[arg(long)]
        allow_similar: bool,
    },
    /// List channels
    List,
    /// Change what a channel is called; its code and UTM values never change
    Edit {
        /// The channel's code
        code: String,
        /// The name people read
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        effect: EffectFlag,
    },
    /// Take a channel out of use
    Archive {
        /// The channel's code
        code: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum CampaignCommand {
    /// Add a campaign
    Create {
        /// `utm_campaign` of its links, such as spring-2026
        code: String,
        /// The name people read
        #[arg(long, default_value = "")]
        name: String,
        /// `utm_id` of its links
        #[arg(long)]
        utm_id: Option<String>,
        /// Accept a code that resembles one in use
        #[arg(long)]
        allow_similar: bool,
    },
    /// List campaigns
    List,
    /// Change what a campaign is called; its code never changes
    Edit {
        /// The campaign's code
        code: String,
        /// The name people read
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        effect: EffectFlag,
    },
    /// Take a campaign out of use
    Archive {
        /// The campaign's code
        code: String,
    },
}

pub(super) fn run(context: &Context, command: ChannelCommand) -> Result<(), CliError> {
    let core = context.open()?;
    let author = context.author();
    match command {
        ChannelCommand::Create { code, source, medium, name, direct, allow_similar } => {
            let codes = ChannelCodes {
                code: code.parse().map_err(|f: Fault| f.named("code"))?,
                utm_source: source.parse().map_err(|f: Fault| f.named("source"))?,
                utm_medium: medium.parse().map_err(|f: Fault| f.named("medium"))?,
            };
            let name = if name.is_empty() { code.clone() } else { name };
            let label = ChannelLabels { name, direct, ..ChannelLabels::default() };
            let id = core
                .db
                .write_now(|conn| labels::create_channel(conn, &codes, &label, similar(allow_similar), &author))?;
            context.print(&json!({ "id": id, "code": code }), || format!("channel {code} ({id})"));
        }
        ChannelCommand::List => {
            let list = core.db.read_now(labels::list_channels)?;
            let json: Vec<_> = list.iter().map(|c| json!({ "id": c.id, "code": c.code, "utm_source": c.utm_source, "utm_medium": c.utm_medium, "labels": c.labels })).collect();
            context.print(&json!(json), || {
                table(
                    &["Code", "Source", "Medium", "Name", ""],
                    list.iter().map(|c| {
                        vec![
                            c.code.clone(),
                            c.utm_source.clone(),
                            c.utm_medium.clone(),
                            c.labels.name.clone(),
                            flags(c.labels.archived, c.labels.direct),
                        ]
                    }),
                )
            });
        }
        ChannelCommand::Edit { code, name, effect } => {
            core.db.write_now(|conn| {
                edit_channel(conn, &code, effect.effect(), context, |l| {
                    l.name = name.clone().unwrap_or_else(|| l.name.clone())
                })
            })?;
            context.print(&json!({ "code": code }), || format!("channel {code} is changed"));
        }
        ChannelCommand::Archive { code } => {
            core.db.write_now(|conn| edit_channel(conn, &code, Effect::FromNowOn, context, |l| l.archived = true))?;
            context.print(&json!({ "code": code, "archived": true }), || format!("channel {code} is archived"));
        }
    }
    Ok(())
}

pub(super) fn run_campaign(context: &Context, command: CampaignCommand) -> Result<(), CliError> {
    let core = context.open()?;
    let author = context.author();
    match command {
        CampaignCommand::Create { code, name, utm_id, allow_similar } => {
            let codes = CampaignCodes {
                code: code.parse().map_err(|f: Fault| f.named("code"))?,
                utm_id: utm_id.map(|t| t.parse()).transpose().map_err(|f: Fault| f.named("utm_id"))?,
            };
            let label = CampaignLabels { name: if name.is_empty() { code.clone() } else { name }, archived: false };
            let id = core
                .db
                .write_now(|conn| labels::create_campaign(conn, &codes, &label, similar(allow_similar), &author))?;
            context.print(&json!({ "id": id, "code": code }), || format!("campaign {code} ({id})"));
        }
        CampaignCommand::List => {
            let list = core.db.read_now(labels::list_campaigns)?;
            let json: Vec<_> = list
                .iter()
                .map(|c| json!({ "id": c.id, "code": c.code, "utm_id": c.utm_id, "labels": c.labels }))
                .collect();
            context.print(&json!(json), || {
                table(
                    &["Code", "Name", ""],
                    list.iter().map(|c| vec![c.code.clone(), c.labels.name.clone(), flags(c.labels.archived, false)]),
                )
            });
        }
        CampaignCommand::Edit { code, name, effect } => {
            core.db.write_now(|conn| {
                edit_campaign(conn, &code, effect.effect(), context, |l| {
                    l.name = name.clone().unwrap_or_else(|| l.name.clone())
                })
            })?;
            context.print(&json!({ "code": code }), || format!("campaign {code} is changed"));
        }
        CampaignCommand::Archive { code } => {
            core.db.write_now(|conn| edit_campaign(conn, &code, Effect::FromNowOn, context, |l| l.archived = true))?;
            context.print(&json!({ "code": code, "archived": true }), || format!("campaign {code} is archived"));
        }
    }
    Ok(())
}

fn edit_channel(
    conn: &mut Conn,
    code: &str,
    effect: Effect,
    context: &Context,
    change: impl Fn(&mut ChannelLabels),
) -> Result<(), StoreError> {
    let found = labels::list_channels(conn)?.into_iter().find(|c| c.code == code);
    let channel = found.ok_or_else(|| StoreError::NotFound(format!("channel `{code}`")))?;
    labels::revise_channel(conn, channel.id, effect, &context.author(), |was| {
        let mut labels = was.clone();
        change(&mut labels);
        labels
    })
}

fn edit_campaign(
    conn: &mut Conn,
    code: &str,
    effect: Effect,
    context: &Context,
    change: impl Fn(&mut CampaignLabels),
) -> Result<(), StoreError> {
    let found = labels::list_campaigns(conn)?.into_iter().find(|c| c.code == code);
    let campaign = found.ok_or_else(|| StoreError::NotFound(format!("campaign `{code}`")))?;
    labels::revise_campaign(conn, campaign.id, effect, &context.author(), |was| {
        let mut labels = was.clone();
        change(&mut labels);
        labels
    })
}

fn similar(allowed: bool) -> Similar {
    if allowed { Similar::Accept } else { Similar::Refuse }
}

fn flags(archived: bool, direct: bool) -> String {
    [archived.then_some("archived"), direct.then_some("direct")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

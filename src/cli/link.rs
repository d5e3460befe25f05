//! `headwater link`

use clap::Subcommand;
use serde_json::json;

use super::channel::EffectFlag;
use super::{CliError, Context, table};
use crate::domain::channel::Effect;
use crate::domain::fault::Fault;
use crate::domain::ids::LinkId;
use crate::domain::time::UtcMillis;
use crate::jobs::edit_links::{self, LinkChange, LinkDraft, NamedLink};
use crate::store::links::{self, LinkFilter};
use crate::store::{Conn, StoreError, touches};

#[derive(Debug, Subcommand)]
pub(super) enum Link {
    /// Make a tracked link
    Create {
        /// Where it leads
        destination: String,
        /// The channel's code
        #[arg(long)]
        channel: String,
        /// Its path; made up if not given
        #[arg(long)]
        slug: Option<String>,
        /// The campaign's code
        #[arg(long)]
        campaign: Option<String>,
        /// The name people read
        #[arg(long, default_value = "")]
        title: String,
        /// Words to find it by
        #[arg(long)]
        tag: Vec<String>,
        /// Do not pass on the visitor's own query parameters
        #[arg(long)]
        drop_query: bool,
        /// When it stops redirecting, such as 2026-12-31T23:59:59Z
        #[arg(long)]
        expires_at: Option<String>,
    },
    /// List links, newest first
    List {
        /// Letters of the slug, of a title or of a tag
        search: Option<String>,
    },
    /// Change a link; its slug never changes
    Edit {
        /// The link's slug
        slug: String,
        /// Where it leads
        #[arg(long)]
        destination: Option<String>,
        /// The channel's code
        #[arg(long)]
        channel: Option<String>,
        /// The campaign's code; empty for none
        #[arg(long)]
        campaign: Option<String>,
        /// The name people read
        #[arg(long)]
        title: Option<String>,
        #[command(flatten)]
        effect: EffectFlag,
    },
    /// Take a link out of use: it answers 410 from now on
    Archive {
        /// The link's slug
        slug: String,
    },
}

pub(super) fn run(context: &Context, command: Link) -> Result<(), CliError> {
    let core = context.open()?;
    let param = &context.config.tracking.click_id_param;
    let author = context.author();
    match command {
        Link::Create { destination, channel, slug, campaign, title, tag, drop_query, expires_at } => {
            let expires_at = expires_at.map(|t| UtcMillis::parse(&t).map_err(|f| f.named("expires_at"))).transpose()?;
            let draft = LinkDraft {
                slug,
                destination,
                channel,
                campaign,
                post: None,
                title,
                tags: tag,
                passes_query: !drop_query,
                expires_at,
            };
            let (link, notices) = core.db.write_now(|conn| edit_links::create(conn, &draft, param, &author))?;
            show(context, &link, &notices);
        }
        Link::List { search } => {
            let filter = LinkFilter { below: None, limit: 500, search };
            let (list, clicks) = core.db.read_now(|conn| {
                let list = edit_links::list(conn, &filter)?;
                let ids: Vec<LinkId> = list.iter().map(|l| l.link.id).collect();
                Ok((list, touches::counts_by_link(conn, &ids)?))
            })?;
            let human = |l: &NamedLink| clicks.get(&l.link.id).map_or(0, |c| c.0);
            let json: Vec<_> = list.iter().map(|l| with_clicks(view(context, l, &[]), human(l))).collect();
            context.print(&json!(json), || {
                table(
                    &["Link", "Channel", "Campaign", "Human clicks", "Destination", ""],
                    list.iter().map(|l| {
                        vec![
                            url(context, &l.link.slug),
                            l.channel.clone(),
                            l.campaign.clone().unwrap_or_default(),
                            human(l).to_string(),
                            l.link.labels.destination.clone(),
                            if l.link.labels.archived { "archived".into() } else { String::new() },
                        ]
                    }),
                )
            });
        }
        Link::Edit { slug, destination, channel, campaign, title, effect } => {
            let campaign = campaign.map(|c| Some(c).filter(|c| !c.is_empty()));
            let change = LinkChange { destination, channel, campaign, title, ..LinkChange::default() };
            let (link, notices) = core.db.write_now(|conn| {
                let id = find(conn, &slug)?;
                edit_links::change(conn, id, &change, effect.effect(), param, &author)
            })?;
            show(context, &link, &notices);
        }
        Link::Archive { slug } => {
            let change = LinkChange { archived: Some(true), ..LinkChange::default() };
            core.db.write_now(|conn| {
                let id = find(conn, &slug)?;
                edit_links::change(conn, id, &change, Effect::FromNowOn, param, &author)
            })?;
            context.print(&json!({ "slug": slug, "archived": true }), || format!("{slug} is archived"));
        }
    }
    Ok(())
}

fn find(conn: &mut Conn, slug: &str) -> Result<LinkId, StoreError> {
    links::find_by_slug(conn, slug)?.ok_or_else(|| {
        StoreError::refused(Fault::new(
            "slug",
            "link-unknown",
            format!("there is no link `{slug}`; see `headwater link list`"),
        ))
    })
}

fn url(context: &Context, slug: &str) -> String {
    format!("{}/{slug}", context.config.server.public_url)
}

fn show(context: &Context, link: &NamedLink, notices: &[String]) {
    context.print(&view(context, link, notices), || {
        let mut text = url(context, &link.link.slug);
        for notice in notices {
            text.push_str("\nnote: ");
            text.push_str(notice);
        }
        text
    });
}

fn with_clicks(mut view: serde_json::Value, clicks: i64) -> serde_json::Value {
    if let Some(object) = view.as_object_mut() {
        object.insert("human_clicks".into(), clicks.into());
    }
    view
}

fn view(context: &Context, l: &NamedLink, notices: &[String]) -> serde_json::Value {
    json!({
        "id": l.link.id, "short_url": url(context, &l.link.slug), "slug": l.link.slug, "destination": l.link.labels.destination,
        "channel": l.channel, "campaign": l.campaign, "title": l.link.labels.title, "archived": l.link.labels.archived, "notices": notices,
    })
}

//! Touches out of other systems: clicks of a link shortener, visits of a web analysis.

use super::bind::{Binder, Cell, optional};
use super::decode::{Row, RowError, Sheet};
use super::mapping::{ImportKind, ImportMapping};
use super::values::{Gathered, id, namespaced, parsed, time};
use crate::domain::fault::Fault;
use crate::domain::person::JoinKey;
use crate::domain::time::UtcMillis;
use crate::domain::touch::TouchKind;

/// A touch as a file told it; its codes are not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedTouch {
    /// The other system's id of it, unique within the source: the duplicate key.
    pub external_id: String,
    /// When it happened.
    pub occurred_at: UtcMillis,
    /// What it was; a click where the file does not say.
    pub kind: TouchKind,
    /// Code of the channel.
    pub channel: Option<String>,
    /// Code of the campaign.
    pub campaign: Option<String>,
    /// Slug of the link.
    pub link: Option<String>,
    /// Whose it was: a contact key.
    pub person: Option<JoinKey>,
}

struct Fields {
    external_id: Cell,
    occurred_at: Cell,
    kind: Option<Cell>,
    channel: Option<Cell>,
    campaign: Option<Cell>,
    link: Option<Cell>,
    person: Option<Cell>,
}

/// The touches of a file with their lines, or why the mapping does not fit the file.
pub fn rows<'a>(
    sheet: &'a Sheet<'a>,
    mapping: &'a ImportMapping,
) -> Result<impl Iterator<Item = Result<(u64, ImportedTouch), RowError>> + 'a, Vec<Fault>> {
    let fields = bind(sheet, mapping)?;
    Ok(sheet.rows().map(move |row| row.and_then(|row| touch(&fields, &row, mapping))))
}

fn bind(sheet: &Sheet<'_>, mapping: &ImportMapping) -> Result<Fields, Vec<Fault>> {
    let mut binder = Binder::new(sheet, mapping, ImportKind::Touches);
    let external_id = binder.required("external_id");
    let occurred_at = binder.required("occurred_at");
    let mut field = |name: &str| binder.field(name);
    let (kind, channel, campaign) = (field("kind"), field("channel"), field("campaign"));
    let (link, person) = (field("link"), field("person"));
    if channel.is_none() && link.is_none() {
        binder.fault(Fault::new(
            "channel",
            "channel-missing",
            "nothing says where touches came from; map `channel` or `link`",
        ));
    }
    binder.finish()?;
    let (Some(external_id), Some(occurred_at)) = (external_id, occurred_at) else { return Err(Vec::new()) };
    Ok(Fields { external_id, occurred_at, kind, channel, campaign, link, person })
}

fn touch(fields: &Fields, row: &Row, mapping: &ImportMapping) -> Result<(u64, ImportedTouch), RowError> {
    let mut gathered = Gathered::default();
    let external_id = gathered.keep(fields.external_id.required(row).and_then(|text| id(&fields.external_id, &text)));
    let occurred_at = gathered.keep(time(&fields.occurred_at, row, mapping));
    let kind = gathered.keep(kind(fields.kind.as_ref(), row));
    let person = gathered.keep(person(fields.person.as_ref(), row, mapping));
    let mut code = |cell: &Option<Cell>| gathered.keep(optional(cell.as_ref(), row)).flatten();
    let (channel, campaign, link) = (code(&fields.channel), code(&fields.campaign), code(&fields.link));
    if gathered.0.is_empty() && channel.is_none() && link.is_none() {
        let column = fields.channel.as_ref().or(fields.link.as_ref()).map_or("channel", |c| c.name.as_str());
        gathered.0.push(Fault::new(
            column,
            "channel-missing",
            "the row names neither a channel nor a link; fill one in, or give a `default`",
        ));
    }
    match (external_id, occurred_at, kind, person) {
        (Some(external_id), Some(occurred_at), Some(kind), Some(person)) if gathered.0.is_empty() => {
            Ok((row.line, ImportedTouch { external_id, occurred_at, kind, channel, campaign, link, person }))
        }
        _ => Err(RowError { line: row.line, faults: gathered.0 }),
    }
}

fn kind(cell: Option<&Cell>, row: &Row) -> Result<TouchKind, Fault> {
    let Some(cell) = cell else { return Ok(TouchKind::Click) };
    cell.text(row)?.map_or(Ok(TouchKind::Click), |text| parsed(cell, &text, str::parse))
}

fn person(cell: Option<&Cell>, row: &Row, mapping: &ImportMapping) -> Result<Option<JoinKey>, Fault> {
    let Some(cell) = cell else { return Ok(None) };
    let Some(text) = cell.text(row)? else { return Ok(None) };
    let key = namespaced(cell, &text, mapping.person_namespace.as_deref(), "person_namespace")?;
    let Some((namespace, id)) = key.as_deref().and_then(|k| k.split_once(':')) else { return Ok(None) };
    parsed(cell, id, |id| JoinKey::contact(namespace, id))
}

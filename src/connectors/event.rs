//! The fields of one item, read through layers into an [`EventInput`].

use std::collections::BTreeMap;

use super::amount::{self, Decimals, ValueUnit};
use super::compiled::Parsed;
use super::layer::{Field, Settings};
use super::moment::{self, TimeUnit};
use super::pick::{Reader, missing};
use super::place::Scope;
use super::rule::{StageWord, folded};
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::TouchId;
use crate::domain::intake::{EventInput, IdentityInput, NetworkLead};
use crate::domain::person::is_placeholder;
use crate::domain::stage::Stage;

/// Fields that are there for the click id alone, so that another text in them is a mistake to be told.
const CLICK_ID_FIELDS: &[&str] = &["click_id", "hw_id"];

/// Layers of which the first that knows a field decides where it is.
pub(super) struct Stack<'a> {
    pub(super) layers: Vec<&'a Parsed>,
    pub(super) stages: &'a BTreeMap<String, StageWord>,
    /// The user's namespaces, where they replace a vendor's.
    pub(super) replaced_namespaces: Option<&'a Settings>,
}

impl<'a> Stack<'a> {
    pub(super) fn reader(&self, field: Field) -> Option<&'a Reader> {
        self.layers.iter().find_map(|layer| layer.fields.get(&field))
    }

    fn setting<T>(&self, of: impl Fn(&'a Settings) -> Option<T>) -> Option<T> {
        self.layers.iter().find_map(|layer| of(&layer.settings))
    }

    fn read(&self, field: Field, scope: &Scope<'_>) -> Result<Option<String>, Fault> {
        let Some(reader) = self.reader(field) else { return Ok(None) };
        let strict = self.setting(|s| s.click_id_strict).unwrap_or(false);
        match field {
            Field::ClickId => reader.first_among(scope, |place| strict && place.ends_in(CLICK_ID_FIELDS), is_click_id),
            Field::Email => reader.first_that(scope, |text, is_wild| !is_wild || is_address(text)),
            _ => reader.first(scope),
        }
    }

    /// A field where nothing depends on it.
    pub(super) fn text(&self, field: Field, scope: &Scope<'_>) -> Option<String> {
        self.read(field, scope).ok().flatten()
    }
}

/// Whether a text is a click id; where any text may stand, only with its prefix, as 26 letters may be anything.
fn is_click_id(text: &str, is_wild: bool) -> bool {
    let has_prefix = text.trim().get(..TouchId::PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(TouchId::PREFIX));
    (has_prefix || !is_wild) && text.parse::<TouchId>().is_ok()
}

/// Whether a text that stands anywhere looks like an address.
fn is_address(text: &str) -> bool {
    let is_plain = |part: &str| !part.is_empty() && !part.contains(['@', ' ', ',', '<', '>', '/']);
    text.split_once('@').is_some_and(|(name, domain)| is_plain(name) && is_plain(domain) && domain.contains('.'))
}

/// Reads an item's fields. `known` goes before what is read; the faults are all that is wrong or missing.
pub(super) fn event(
    stack: &Stack<'_>,
    stage: Option<StageWord>,
    known: &EventInput,
    scope: &Scope<'_>,
) -> (EventInput, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut read = |field: Field| stack.read(field, scope).map_err(|fault| faults.push(fault)).ok().flatten();
    let (stage_word, occurred_at, sent_at) = match stage {
        Some(_) => (None, read(Field::OccurredAt), read(Field::SentAt)),
        None => (read(Field::Stage), read(Field::OccurredAt), read(Field::SentAt)),
    };
    let event_id = read(Field::EventId).or_else(|| read(Field::DedupKey)).or_else(|| own_id(stack, scope));
    let (value, minor) = (read(Field::Value), read(Field::ValueMinor));
    let mut input = EventInput {
        click_id: known.click_id.clone().or_else(|| read(Field::ClickId)),
        visitor_id: known.visitor_id.clone().or_else(|| read(Field::VisitorId)),
        email: known.email.clone().or_else(|| read(Field::Email)),
        person: known.person.clone().or_else(|| read(Field::Person).and_then(|p| person(stack, p))),
        subject: known.subject.clone().or_else(|| read(Field::Subject).and_then(|s| subject(stack, s))),
        parent: known.parent.clone().or_else(|| read(Field::Parent).and_then(|s| subject_or_id(stack, s))),
        currency: known.currency.clone().or_else(|| read(Field::Currency)),
        self_reported: known.self_reported.clone().or_else(|| read(Field::SelfReported)),
        repeats_by_id: known.repeats_by_id || stack.setting(|s| s.repeats_by_id).unwrap_or(false),
        ..EventInput::default()
    };
    input.network_lead = network_lead(known.network_lead.as_ref(), read);
    // A field that is there but wrong has its fault already; only one that is nowhere is missing.
    let complete = faults.is_empty();
    let mut set = |to: &mut String, known: &str, result: Result<String, Fault>| match result {
        _ if !known.is_empty() => known.clone_into(to),
        Ok(text) => *to = text,
        Err(fault) if complete || fault.code != "missing" => faults.push(fault),
        Err(_) => {}
    };
    let none = |field: Field| missing(field.as_str(), stack.reader(field));
    set(&mut input.event_id, &known.event_id, event_id.ok_or_else(|| none(Field::EventId)));
    let word = match stage {
        Some(word) => Ok(word.as_str().to_owned()),
        None => stage_word.ok_or_else(|| none(Field::Stage)).and_then(|word| stage_of(stack, &word)),
    };
    set(&mut input.stage, &known.stage, word);
    let at = occurred_at.ok_or_else(|| none(Field::OccurredAt)).and_then(|at| time(stack, at, sent_at, scope));
    set(&mut input.occurred_at, &known.occurred_at, at);
    (input.value, input.value_minor) = (known.value.clone(), known.value_minor);
    if input.value.is_none() && input.value_minor.is_none() {
        match amounts(stack, value, minor, input.currency.as_deref()) {
            Ok((value, minor)) => (input.value, input.value_minor) = (value, minor),
            Err(fault) => faults.push(fault),
        }
    }
    let is_worth = input.value.is_some() || input.value_minor.is_some();
    if input.stage == Stage::Refund.as_str() && !is_worth && complete {
        faults.push(none(Field::Value));
    }
    (input, faults)
}

/// The id of a message that holds none: its sender's, as it was verified, or one made of its content.
fn own_id(stack: &Stack<'_>, scope: &Scope<'_>) -> Option<String> {
    let message = scope.message_id.map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned);
    let by_content = stack.setting(|s| s.id_from_content).unwrap_or(false);
    message.or_else(|| by_content.then(|| format!("sha256:{}", super::parse::hash(scope.item))))
}

/// The names of the human whom an item is about.
pub(super) fn identity(stack: &Stack<'_>, scope: &Scope<'_>) -> IdentityInput {
    let text = |field| stack.text(field, scope);
    let others = |field| stack.reader(field).map(|reader| reader.all(scope)).unwrap_or_default();
    let persons = text(Field::Person).into_iter().chain(others(Field::OtherPerson));
    let subjects = text(Field::Subject).into_iter().chain(others(Field::OtherSubject));
    IdentityInput {
        click_id: text(Field::ClickId),
        visitor_id: text(Field::VisitorId),
        email: text(Field::Email),
        persons: persons.filter_map(|p| person(stack, p)).collect(),
        subjects: subjects.filter_map(|s| subject(stack, s)).collect(),
    }
}

fn network_lead(known: Option<&NetworkLead>, mut read: impl FnMut(Field) -> Option<String>) -> Option<NetworkLead> {
    let known = known.cloned().unwrap_or_default();
    let network = read(Field::Network).map(|word| network(&word)).unwrap_or_default();
    let lead = NetworkLead {
        // The record tells Instagram from Facebook; the delivery says Meta's own name for both.
        network: if network.is_empty() { known.network } else { network },
        lead_id: known.lead_id.or_else(|| read(Field::LeadId)),
        ad_id: known.ad_id.or_else(|| read(Field::AdId)),
        adset_id: known.adset_id.or_else(|| read(Field::AdsetId)),
        campaign_id: known.campaign_id.or_else(|| read(Field::CampaignId)),
        form_id: known.form_id.or_else(|| read(Field::FormId)),
    };
    Some(lead).filter(|lead| !lead.network.is_empty())
}

/// Meta's abbreviations spelled out.
fn network(word: &str) -> String {
    match folded(word).as_str() {
        "ig" => "instagram".to_owned(),
        "fb" => "facebook".to_owned(),
        other => other.to_owned(),
    }
}

/// Our stage for the sender's word.
fn stage_of(stack: &Stack<'_>, word: &str) -> Result<String, Fault> {
    let wanted = folded(word);
    let mapped = stack.stages.get(&wanted).copied();
    mapped.map_or_else(|| StageWord::parse(&wanted), Ok).map(|word| word.as_str().to_owned()).map_err(|_unknown| {
        // The word is shown so that it can be mapped, unless a wrong pointer led to an address.
        let word = if word.contains('@') { "the value".to_owned() } else { shown(word) };
        Fault::new("stage", "stage-unmapped", format!("{word} is no stage of ours; add it to the mapping's `stages`"))
    })
}

fn time(stack: &Stack<'_>, at: String, sent_at: Option<String>, scope: &Scope<'_>) -> Result<String, Fault> {
    let unit = stack.setting(|s| s.time_unit).unwrap_or_default();
    let zone = stack.setting(|s| s.zone.as_ref());
    let at = moment::read(at, unit, zone)?;
    match sent_at {
        Some(sent) if unit == TimeUnit::Auto => {
            moment::corrected(&at, &moment::read(sent, unit, zone)?, scope.request.received_at)
        }
        _ => Ok(at),
    }
}

type Amounts = (Option<String>, Option<i64>);

fn amounts(
    stack: &Stack<'_>,
    value: Option<String>,
    minor: Option<String>,
    currency: Option<&str>,
) -> Result<Amounts, Fault> {
    let (value, minor) = match (stack.setting(|s| s.value_unit).unwrap_or_default(), value, minor) {
        (_, Some(_), Some(_)) => {
            return Err(Fault::new(
                "value",
                "value-twice",
                "both `value` and `value_minor` hold an amount; map one of them",
            ));
        }
        (ValueUnit::Minor, Some(value), None) => (None, Some(value)),
        (_, value, minor) => (value, minor),
    };
    let none = BTreeMap::new();
    let exponents = stack.setting(|s| s.minor_exponents.as_ref()).unwrap_or(&none);
    let style = stack.setting(|s| s.decimals).unwrap_or(Decimals::Point);
    let minor = minor.map(|text| amount::iso_minor(&text, currency, exponents)).transpose()?;
    let value = value.map(|text| amount::plain(&text, style)).transpose()?;
    Ok((value, minor))
}

/// A contact id with its namespace.
fn person(stack: &Stack<'_>, id: String) -> Option<String> {
    prefixed(stack, id, |s| s.person_namespace.as_deref())
}

/// A subject with its namespace.
fn subject(stack: &Stack<'_>, id: String) -> Option<String> {
    prefixed(stack, id, |s| s.subject_namespace.as_deref())
}

/// What a refund belongs to: of a vendor, a subject in the namespace that its subjects have; else as it stands.
fn subject_or_id(stack: &Stack<'_>, id: String) -> Option<String> {
    if stack.replaced_namespaces.is_some() { subject(stack, id) } else { Some(id) }
}

fn prefixed<'a>(stack: &Stack<'a>, id: String, of: impl Fn(&'a Settings) -> Option<&'a str>) -> Option<String> {
    let replaced = stack.replaced_namespaces.and_then(&of);
    match (id.split_once(':'), replaced) {
        (Some((_, bare)), Some(namespace)) => (!is_placeholder(bare)).then(|| format!("{namespace}:{bare}")),
        (Some((_, bare)), None) if stack.replaced_namespaces.is_some() => (!is_placeholder(bare)).then_some(id.clone()),
        (Some(_), None) => Some(id),
        (None, _) if is_placeholder(&id) => None,
        (None, _) => match stack.setting(&of) {
            Some(namespace) => Some(format!("{namespace}:{id}")),
            None => Some(id),
        },
    }
}

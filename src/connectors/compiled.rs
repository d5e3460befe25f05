//! A preset's places and rules with a user's, parsed once, ready to read items.

use std::collections::BTreeMap;

use super::event::{Stack, event, identity};
use super::layer::{Field, Layer, Settings};
use super::overrides::Overrides;
use super::pick::{Candidate, Pick, Reader};
use super::place::{Place, Scope};
use super::preset::{LookupSpec, Preset, Then};
use super::reading::{Lookup, Reading, ReadingOutcome, Supply};
use super::rule::{Check, Rule, StageWord, folded};
use super::template::Template;
use crate::domain::fault::Fault;
use crate::domain::intake::EventInput;

/// The names of the click id's property where neither preset nor user has one.
const CLICK_ID_PROPERTIES: &[&str] = &["hw_id", "click_id"];

/// A layer whose places are parsed.
#[derive(Debug, Clone, Default)]
pub(super) struct Parsed {
    pub(super) fields: BTreeMap<Field, Reader>,
    pub(super) settings: Settings,
}

/// A rule whose conditions and places are parsed.
#[derive(Debug, Clone)]
pub(super) struct ParsedRule {
    name: String,
    checks: Vec<Check>,
    stage: Option<StageWord>,
    unmapped_is_ignored: bool,
    refuse: Option<String>,
    enrich: Option<String>,
    is_identity: bool,
    is_erasure: bool,
    also_read: Vec<String>,
    layer: Parsed,
}

#[derive(Debug, Clone)]
struct ParsedLookup {
    path: Template,
    headers: Vec<(String, String)>,
    item: Option<Place>,
    layer: Parsed,
    rules: Vec<ParsedRule>,
    then: Vec<(Place, Then)>,
}

/// Everything that reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Compiled {
    pub(super) items: Vec<Option<Place>>,
    pub(super) account: Option<Reader>,
    own: Parsed,
    base: Parsed,
    rules: Vec<ParsedRule>,
    lookups: BTreeMap<String, ParsedLookup>,
    stages: BTreeMap<String, StageWord>,
    replaces_namespaces: bool,
}

impl Compiled {
    pub(super) fn new(preset: &Preset, overrides: &Overrides) -> Result<Self, Vec<Fault>> {
        let mut names: Vec<String> = overrides.click_id_property.iter().cloned().collect();
        names.extend(preset.click_id_properties.iter().cloned());
        if names.is_empty() {
            names.extend(CLICK_ID_PROPERTIES.iter().map(|n| (*n).to_owned()));
        }
        let mut compiler = Compiler { names, faults: Vec::new() };
        let replaces = preset.replaced_by_mapping && !overrides.layer.fields.is_empty();
        let own = compiler.layer(&overrides.layer);
        if replaces && overrides.rules.is_empty() {
            compiler.faults.extend(incomplete(&overrides.layer));
        }
        let mut base = compiler.layer(&preset.map);
        if replaces {
            base.fields.clear();
        }
        let rules = overrides.rules.iter().chain(&preset.rules).map(|r| compiler.rule(r)).collect();
        let lookups = preset.lookups.iter().filter_map(|(n, l)| Some((n.clone(), compiler.lookup(l)?))).collect();
        let mut stages: BTreeMap<String, StageWord> = preset.stages.iter().map(|(w, s)| (folded(w), *s)).collect();
        stages.extend(overrides.stages.iter().map(|(w, s)| (folded(w), *s)));
        let items = preset.items.iter();
        let items =
            items.map(|p| if p.is_empty() { Ok(None) } else { Place::parse(p).map(Some) }).collect::<Result<_, _>>();
        let account = preset.account.as_ref().map(|pick| Reader::new("account", pick)).transpose();
        match (items, account) {
            (Ok(items), Ok(account)) if compiler.faults.is_empty() => Ok(Self {
                items,
                account,
                own,
                base,
                rules,
                lookups,
                stages,
                replaces_namespaces: !preset.replaced_by_mapping,
            }),
            (items, account) => {
                compiler.faults.extend(items.err());
                compiler.faults.extend(account.err());
                Err(compiler.faults)
            }
        }
    }

    /// Headers that a reading needs.
    pub(super) fn headers(&self) -> impl Iterator<Item = &str> {
        let layers = [&self.own, &self.base].into_iter().chain(self.rules.iter().map(|r| &r.layer));
        let fields = layers.flat_map(|layer| layer.fields.values()).flat_map(Reader::places);
        let checks = self.rules.iter().flat_map(|r| &r.checks).flat_map(Check::places);
        fields.chain(checks).filter_map(Place::header)
    }

    /// Reads one item.
    pub(super) fn read(&self, scope: &Scope<'_>) -> Reading {
        let rule = self.rules.iter().find(|r| r.checks.iter().all(|c| c.holds(scope)));
        if rule.is_none() && !self.rules.is_empty() {
            let stack = self.stack(&[&self.own, &self.base]);
            return Reading { dedup_key: stack.text(Field::DedupKey, scope), ..Reading::ignored("no-rule") };
        }
        let none = Parsed::default();
        let stack = self.stack(&[&self.own, rule.map_or(&none, |r| &r.layer), &self.base]);
        let dedup_key = stack.text(Field::DedupKey, scope);
        let (outcome, supplies) = match rule {
            Some(ParsedRule { refuse: Some(why), name, .. }) => {
                (ReadingOutcome::Fault(vec![Fault::new("event", name, why.clone())]), Vec::new())
            }
            Some(rule) if rule.enrich.is_some() || rule.stage == Some(StageWord::Ignore) => {
                self.silent(rule, &stack, scope)
            }
            rule => {
                let outcome = self.told(&stack, rule.and_then(|r| r.stage), &EventInput::default(), scope);
                let outcome = rule.map_or(outcome.clone(), |r| r.passed_over(outcome));
                let is_event = matches!(outcome, ReadingOutcome::Event(_));
                (outcome, rule.filter(|_| is_event).map(|r| self.supplies(r, &stack, scope)).unwrap_or_default())
            }
        };
        Reading { dedup_key, outcome, supplies }
    }

    /// What an item means under a rule that makes no event of it here and now.
    fn silent(&self, rule: &ParsedRule, stack: &Stack<'_>, scope: &Scope<'_>) -> (ReadingOutcome, Vec<Supply>) {
        let Some(record) = &rule.enrich else {
            return (ReadingOutcome::Ignored { rule: rule.name.clone() }, self.supplies(rule, stack, scope));
        };
        let (known, faults) = event(stack, rule.stage, &EventInput::default(), scope);
        // What is not there may be in the record; what is there and wrong will not get better.
        let wrong: Vec<Fault> = faults.into_iter().filter(|f| f.code != "missing").collect();
        if !wrong.is_empty() {
            return (ReadingOutcome::Fault(wrong), Vec::new());
        }
        if known.stage == StageWord::Ignore.as_str() {
            return (ReadingOutcome::Ignored { rule: rule.name.clone() }, self.supplies(rule, stack, scope));
        }
        match self.lookup(record, Some(&known), scope) {
            Ok(lookup) => (ReadingOutcome::NeedsEnrichment(Box::new(lookup)), self.supplies(rule, stack, scope)),
            Err(fault) => (ReadingOutcome::Fault(vec![fault]), Vec::new()),
        }
    }

    fn told(
        &self,
        stack: &Stack<'_>,
        stage: Option<StageWord>,
        known: &EventInput,
        scope: &Scope<'_>,
    ) -> ReadingOutcome {
        let (input, faults) = event(stack, stage, known, scope);
        if !faults.is_empty() {
            return ReadingOutcome::Fault(faults);
        }
        if input.stage == StageWord::Ignore.as_str() {
            return ReadingOutcome::Ignored { rule: "stage-ignored".to_owned() };
        }
        ReadingOutcome::Event(Box::new(input))
    }

    fn supplies(&self, rule: &ParsedRule, stack: &Stack<'_>, scope: &Scope<'_>) -> Vec<Supply> {
        let mut supplies = Vec::new();
        if rule.is_erasure {
            supplies.push(Supply::Erase(identity(stack, scope)));
        } else if rule.is_identity {
            supplies.push(Supply::Identity(identity(stack, scope)));
        }
        for record in &rule.also_read {
            let lookup = self.lookup(record, None, scope);
            supplies.extend(lookup.ok().map(|l| Supply::Read(Box::new(l))));
        }
        supplies
    }

    /// A record to read; `known` is the event that it completes, if it is to complete one.
    fn lookup(&self, record: &str, known: Option<&EventInput>, scope: &Scope<'_>) -> Result<Lookup, Fault> {
        let missing = || Fault::new("record", "missing", format!("the item names no record to read as `{record}`"));
        let spec = self.lookups.get(record).ok_or_else(missing)?;
        let path = spec.path.text(scope)?.ok_or_else(missing)?;
        Ok(Lookup {
            record: record.to_owned(),
            method: "GET".to_owned(),
            path,
            headers: spec.headers.clone(),
            known: known.cloned(),
            item: scope.delivered.unwrap_or(scope.item).clone(),
        })
    }

    /// Reads the answer to a lookup.
    pub(super) fn complete(&self, lookup: &Lookup, answer: &[u8]) -> Reading {
        let fault = |code: &str, why: &str| Reading::fault(vec![Fault::new("record", code, why)]);
        let Some(spec) = self.lookups.get(&lookup.record) else {
            return fault("lookup-unknown", "the preset describes no such record any more; mend it and read again");
        };
        let Ok(root) = serde_json::from_slice::<serde_json::Value>(answer) else {
            return fault("record-not-json", "the vendor's answer is not JSON; it is asked again on a replay");
        };
        let request = super::request::Request::silent();
        let whole =
            Scope { item: &root, root: &root, request: &request, message_id: None, delivered: Some(&lookup.item) };
        let item = match &spec.item {
            None => Some(&root),
            Some(place) => place.values(&whole).into_iter().next(),
        };
        let Some(item) = item else {
            return fault("record-missing", "the vendor's answer holds no such record; it may have been deleted");
        };
        let scope = Scope { item, ..whole };
        let rule = spec.rules.iter().find(|r| r.checks.iter().all(|c| c.holds(&scope)));
        let none = Parsed::default();
        let stack = self.stack(&[&self.own, rule.map_or(&none, |r| &r.layer), &spec.layer]);
        let mut supplies: Vec<Supply> = self.next(spec, &scope).map(|l| Supply::Read(Box::new(l))).collect();
        let outcome = match rule {
            Some(rule) if rule.stage == Some(StageWord::Ignore) => ReadingOutcome::Ignored { rule: rule.name.clone() },
            rule => self.completed(&stack, rule.and_then(|r| r.stage), lookup, &scope),
        };
        if matches!(outcome, ReadingOutcome::Ignored { .. }) && rule.is_none_or(|r| r.is_identity) {
            supplies.insert(0, Supply::Identity(identity(&stack, &scope)));
        }
        Reading { dedup_key: lookup.known.as_ref().map(|k| k.event_id.clone()), outcome, supplies }
    }

    fn completed(
        &self,
        stack: &Stack<'_>,
        stage: Option<StageWord>,
        lookup: &Lookup,
        scope: &Scope<'_>,
    ) -> ReadingOutcome {
        let Some(mut known) = lookup.known.clone() else {
            return ReadingOutcome::Ignored { rule: "identity".to_owned() };
        };
        // The state of a record is one fact, however many deliveries name the record.
        if stack.reader(Field::EventId).is_some() {
            known.event_id.clear();
        }
        match self.told(stack, stage, &known, scope) {
            ReadingOutcome::Fault(faults) if faults.iter().all(|f| f.field == "stage" && f.code == "missing") => {
                ReadingOutcome::Ignored { rule: "record-without-stage".to_owned() }
            }
            outcome => outcome,
        }
    }

    /// The records that an answer leads to.
    fn next<'s>(&'s self, spec: &'s ParsedLookup, scope: &'s Scope<'s>) -> impl Iterator<Item = Lookup> + 's {
        spec.then.iter().flat_map(move |(each, then)| {
            let elements = each.values(scope).into_iter().take(crate::domain::person::PERSONS_PER_KEY_MAX);
            elements.filter_map(|item| self.lookup(&then.read, None, &Scope { item, ..*scope }).ok())
        })
    }

    fn stack<'s>(&'s self, layers: &[&'s Parsed]) -> Stack<'s> {
        let namespaces = self.replaces_namespaces.then_some(&self.own.settings);
        Stack { layers: layers.to_vec(), stages: &self.stages, replaced_namespaces: namespaces }
    }
}

impl ParsedRule {
    /// What becomes of a word that is no stage.
    fn passed_over(&self, outcome: ReadingOutcome) -> ReadingOutcome {
        match outcome {
            ReadingOutcome::Fault(faults)
                if self.unmapped_is_ignored
                    && faults
                        .iter()
                        .any(|f| f.code == "stage-unmapped" || (f.field == "stage" && f.code == "missing")) =>
            {
                ReadingOutcome::Ignored { rule: self.name.clone() }
            }
            outcome => outcome,
        }
    }
}

/// What a mapping that stands alone lacks.
fn incomplete(layer: &Layer) -> Vec<Fault> {
    let needed = [Field::Stage, Field::OccurredAt].into_iter().filter(|f| !layer.fields.contains_key(f));
    needed
        .map(|f| {
            Fault::new(f.as_str(), "mapping-missing", "no event is complete without it; say where it is in the body")
        })
        .collect()
}

struct Compiler {
    names: Vec<String>,
    faults: Vec<Fault>,
}

impl Compiler {
    fn layer(&mut self, layer: &Layer) -> Parsed {
        let mut fields = BTreeMap::new();
        for (field, pick) in &layer.fields {
            match self.reader(*field, pick) {
                Ok(reader) => drop(fields.insert(*field, reader)),
                Err(fault) => self.faults.push(fault),
            }
        }
        Parsed { fields, settings: layer.settings.clone() }
    }

    fn reader(&self, field: Field, pick: &Pick) -> Result<Reader, Fault> {
        let reader = Reader::new(field.as_str(), &pick.named(&self.names))?;
        let makes_sense =
            matches!(field, Field::Stage | Field::Value | Field::ValueMinor | Field::Currency | Field::Network);
        let is_constant = |c: &Candidate| matches!(c, Candidate::Constant { .. });
        if pick.candidates().iter().any(is_constant) && !makes_sense {
            return Err(Fault::new(
                field.as_str(),
                "constant-misplaced",
                "a constant here would make all events the same one or the same person; point to a value",
            ));
        }
        Ok(reader)
    }

    fn rule(&mut self, rule: &Rule) -> ParsedRule {
        let mut checks = Vec::new();
        for condition in &rule.when {
            match condition.check() {
                Ok(check) => checks.push(check),
                Err(fault) => self.faults.push(fault.named(&format!("rules.{}", rule.name))),
            }
        }
        ParsedRule {
            name: rule.name.clone(),
            checks,
            stage: rule.stage,
            unmapped_is_ignored: rule.unmapped_is_ignored,
            refuse: rule.refuse.clone(),
            enrich: rule.enrich.clone(),
            is_identity: rule.identity,
            is_erasure: rule.erase,
            also_read: rule.also_read.clone(),
            layer: self.layer(&rule.map),
        }
    }

    fn lookup(&mut self, spec: &LookupSpec) -> Option<ParsedLookup> {
        let names = self.names.join(",");
        let path = Template::parse(&spec.path.replace(super::pick::CLICK_ID, &names));
        let item = spec.item.as_deref().map(Place::parse).transpose();
        let then = spec.then.iter().map(|t| Ok((Place::parse(&t.each)?, t.clone()))).collect::<Result<Vec<_>, Fault>>();
        let layer = self.layer(&spec.map);
        let rules = spec.rules.iter().map(|r| self.rule(r)).collect();
        match (path, item, then) {
            (Ok(path), Ok(item), Ok(then)) => {
                let headers = spec.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
                Some(ParsedLookup { path, headers, item, layer, rules, then })
            }
            (path, item, then) => {
                self.faults.extend([path.err(), item.err(), then.err()].into_iter().flatten());
                None
            }
        }
    }
}

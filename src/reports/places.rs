//! Places: what touches and costs are in the dimensions of a report and of its filters, each told once.

use std::collections::HashMap;

use super::dimension::{Dimension, Part};
use super::labels::{Labels, Spot};
use super::parameters::{Filters, Parameters};
use crate::domain::calendar::piece_of;
use crate::domain::fault::{Fault, shown};
use crate::domain::time::{Day, UtcMillis};

/// The number of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PlaceId(u32);

/// The number of a day's parts in the dimensions of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PieceId(u32);

/// Rows' parts in the making: those of touches by place, those of time by day.
#[derive(Debug)]
pub(super) struct Places<'a> {
    parameters: &'a Parameters,
    labels: &'a Labels,
    /// The dimensions of touches that are asked for, then those that only filters name.
    dimensions: Vec<Dimension>,
    places: Numbered,
    passes: Vec<bool>,
    /// The places of spots in stretches of unchanged labels.
    known: HashMap<(Spot, usize), PlaceId>,
    pieces: Numbered,
    piece_of_day: HashMap<Day, PieceId>,
}

/// Lists of parts, numbered in the order in which they came.
#[derive(Debug, Default)]
struct Numbered {
    numbers: HashMap<Vec<Part>, u32>,
    list: Vec<Vec<Part>>,
}

impl Numbered {
    /// The number of `parts`, and whether it is new.
    fn number(&mut self, parts: Vec<Part>) -> (u32, bool) {
        if let Some(number) = self.numbers.get(&parts) {
            return (*number, false);
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(parts.clone());
        self.numbers.insert(parts, number);
        (number, true)
    }

    fn get(&self, number: u32) -> &[Part] {
        usize::try_from(number).ok().and_then(|n| self.list.get(n)).map_or(&[], Vec::as_slice)
    }
}

impl<'a> Places<'a> {
    /// For a report; refuses filters by names that nothing has.
    pub(super) fn new(parameters: &'a Parameters, labels: &'a Labels) -> Result<Self, Fault> {
        known(&parameters.filters, labels)?;
        let asked = parameters.by.iter().copied().filter(|d| d.is_of_touch());
        let mut dimensions: Vec<Dimension> = asked.collect();
        dimensions.extend(parameters.filters.keys().filter(|d| !parameters.by.contains(d)));
        Ok(Self {
            parameters,
            labels,
            dimensions,
            places: Numbered::default(),
            passes: Vec::new(),
            known: HashMap::new(),
            pieces: Numbered::default(),
            piece_of_day: HashMap::new(),
        })
    }

    /// The labels that places are told by.
    pub(super) fn labels(&self) -> &'a Labels {
        self.labels
    }

    /// The dimensions of touches, those of filters included.
    pub(super) fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The place of a touch, by the labels of an instant.
    pub(super) fn of(&mut self, spot: &Spot, at: UtcMillis) -> PlaceId {
        let wants = |d: Dimension| self.dimensions.contains(&d);
        // What no dimension tells apart must not make more of them.
        let spot = Spot {
            country: spot.country.filter(|_| wants(Dimension::Country)),
            device: spot.device.filter(|_| wants(Dimension::Device)),
            ..*spot
        };
        let key = (spot, self.labels.stretch(at));
        if let Some(place) = self.known.get(&key) {
            return *place;
        }
        let parts = self.dimensions.iter().map(|d| self.labels.part_of(&spot, *d, at)).collect();
        let place = self.numbered(parts);
        self.known.insert(key, place);
        place
    }

    /// The place of what is nowhere: every part of it is the same.
    pub(super) fn nowhere(&mut self, part: &Part) -> PlaceId {
        let parts = self.dimensions.iter().map(|_| part.clone()).collect();
        self.numbered(parts)
    }

    /// The place with these parts, one for each of [`Self::dimensions`].
    pub(super) fn numbered(&mut self, parts: Vec<Part>) -> PlaceId {
        let passes =
            self.dimensions.iter().zip(&parts).all(|(dimension, part)| {
                self.parameters.filters.get(dimension).is_none_or(|filter| filter.passes(part))
            });
        let (number, is_new) = self.places.number(parts);
        if is_new {
            self.passes.push(passes);
        }
        PlaceId(number)
    }

    /// Its parts, one for each of [`Self::dimensions`].
    pub(super) fn parts(&self, place: PlaceId) -> &[Part] {
        self.places.get(place.0)
    }

    /// Whether a place passes the filters.
    pub(super) fn passes(&self, place: PlaceId) -> bool {
        usize::try_from(place.0).ok().and_then(|n| self.passes.get(n)).copied().unwrap_or(false)
    }

    /// Whether two places are one row, but for time and stage: they may differ in what only filters look at.
    pub(super) fn are_one_row(&self, a: PlaceId, b: PlaceId) -> bool {
        let asked = self.parameters.by.iter().filter(|d| d.is_of_touch()).count();
        let row = |place| self.parts(place).iter().take(asked);
        row(a).eq(row(b))
    }

    /// The parts of a day in the dimensions of time.
    pub(super) fn piece(&mut self, day: Day) -> PieceId {
        if let Some(piece) = self.piece_of_day.get(&day) {
            return *piece;
        }
        let grains = self.parameters.by.iter().filter_map(|d| d.grain());
        let parts = grains.map(|g| Part::named(&piece_of(day, g, self.parameters.fiscal_start))).collect();
        let piece = PieceId(self.pieces.number(parts).0);
        self.piece_of_day.insert(day, piece);
        piece
    }

    /// The key of a row: parts in the order in which the dimensions are asked for.
    pub(super) fn key(&self, place: PlaceId, piece: PieceId, stage: &Part) -> super::RowKey {
        let mut of_touch = self.parts(place).iter();
        let mut of_time = self.pieces.get(piece.0).iter();
        let parts = self.parameters.by.iter().filter_map(|d| match d {
            Dimension::Stage => Some(stage),
            d if d.grain().is_some() => of_time.next(),
            _ => of_touch.next(),
        });
        super::RowKey(parts.cloned().collect())
    }
}

/// A filter by a name that nothing has is a typing error, which would show as an empty report.
fn known(filters: &Filters, labels: &Labels) -> Result<(), Fault> {
    for (dimension, filter) in filters {
        if let Some(unknown) = filter.values().find(|v| !v.starts_with('(') && !labels.may_be(*dimension, v)) {
            let detail = format!("there is no {dimension} {}; use a code that the list of them shows", shown(unknown));
            return Err(Fault::new(dimension.as_str(), "filter-unknown", detail));
        }
    }
    Ok(())
}

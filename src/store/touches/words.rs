//! The dictionary: texts that touches repeat, once each, and a memory of their numbers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use diesel::prelude::*;

use super::{DEVICE_UNKNOWN, NewTouch};
use crate::domain::client::Device;
use crate::store::schema::dictionary;
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError};

/// Most words that are remembered; about 20 MB of user agents. A full memory starts again, as a rare word is no use.
const REMEMBERED_MAX: usize = 100_000;

/// Numbers of words that are in the database for good.
///
/// A word is remembered after its transaction has committed, never before: a number of a transaction that was rolled
/// back would name another word later.
#[derive(Debug, Default)]
pub struct Words {
    numbers: HashMap<String, i32>,
}

/// The texts of a touch that are words of the dictionary.
fn texts<'t>(touch: &'t NewTouch<'_>) -> impl Iterator<Item = &'t str> {
    let optional = [&touch.user_agent, &touch.referrer, &touch.page];
    [touch.class_rule.as_ref(), touch.client.device.as_ref()]
        .into_iter()
        .chain(optional.into_iter().flatten().map(AsRef::as_ref))
        .chain(touch.client.range_labels.as_deref())
}

impl Words {
    /// The words of a list whose numbers are not remembered, in one order for everyone who adds them.
    pub fn lacking(&self, list: &[NewTouch<'_>]) -> Vec<String> {
        let lacking: BTreeSet<&str> = list.iter().flat_map(texts).filter(|t| !self.numbers.contains_key(*t)).collect();
        lacking.into_iter().map(str::to_owned).collect()
    }

    /// Remembers what `numbers_of` answered, once it is committed.
    pub fn remember(&mut self, numbers: Vec<(String, i32)>) {
        if self.numbers.len() + numbers.len() > REMEMBERED_MAX {
            self.numbers.clear();
        }
        self.numbers.extend(numbers);
    }

    pub(super) fn number(&self, text: &str) -> Result<i32, StoreError> {
        let number = self.numbers.get(text).copied();
        number.ok_or_else(|| StoreError::Other("a word was not added to the dictionary before its touch".into()))
    }

    pub(super) fn optional<T: AsRef<str>>(&self, text: Option<&T>) -> Result<Option<i32>, StoreError> {
        text.map(|t| self.number(t.as_ref())).transpose()
    }

    /// Adds words to the dictionary where they lack, and answers their numbers.
    pub fn add(conn: &mut Conn, words: &[String]) -> Result<Vec<(String, i32)>, StoreError> {
        let mut numbers = Vec::with_capacity(words.len());
        for chunk in words.chunks(ROWS_PER_STATEMENT) {
            let mut known = find(conn, chunk)?;
            let lacking: Vec<_> = chunk.iter().filter(|w| !known.contains_key(w.as_str())).collect();
            if !lacking.is_empty() {
                let rows: Vec<_> = lacking.iter().map(|w| dictionary::entry.eq(w.as_str())).collect();
                on!(conn, c => diesel::insert_into(dictionary::table).values(&rows).on_conflict_do_nothing().execute(c))?;
                known = find(conn, chunk)?;
            }
            numbers.extend(known);
        }
        Ok(numbers)
    }
}

/// The other way round: words by their numbers, each read once.
#[derive(Debug, Default)]
pub(super) struct Texts {
    texts: HashMap<i32, Arc<str>>,
}

impl Texts {
    /// Reads the words of some numbers that are not known yet.
    pub(super) fn learn(&mut self, conn: &mut Conn, numbers: impl Iterator<Item = i32>) -> Result<(), StoreError> {
        if self.texts.len() > REMEMBERED_MAX {
            self.texts.clear();
        }
        let lacking: BTreeSet<i64> = numbers.filter(|n| !self.texts.contains_key(n)).map(i64::from).collect();
        let lacking: Vec<i64> = lacking.into_iter().collect();
        for chunk in lacking.chunks(ROWS_PER_STATEMENT) {
            let rows: Vec<(i64, String)> = on!(conn, c => dictionary::table.filter(dictionary::id.eq_any(chunk))
                .select((dictionary::id, dictionary::entry)).load(c))?;
            for (id, entry) in rows {
                self.texts.insert(narrow(id)?, entry.into());
            }
        }
        Ok(())
    }

    /// A word that was learnt.
    pub(super) fn text(&self, number: i32) -> Result<Arc<str>, StoreError> {
        let text = self.texts.get(&number).cloned();
        text.ok_or_else(|| StoreError::Corrupt(format!("the dictionary has no word {number}")))
    }
}

/// A kind of device: its number in the dictionary. It tells devices apart in one database; reports show and sort names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub i32);

/// The names of devices, such as `mobile`.
pub fn devices(conn: &mut Conn) -> Result<HashMap<DeviceId, Arc<str>>, StoreError> {
    let names = Device::ALL.iter().map(|d| d.as_str()).chain([DEVICE_UNKNOWN]);
    let numbers = find(conn, &names.map(str::to_owned).collect::<Vec<_>>())?;
    Ok(numbers.into_iter().map(|(name, number)| (DeviceId(number), name.into())).collect())
}

fn narrow(id: i64) -> Result<i32, StoreError> {
    i32::try_from(id).map_err(|_full| StoreError::Other("the dictionary is full".into()))
}

fn find(conn: &mut Conn, words: &[String]) -> Result<HashMap<String, i32>, StoreError> {
    let rows: Vec<(String, i64)> = on!(conn, c => dictionary::table.filter(dictionary::entry.eq_any(words))
        .select((dictionary::entry, dictionary::id)).load(c))?;
    rows.into_iter().map(|(word, id)| Ok((word, narrow(id)?))).collect()
}

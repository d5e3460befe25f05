//! Address ranges that the operator knows: whose they are, and what comes from there.
//!
//! A range is `NETWORK CLASS LABEL`: `192.0.2.0/24 scanner mimecast`; `-` for a class means only the label. The
//! longest prefix with a class decides; the labels of all matching ranges are kept with the touch.
//!
//! Ranges either contain each other or are disjoint, so all of them together cut the addresses into intervals, each
//! with one class and one list of labels. They are cut once, at the start; a look-up is one binary search. IPv4 is
//! looked up as IPv4-mapped IPv6 (`::ffff:0:0/96`), so both notations of an address are one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::domain::fault::{Fault, shown};
use crate::domain::touch::TouchClass;

/// Longest label, in bytes.
const LABEL_LEN_MAX: usize = 60;
/// How an entry is written, for messages.
const FORM: &str = "write a network, a class (human, bot, preview, scanner or -) and a label, such as `192.0.2.0/24 \
                    scanner mimecast`";

/// An address as a number: IPv4 as IPv4-mapped IPv6.
pub(super) fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// What is known of the place an address belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The class and the label that gave it.
    pub(super) class: Option<(TouchClass, Arc<str>)>,
    /// All labels, the longest prefix first, with a comma and no space between; empty for none.
    pub(super) labels: Arc<str>,
}

/// One configured range.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    first: u128,
    last: u128,
    class: Option<TouchClass>,
    label: Arc<str>,
}

/// All ranges, cut into intervals.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Where each interval begins and what holds up to the next one; sorted.
    intervals: Vec<(u128, Place)>,
    /// The class of each label.
    classes: BTreeMap<Arc<str>, Option<TouchClass>>,
}

impl Ranges {
    /// Reads the entries of the configuration and the lines of the operator's file, both under the name by which
    /// their writer knows them.
    pub(super) fn parse<'a>(entries: impl Iterator<Item = (String, &'a str)>) -> Result<Self, Fault> {
        let (mut list, mut classes) = (Vec::new(), BTreeMap::new());
        let mut networks: BTreeMap<(u128, u128), (TouchClass, Arc<str>)> = BTreeMap::new();
        let name = |class: Option<TouchClass>| class.map_or("-", TouchClass::as_str);
        for (whence, entry) in entries {
            let range = parse_range(entry).map_err(|why| Fault::new(&whence, "range-malformed", why))?;
            let known = *classes.entry(Arc::clone(&range.label)).or_insert(range.class);
            if known != range.class {
                let (here, elsewhere) = (name(range.class), name(known));
                let why = format!(
                    "the label {} stands for {elsewhere} elsewhere and for {here} here; stored touches keep only the \
                     label, so give each class a label of its own",
                    range.label
                );
                return Err(Fault::new(whence, "range-label", why));
            }
            if let Some(class) = range.class {
                let key = (range.first, range.last);
                let (held, label) = networks.entry(key).or_insert_with(|| (class, Arc::clone(&range.label)));
                if *held != class {
                    let why = format!("this network is {held} already, by the label {label}; keep one of the two");
                    return Err(Fault::new(whence, "range-twice", why));
                }
            }
            list.push(range);
        }
        list.sort_by(|a, b| (a.first, b.last).cmp(&(b.first, a.last)));
        Ok(Self { intervals: intervals(&list), classes })
    }

    /// What is known of an address, by its number.
    pub(super) fn find(&self, address: u128) -> Option<&Place> {
        let after = self.intervals.partition_point(|(first, _)| *first <= address);
        let (_, place) = self.intervals.get(after.checked_sub(1)?)?;
        (!place.labels.is_empty()).then_some(place)
    }

    /// What the stored labels of a touch say today: the first of them that has a class.
    pub(super) fn by_labels<'a>(&self, labels: &'a str) -> Option<(TouchClass, &'a str)> {
        labels.split(',').find_map(|label| Some(((*self.classes.get(label)?)?, label)))
    }
}

/// Cuts ranges, sorted with the wider before the narrower, into intervals.
fn intervals(ranges: &[Range]) -> Vec<(u128, Place)> {
    let mut cut: Vec<(u128, Place)> = Vec::new();
    let mut open: Vec<&Range> = Vec::new();
    for range in ranges {
        close(&mut open, &mut cut, Some(range.first));
        open.push(range);
        begin(&mut cut, range.first, place_of(&open));
    }
    close(&mut open, &mut cut, None);
    cut
}

/// Ends the open ranges that do not reach `until`.
fn close(open: &mut Vec<&Range>, cut: &mut Vec<(u128, Place)>, until: Option<u128>) {
    while let Some(range) = open.pop_if(|range| until.is_none_or(|until| range.last < until)) {
        if let Some(next) = range.last.checked_add(1) {
            begin(cut, next, place_of(open));
        }
    }
}

fn begin(cut: &mut Vec<(u128, Place)>, at: u128, place: Place) {
    match cut.last_mut() {
        Some((first, last)) if *first == at => *last = place,
        _ => cut.push((at, place)),
    }
}

fn place_of(open: &[&Range]) -> Place {
    let mut labels: Vec<&str> = Vec::new();
    for range in open.iter().rev() {
        if !labels.contains(&range.label.as_ref()) {
            labels.push(&range.label);
        }
    }
    let class = open.iter().rev().find_map(|range| Some((range.class?, Arc::clone(&range.label))));
    Place { class, labels: labels.join(",").into() }
}

fn parse_range(entry: &str) -> Result<Range, String> {
    let words: Vec<&str> = entry.split_whitespace().collect();
    let &[network, class, label] = words.as_slice() else {
        return Err(format!("{} has {} words, not three; {FORM}", shown(entry), words.len()));
    };
    let class = match class {
        "-" => None,
        name => Some(super::settable_class(name).ok_or_else(|| format!("{} is no class for it; {FORM}", shown(name)))?),
    };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if label.len() > LABEL_LEN_MAX || !label.bytes().all(is_plain) {
        return Err(format!(
            "the label {} may have letters, digits, - _ and . only, {LABEL_LEN_MAX} of them at most",
            shown(label)
        ));
    }
    let (first, last) = parse_network(network)?;
    Ok(Range { first, last, class, label: label.into() })
}

/// The first and last address of a network; a bare address is a network of one.
fn parse_network(text: &str) -> Result<(u128, u128), String> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let parsed: IpAddr = address.parse().map_err(|_not_one| format!("{} is no IP address; {FORM}", shown(address)))?;
    let bits_of_kind: u32 = if parsed.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => bits_of_kind,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|bits| *bits <= bits_of_kind)
            .ok_or_else(|| format!("{} is no prefix length from 0 to {bits_of_kind}; {FORM}", shown(digits)))?,
    };
    // Counted from the right, a prefix is the same in both notations.
    let host_bits = bits_of_kind - prefix;
    let host_mask = u128::MAX.checked_shr(128 - host_bits).unwrap_or(0);
    let first = number_of(parsed) & !host_mask;
    if first != number_of(parsed) {
        let network = match parsed {
            IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(first & u128::from(u32::MAX)).unwrap_or(0)).to_string(),
            IpAddr::V6(_) => Ipv6Addr::from_bits(first).to_string(),
        };
        return Err(format!("{} is inside its network; write {network}/{prefix}", shown(text)));
    }
    Ok((first, first | host_mask))
}

/// The entries of an operator's file: one a line; `#` begins a comment.
pub(super) fn lines_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.split('#').next().unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
}

#[cfg(test)]
mod tests;

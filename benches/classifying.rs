//! How many records a second the classifier takes, on one core: `cargo bench --bench classifying [-- MMDB]`.
//!
//! Realistic traffic: 200,000 records of 3,000 user agents (a twentieth of them programs) from 20,000 addresses on
//! 2,000 links over ten minutes, with some mail scanners; 200 ranges. Then what traffic may be at its worst: every
//! record with a user agent of its own, and every record from one address. Prints the median of seven rounds.

#![expect(clippy::float_arithmetic, reason = "figures for people, of no money")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Instant;

use headwater::domain::ids::{LinkId, TouchId};
use headwater::domain::time::UtcMillis;
use headwater::domain::touch::{ClientFacts, RecordKind, TouchRecord};
use headwater::tracking::classify::{ClassificationSettings, Classifier};

const RECORDS: u32 = 200_000;
const ROUNDS: usize = 7;

/// A small generator, so that every run has the same records.
fn mixed(number: u32) -> u32 {
    let mut x = u64::from(number).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((x ^ (x >> 31)) & u64::from(u32::MAX)).unwrap_or(0)
}

fn user_agent(number: u32) -> String {
    match number % 20 {
        0 => format!("Mozilla/5.0 (compatible; SomeBot/{number}.0; +http://some.example/bot.html)"),
        1..=9 => format!(
            "Mozilla/5.0 (Linux; Android 14; SM-{number} Build/UP1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) \
             Version/4.0 Chrome/126.0.6478.71 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/{number}.1.0.56.78;]"
        ),
        10..=14 => format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Mobile/21F79 Instagram {number}.0.8.29.90 (iPhone14,5; iOS 17_5; de_DE; de; scale=3.00; 1170x2532)"
        ),
        _ => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{number}.0.0.0 \
             Safari/537.36"
        ),
    }
}

fn records(agents: u32, addresses: u32) -> Vec<TouchRecord<'static>> {
    let start = 1_750_000_000_000_i64;
    let one = |i: u32| {
        let address = IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 | (mixed(i ^ 0x5555) % addresses)));
        TouchRecord {
            id: TouchId::new(UtcMillis(start + i64::from(i) * 3), [0; 10].map(|_: u8| i.to_le_bytes()[0])),
            occurred_at: UtcMillis(start + i64::from(i) * 3),
            kind: RecordKind::Click { link: LinkId(i64::from(mixed(i ^ 0xaaaa) % 2_000)) },
            visitor: None,
            private: i.is_multiple_of(20),
            client: ClientFacts {
                user_agent: Some(user_agent(mixed(i) % agents).into()),
                address: Some(address),
                accept_language: true,
                navigation: true,
                ..ClientFacts::default()
            },
            network_ids: vec![],
        }
    };
    (0..RECORDS).map(one).collect()
}

fn settings() -> ClassificationSettings {
    let ranges = (0..200).map(|i| format!("11.{}.{}.0/24 - range-{i}", i % 2, i));
    ClassificationSettings {
        ranges: ranges.collect(),
        country_database: std::env::args().nth(1).filter(|a| !a.starts_with("--")).map(PathBuf::from),
        ..ClassificationSettings::default()
    }
}

fn round(records: &[TouchRecord<'_>]) -> f64 {
    let mut next = 0;
    let keys = move || {
        next += 1;
        [next; 16]
    };
    let mut classifier = match Classifier::new(&settings(), Box::new(keys)) {
        Ok(classifier) => classifier,
        Err(fault) => {
            eprintln!("{fault}");
            std::process::exit(1);
        }
    };
    let begun = Instant::now();
    for record in records {
        black_box(classifier.classify(black_box(record), None));
    }
    f64::from(RECORDS) / begun.elapsed().as_secs_f64()
}

fn main() {
    let first = records(1, 1);
    let begun = Instant::now();
    // The first user agent is asked of all lists.
    round(first.get(..1).unwrap_or_default());
    println!("lists built in {:.1} ms ({})", begun.elapsed().as_secs_f64() * 1e3, Classifier::list_version());
    for (name, agents, addresses) in [
        ("realistic traffic", 3_000, 20_000),
        ("every user agent new", u32::MAX, 20_000),
        ("all from one address", 3_000, 1),
        ("one source", 1, 1),
    ] {
        let records = records(agents, addresses);
        let mut rates: Vec<f64> = (0..ROUNDS).map(|_| round(&records)).collect();
        rates.sort_by(f64::total_cmp);
        let at = |i: usize| rates.get(i).copied().unwrap_or_default() / 1e3;
        println!("{name}: {:.0} k records/s ({:.0}..{:.0})", at(ROUNDS / 2), at(0), at(ROUNDS - 1));
    }
}

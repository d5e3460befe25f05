//! The classifier as the loader uses it: records in, enriched touches out.

use super::*;
use crate::domain::touch::Arrival;
use crate::tracking::classify::country::tests::{database, geolite};

const NOON: i64 = 1_750_000_000_000;
const BROWSER: &str = HUMANS[0];

fn classifier(settings: &ClassificationSettings) -> Classifier {
    let mut next = 0;
    let keys = move || {
        next += 1;
        [next; 16]
    };
    Classifier::new(settings, Box::new(keys)).expect("settings")
}

/// A browser's click from a public address.
fn click(number: u128, at: i64, link: i64) -> TouchRecord<'static> {
    TouchRecord {
        id: TouchId(uuid::Uuid::from_u128(number)),
        occurred_at: UtcMillis(NOON + at),
        kind: RecordKind::Click { link: LinkId(link) },
        visitor: None,
        private: false,
        client: ClientFacts { address: Some("192.0.2.7".parse().expect("address")), ..facts(BROWSER) },
        network_ids: vec![],
    }
}

fn with_address(address: &str) -> TouchRecord<'static> {
    let mut record = click(1, 0, 1);
    record.client.address = Some(address.parse().expect("address"));
    record
}

#[test]
fn a_record_is_enriched_with_what_its_address_tells() {
    let dir = tempfile::tempdir().expect("directory");
    let (countries, ranges) = (dir.path().join("c.mmdb"), dir.path().join("ranges.txt"));
    std::fs::write(&countries, database("Country", &[([192, 0, 2, 0], 24, geolite("DE"))])).expect("write");
    std::fs::write(&ranges, "192.0.2.0/24 - test-net # documentation\n").expect("write");
    let mut classifier = classifier(&ClassificationSettings {
        country_database: Some(countries),
        ranges_file: Some(ranges),
        ranges: vec!["192.0.2.64/26 scanner gateway".into(), "198.51.100.0/24 human office".into()],
        ..ClassificationSettings::default()
    });
    let seen = classifier.classify(&click(1, 0, 1), None);
    assert_eq!((seen.class, seen.rule.as_ref()), (TouchClass::Human, "browser"));
    assert_eq!(seen.country.map(|c| c.to_string()).as_deref(), Some("DE"));
    assert_eq!(seen.device, Device::Desktop);
    assert_eq!(seen.range_labels.as_deref(), Some("test-net"));
    assert_eq!(seen.signals.bits(), 0b1100);
    assert!(seen.source_hash.is_some_and(|hash| hash >= 0) && seen.revised.is_empty());

    let gateway = classifier.classify(&with_address("192.0.2.65"), None);
    assert_eq!((gateway.class, gateway.rule.as_ref()), (TouchClass::Scanner, "range:gateway"));
    assert_eq!(gateway.range_labels.as_deref(), Some("gateway,test-net"));
    let office = classifier.classify(&with_address("198.51.100.1"), None);
    assert_eq!((office.class, office.rule.as_ref(), office.country), (TouchClass::Human, "range:office", None));
    let again = classifier.classify(&with_address("198.51.100.1"), Some(UtcMillis(NOON - 1)));
    assert_eq!(again.rule, "repeat", "an office's people repeat themselves too");

    let mut private = click(2, 0, 1);
    private.private = true;
    let kept = classifier.classify(&private, None);
    assert_eq!((kept.source_hash, kept.country.is_some()), (None, true), "a country, and no hash");
    let mut bot = click(3, 0, 1);
    bot.client.user_agent = Some("Googlebot/2.1".into());
    assert_eq!(classifier.classify(&bot, None).device, Device::Other);
    let mut unknown = click(4, 0, 1);
    unknown.client.address = None;
    let unknown = classifier.classify(&unknown, None);
    assert_eq!((unknown.source_hash, unknown.range_labels, unknown.country), (None, None, None));
}

#[test]
fn a_burst_revises_what_was_said_before() {
    let mut classifier = classifier(&ClassificationSettings::default());
    let burst: Vec<_> = (1..=5).map(|i| click(i, 100 * i as i64, i as i64)).collect();
    let first: Vec<_> = burst.iter().map(|record| classifier.classify(record, None)).collect();
    assert!(first[..4].iter().all(|e| e.rule == "browser"));
    assert_eq!((first[4].class, first[4].rule.as_ref()), (TouchClass::Scanner, "burst"));
    let revised: Vec<_> = first[4].revised.iter().map(|r| (r.touch, r.class, r.rule.as_ref())).collect();
    assert_eq!(revised, burst[..4].iter().map(|r| (r.id, TouchClass::Scanner, "burst")).collect::<Vec<_>>());
    // The database refused the batch: it comes again, then in halves.
    for part in [&burst[..], &burst[..2], &burst[2..]] {
        for record in part {
            let at = burst.iter().position(|r| r.id == record.id).expect("one of them");
            assert_eq!(classifier.classify(record, None), first[at]);
        }
    }
}

#[test]
fn behaviour_is_no_matter_where_it_tells_nothing() {
    let run = |settings: &ClassificationSettings, change: &dyn Fn(&mut TouchRecord<'static>)| {
        let mut classifier = classifier(settings);
        let judge = |i: u128| {
            let mut record = click(i, i as i64, i as i64);
            change(&mut record);
            classifier.classify(&record, None).rule.into_owned()
        };
        (1..=6).map(judge).last().expect("six")
    };
    let default = ClassificationSettings::default();
    let office = ClassificationSettings { ranges: vec!["192.0.2.0/24 human office".into()], ..default.clone() };
    assert_eq!(run(&default, &|_| {}), "burst");
    assert_eq!(run(&default, &|r| r.client.head = true), "burst", "heads of many links");
    assert_eq!(run(&default, &|r| r.client.prefetch = true), "prefetch", "a page may prefetch all its links");
    assert_eq!(run(&office, &|_| {}), "range:office");
    assert_eq!(run(&default, &|r| r.client.address = Some("10.0.0.1".parse().expect("address"))), "browser", "a proxy");
    assert_eq!(run(&default, &|r| r.kind = RecordKind::View { link: Some(LinkId(1)) }), "browser", "pictures");
    assert_eq!(run(&default, &|r| r.kind = RecordKind::Landing(Arrival::default())), "browser");
    let known = VisitorId::new(UtcMillis(NOON - 120_000), [1; 10]);
    assert_eq!(run(&default, &|r| r.visitor = Some(known)), "browser", "a cookie of an earlier visit");
    let new = VisitorId::new(UtcMillis(NOON), [1; 10]);
    assert_eq!(run(&default, &|r| r.visitor = Some(new)), "burst", "a cookie of this one");
    assert_eq!(run(&default, &|r| r.client.user_agent = Some("curl/8".into())), "ua-bot:curl/");
    assert_eq!(run(&default, &|r| r.private = true), "burst", "compared in memory, stored nowhere");
}

#[test]
fn an_ipv6_customer_is_one_source_and_his_neighbours_are_others() {
    let burst = |address: &dyn Fn(u128) -> String| {
        let mut classifier = classifier(&ClassificationSettings::default());
        let judge = |i: u128| {
            let mut record = click(i, i as i64, i as i64);
            record.client.address = Some(address(i).parse().expect("address"));
            classifier.classify(&record, None).rule.into_owned()
        };
        (1..=5).map(judge).last().expect("five")
    };
    assert_eq!(burst(&|i| format!("2001:db8::{i}")), "burst");
    assert_eq!(burst(&|i| format!("2001:db8:0:{i}::1")), "browser");
    assert_eq!(burst(&|i| format!("192.0.2.{i}")), "browser");
}

#[test]
fn a_stored_touch_is_classified_by_the_rules_of_today() {
    let settings = ClassificationSettings {
        agents: vec!["scanner AcmeMail/".into(), "human Kiosk-Crawler".into()],
        ranges: vec!["192.0.2.0/24 scanner gateway".into()],
        ..ClassificationSettings::default()
    };
    let mut classifier = classifier(&settings);
    let full = Signals::ACCEPT_LANGUAGE.with(Signals::NAVIGATION);
    let stored = StoredTouch {
        kind: TouchKind::Click,
        occurred_at: UtcMillis(NOON),
        user_agent: Some(BROWSER),
        signals: full,
        range_labels: None,
        class: TouchClass::Human,
        rule: "browser",
        previous_human: None,
    };
    let mut rule = |touch: StoredTouch<'_>| {
        let verdict = classifier.classify_again(&touch);
        (verdict.class, verdict.rule.into_owned())
    };
    let is = |class, rule: &str| (class, rule.to_owned());
    assert_eq!(rule(stored), is(TouchClass::Human, "browser"));
    assert_eq!(
        rule(StoredTouch { user_agent: Some("AcmeMail/2"), ..stored }),
        is(TouchClass::Scanner, "ua-own:AcmeMail/")
    );
    assert_eq!(rule(StoredTouch { user_agent: Some("Kiosk-Crawler"), ..stored }), is(TouchClass::Human, "browser"));
    assert_eq!(rule(StoredTouch { user_agent: None, ..stored }), is(TouchClass::Bot, "ua-missing"));
    assert_eq!(rule(StoredTouch { signals: Signals::HEAD, ..stored }), is(TouchClass::Bot, "head"));
    assert_eq!(
        rule(StoredTouch { range_labels: Some("rack-3,gateway"), ..stored }),
        is(TouchClass::Scanner, "range:gateway")
    );
    let repeat = StoredTouch { previous_human: Some(UtcMillis(NOON - 10_000)), ..stored };
    assert_eq!(rule(repeat), is(TouchClass::Repeat, "repeat"));
    let burst = StoredTouch { class: TouchClass::Scanner, rule: "burst", ..stored };
    assert_eq!(rule(burst), is(TouchClass::Scanner, "burst"), "the touches that showed it are not at hand");
    assert_eq!(rule(StoredTouch { user_agent: Some("curl/8"), ..burst }), is(TouchClass::Bot, "ua-bot:curl/"));
    let imported = StoredTouch { rule: "imported", user_agent: None, signals: Signals::default(), ..stored };
    assert_eq!(rule(imported), is(TouchClass::Human, "imported"));
}

#[test]
fn wrong_settings_are_named() {
    let fault = |change: &dyn Fn(&mut ClassificationSettings)| {
        let mut settings = ClassificationSettings::default();
        change(&mut settings);
        Classifier::new(&settings, Box::new(|| [0; 16])).err().expect("a fault").to_string()
    };
    for (text, expected) in [
        (fault(&|s| s.burst_links = 1), "classification.burst_links: 1 links make no burst; write 2 to 50, or 0"),
        (fault(&|s| s.burst_window_ms = 60_001), "classification.burst_window_ms: 60001 ms is too long"),
        (fault(&|s| s.crowd_agents = 1), "classification.crowd_agents: 1 is no crowd"),
        (fault(&|s| s.ranges = vec!["x".into()]), "classification.ranges[0]: `x` has 1 words"),
        (fault(&|s| s.agents = vec!["x".into()]), "classification.agents[0]: `x` has no class"),
        (fault(&|s| s.ranges_file = Some("/none".into())), "classification.ranges_file: cannot read /none"),
        (fault(&|s| s.country_database = Some("/none".into())), "classification.country_database: cannot read /none"),
    ] {
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn the_defaults_are_those_of_the_configuration() {
    let text = include_str!("../../../../config/default.toml");
    let section = text.parse::<toml::Table>().expect("toml").remove("classification").expect("the section");
    let number = |key: &str| section[key].as_integer().and_then(|n| usize::try_from(n).ok()).expect("a number");
    let default = ClassificationSettings::default();
    assert_eq!(default.burst_links, number("burst_links"));
    assert_eq!(default.burst_window_ms, number("burst_window_ms") as u64);
    assert_eq!(default.head_then_get_ms, number("head_then_get_ms") as u64);
    assert_eq!(default.crowd_agents, number("crowd_agents"));
}

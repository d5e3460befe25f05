//! Touches are classified with all that is known of them, and corrected when more is known.

use headwater::tracking::writer::RecordSink as _;

use crate::support::traffic::{
    PROXIED, Visitor, accept_inserts, clicks, horizon, kept, links, record, refuse_inserts, report_bytes, rules, sink,
    write_countries,
};
use crate::support::{Backend, TestApp};

on_both_proxied! {
    fn a_click_is_kept_with_what_its_address_told(app) {
        links(app, 1);
        app.stop();
        let countries = app.dir.path().join("countries.mmdb");
        write_countries(&countries);
        app.config.classification.country_database = Some(countries);
        app.config.classification.ranges = vec!["203.0.113.0/28 - rack-3".into(), "203.0.113.0/30 scanner gateway".into()];
        app.run();
        Visitor::of(app).open(60_000, "GET", "l1");
        Visitor { address: "203.0.113.1", ..Visitor::of(app) }.open(60_000, "GET", "l1");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
        Visitor { address: "198.51.100.9", user_agent: phone, navigates: false, ..Visitor::of(app) }.open(60_000, "GET", "l1");
        let stored = kept(app);
        let (here, gateway, phone) = (&stored[0], &stored[1], &stored[2]);
        assert_eq!((here.class_rule.as_str(), here.country.as_deref(), here.device.as_str()), ("browser", Some("DE"), "desktop"));
        assert_eq!((here.range_labels.as_deref(), here.signals), (Some("rack-3"), Some(0b1100)));
        assert!(here.source_hash.is_some_and(|hash| hash >= 0) && here.source_hash != gateway.source_hash);
        assert_eq!((gateway.class.as_str(), gateway.class_rule.as_str()), ("scanner", "range:gateway"));
        assert_eq!(gateway.range_labels.as_deref(), Some("gateway,rack-3"));
        assert_eq!((&phone.country, phone.device.as_str(), phone.signals), (&None, "phone", Some(0b0100)));
        assert_eq!(clicks(app, horizon(app)), 2);
    }

    fn a_burst_corrects_the_touches_that_are_stored(app) {
        links(app, 5);
        let mut scanner = Visitor::of(app);
        for n in 1..=4 {
            scanner.open(100, "GET", &format!("l{n}"));
            app.settle();
        }
        let before = horizon(app);
        let report = report_bytes(app, before);
        assert_eq!(clicks(app, before), 4);
        scanner.open(100, "GET", "l5");
        assert_eq!(rules(app), ["scanner burst"; 5]);
        assert_eq!(clicks(app, horizon(app)), 0);
        assert_eq!(report_bytes(app, before), report, "what was said before stays said");
        // A person at another address is none of it.
        Visitor { address: "198.51.100.9", ..Visitor::of(app) }.open(100, "GET", "l1");
        assert_eq!(clicks(app, horizon(app)), 1);
    }

    fn a_get_after_its_head_corrects_the_head(app) {
        links(app, 1);
        let mut scanner = Visitor { navigates: false, ..Visitor::of(app) };
        scanner.open(60_000, "HEAD", "l1");
        assert_eq!(rules(app), ["bot head"]);
        scanner.open(1_000, "GET", "l1");
        assert_eq!(rules(app), ["scanner head-then-get"; 2]);
        Visitor::of(app).open(60_000, "GET", "l1");
        assert_eq!(rules(app)[2], "human browser");
    }

    /// The double click of a scanner's browser repeats nobody.
    fn a_click_after_one_that_was_corrected_is_no_repeat_of_it(app) {
        links(app, 5);
        let mut scanner = Visitor::of(app);
        for n in 1..=5 {
            scanner.open(100, "GET", &format!("l{n}"));
            app.settle();
        }
        scanner.open(6_000, "GET", "l1");
        assert_eq!(rules(app)[5], "human browser", "alone it is no burst, and there is no human click before it");
    }

    fn a_batch_that_is_loaded_twice_is_corrected_once(app) {
        links(app, 5);
        let burst: Vec<_> = (1..=5).map(|n| record(app, 7, n)).collect();
        // A process that stored four of them and died before its checkpoint: the next one reads them again.
        sink(app).store(&burst[..4]).expect("stored");
        assert_eq!(rules(app), ["human browser"; 4]);
        let mut next = sink(app);
        let done = next.store(&burst).expect("stored");
        assert_eq!((done.stored, done.duplicate), (1, 4));
        assert_eq!(rules(app), ["scanner burst"; 5]);
        // A batch that is tried again shows the same, and changes nothing.
        let before = horizon(app);
        assert_eq!(next.store(&burst[4..]).expect("stored").duplicate, 1);
        assert_eq!(horizon(app) - before, 1, "the batch's own stamp alone");
    }

    fn a_batch_that_is_refused_and_comes_in_halves_is_judged_as_a_whole(app) {
        links(app, 5);
        let burst: Vec<_> = (1..=5).map(|n| record(app, 7, n)).collect();
        let mut sink = sink(app);
        refuse_inserts(app, "touches");
        sink.store(&burst).expect_err("refused");
        accept_inserts(app, "touches");
        assert_eq!(rules(app), [""; 0]);
        sink.store(&burst[..2]).expect("stored");
        sink.store(&burst[2..]).expect("stored");
        assert_eq!(rules(app), ["scanner burst"; 5]);
    }

    fn corrections_outlive_a_database_that_is_away(app) {
        links(app, 5);
        let burst: Vec<_> = (1..=5).map(|n| record(app, 7, n)).collect();
        let mut sink = sink(app);
        sink.store(&burst[..4]).expect("stored");
        refuse_inserts(app, "touch_classes");
        assert_eq!(sink.store(&burst[4..]).expect("the click itself is stored").stored, 1);
        let waiting = [&["human browser"; 4][..], &["scanner burst"]].concat();
        assert_eq!(rules(app), waiting);
        sink.store(&[record(app, 8, 1)]).expect("stored");
        accept_inserts(app, "touch_classes");
        sink.store(&[record(app, 9, 1)]).expect("stored");
        assert_eq!(clicks(app, horizon(app)), 2, "of two other addresses");
    }

    fn the_last_corrections_are_written_when_the_writer_ends(app) {
        links(app, 5);
        let burst: Vec<_> = (1..=5).map(|n| record(app, 7, n)).collect();
        let mut sink = sink(app);
        sink.store(&burst[..4]).expect("stored");
        refuse_inserts(app, "touch_classes");
        sink.store(&burst[4..]).expect("stored");
        accept_inserts(app, "touch_classes");
        drop(sink);
        assert_eq!(rules(app), ["scanner burst"; 5]);
    }

    /// Each transaction of corrections is an epoch that every report looks at.
    fn many_scanners_are_corrected_at_a_pace(app) {
        links(app, 5);
        let mut sink = sink(app);
        for address in 1..=50 {
            app.clock.advance_ms(2_000);
            for part in [1..=4, 5..=5] {
                let list: Vec<_> = part.map(|n| record(app, address, n)).collect();
                sink.store(&list).expect("stored");
            }
        }
        // 100 seconds: thirty at once, and one for each minute.
        assert_eq!(clicks(app, horizon(app)), 4 * (50 - 31));
        app.clock.advance_ms(60_000);
        sink.store(&[record(app, 99, 1)]).expect("stored");
        assert_eq!(clicks(app, horizon(app)), 1, "all that waited, in one");
    }
}

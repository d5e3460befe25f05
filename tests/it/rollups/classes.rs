//! Classes that change after touches were rolled up.

use headwater::store::Moments;
use headwater::store::touches::Reclassified;
use headwater::tracking::writer::RecordSink;

use super::*;
use crate::support::row;

on_both! {
    fn a_new_class_counts_from_its_recording_on(app) {
        two_links(&app);
        app.click("go");
        app.click("go");
        app.settle();
        let before = horizon(&app);
        let id = all_ids(&app)[0];
        let bot = [Reclassified { touch: id, class: TouchClass::Bot, rule: "later".into() }];
        let run = BatchId::new(app.clock.now(), [7; 10]);
        let write = |conn: &mut headwater::store::Conn| {
            let at = ledger::stamp(conn, app.clock.now())?;
            touches::reclassify(conn, &bot, run, at)
        };
        assert_eq!(app.state().db.write_now(write).expect("recorded"), 1);
        let clicks = |as_of: UtcMillis| row(&app.report(&format!("{PERIOD}&as_of={}", as_of.0)), "linkedin-organic")["clicks"].clone();
        assert_eq!((clicks(before), clicks(horizon(&app))), (json!(2), json!(1)));
        compare(&app, &[before, horizon(&app)], "reclassified");
        let seen = app.state().db.read_now(|conn| touches::by_ids(conn, &[id], &Moments::all(horizon(&app)))).expect("touch");
        assert_eq!(seen[0].class, TouchClass::Bot);
        let counts = app.state().db.read_now(|conn| touches::counts_by_link(conn, &[LinkId(1)])).expect("counts");
        assert_eq!(counts[&LinkId(1)], (1, 1));
    }

    fn a_repeat_is_one_whichever_node_loaded_the_click_before(app) {
        two_links(&app);
        let (mut here, mut there) = (sink(&app), sink(&app));
        let now = app.clock.now();
        let visit = |ms: i64| record(now.plus_ms(ms), RecordKind::Click { link: LinkId(1) }, 1, false);
        here.store(&[visit(0)]).expect("stored");
        there.store(&[visit(5_000)]).expect("stored");
        here.store(&[visit(12_000)]).expect("stored");
        there.store(&[visit(15_000)]).expect("stored");
        here.store(&[visit(15_500)]).expect("stored");
        let counts = app.state().db.read_now(|conn| touches::counts_by_link(conn, &[LinkId(1)])).expect("counts");
        // Human at 0 and, ten seconds after the last human one, at 12 s.
        assert_eq!(counts[&LinkId(1)], (2, 3));
    }
}

//! Links that are relabelled after their touches were rolled up.

use headwater::domain::channel::Effect;
use headwater::domain::ids::PostId;
use headwater::domain::link::LinkLabels;
use headwater::reports::touch_counts::Detail;
use headwater::store::links;
use headwater::tracking::writer::RecordSink;

use super::*;
use crate::support::row;

on_both! {
    fn a_revision_that_was_recorded_late_counts_from_its_instant_on(app) {
        two_links(&app);
        let mut sink = sink(&app);
        let now = app.clock.now();
        // A clock that is ahead: clicks of the next hours are rolled up before the link is relabelled now.
        sink.store(&[click(now.plus_ms(-HOUR), 1), click(now.plus_ms(2 * HOUR), 1)]).expect("stored");
        app.clock.advance_ms(25 * HOUR);
        sink.store(&[click(now.plus_ms(3 * HOUR), 1)]).expect("stored");
        app.clock.set(now.plus_ms(HOUR));
        let before = horizon(&app);
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic" })).expect(200);
        assert!(compare(&app, &[before, horizon(&app)], "late") > 0);
        let report = app.report(PERIOD);
        assert_eq!((&row(&report, "linkedin-organic")["clicks"], &row(&report, "x-organic")["clicks"]), (&json!(1), &json!(2)));
        let earlier = app.report(&format!("{PERIOD}&as_of={}", before.0));
        assert_eq!(row(&earlier, "linkedin-organic")["clicks"], 3, "what was said before stays said");
    }

    fn a_click_that_was_taken_back_draws_no_cost(app) {
        two_links(&app);
        let now = app.clock.now();
        let id = BatchId::new(now, rand::random());
        // Dated ahead: counted under the title of now, taken back under the one that began in between.
        let touch = NewTouch { kind: TouchKind::Click, class: TouchClass::Human, link: Some(LinkId(1)), channel: None, ..imported(now.plus_ms(2 * HOUR), id, 0, &mut Dice(0)) };
        write_import(&app, id, &[touch]);
        app.clock.advance_ms(HOUR);
        app.client.patch("/api/v1/links/lnk_1", &json!({ "title": "Another title" })).expect(200);
        let query = format!("{PERIOD}&by=link");
        assert_eq!(app.report(&query)["totals"]["clicks"], 1);
        undo_import(&app, id);
        let report = app.report(&query);
        assert_eq!(row(&report, "(unallocated)")["cost_minor"], 12_345, "{report}");
        assert_eq!(report["rows"].as_array().expect("rows").len(), 1, "{report}");
        compare(&app, &[horizon(&app)], "taken back under another title");
    }

    fn a_post_that_a_link_got_late_counts_from_its_instant_on(app) {
        two_links(&app);
        a_post(&app);
        let mut sink = sink(&app);
        let now = app.clock.now();
        sink.store(&[click(now.plus_ms(-HOUR), 1), click(now.plus_ms(2 * HOUR), 1)]).expect("stored");
        app.clock.advance_ms(25 * HOUR);
        sink.store(&[click(now.plus_ms(3 * HOUR), 1)]).expect("stored");
        app.clock.set(now.plus_ms(HOUR));
        let post = Some(PostId(1));
        let revise = |conn: &mut Conn| links::revise(conn, LinkId(1), Effect::FromNowOn, &author(&app), |l| LinkLabels { post, ..l.clone() });
        app.state().db.write_now(revise).expect("revised");
        let detail = Detail { by_origin: true, ..Detail::default() };
        let as_of = horizon(&app);
        let wanted = Wanted { zone: &Zone::utc(), days: period(), moments: Moments::all(as_of), detail, classes: HUMAN };
        for counts in both_counts(&app, as_of, &wanted) {
            let counts: Vec<_> = counts.iter().map(|c| (c.post, c.count)).collect();
            assert_eq!(counts, [(None, 1), (post, 2)]);
        }
    }
}

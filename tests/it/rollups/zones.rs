//! Days of several zones, and the data of zones.

use headwater::store::rollups::Apart;
use headwater::tracking::writer::RecordSink;

use super::*;
use crate::support::row;

on_both! {
    fn quarters_of_an_hour_answer_for_another_zone_by_channel(app) {
        two_links(&app);
        let night = UtcMillis::parse("2026-03-01T22:59:59.999Z").expect("time");
        let mut writer = sink(&app);
        writer.store(&[click(night, 1), click(night.plus_ms(1), 1), click(night.plus_ms(1), 2)]).expect("stored");
        let in_berlin = || {
            let report = app.report("from=2026-03-02&to=2026-03-02&by=channel&zone=Europe/Berlin");
            [row(&report, "linkedin-organic")["clicks"].clone(), row(&report, "x-organic")["clicks"].clone()]
        };
        assert_eq!(in_berlin(), [json!(1), json!(1)]);
        let berlin: Zone = "Europe/Berlin".parse().expect("zone");
        let days = DayRange { from: "2026-03-01".parse().expect("day"), to: "2026-03-02".parse().expect("day") };
        let by_day = |zone: &Zone, days: DayRange| {
            let cells = app.state().db.read_now(|conn| {
                let view = rollups::view(conn, UtcMillis(i64::MAX))?.expect("rollups");
                rollups::by_channel(conn, &view, (zone, days), HUMAN, Apart { days: true, places: true })
            });
            Some(cells.expect("cells")?.iter().map(|c| (c.day.to_string(), c.channel, c.count)).collect::<Vec<_>>())
        };
        let mut cells = by_day(&berlin, days).expect("whole quarters");
        cells.sort();
        let (first, second) = ("2026-03-01".to_owned(), "2026-03-02".to_owned());
        let linkedin = Some(ChannelId(1));
        assert_eq!(cells, [(first, linkedin, 1), (second.clone(), linkedin, 1), (second, Some(ChannelId(2)), 1)]);
        let long_ago = DayRange { from: "1971-01-01".parse().expect("day"), to: "1971-01-01".parse().expect("day") };
        assert_eq!(by_day(&"Africa/Monrovia".parse().expect("zone"), long_ago), None, "its days began at 00:44:30 in UTC");
        // Now the cells say the wrong channel, and the report does not.
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic", "effect": "correction" })).expect(200);
        assert_eq!(in_berlin(), [json!(0), json!(2)]);
    }

    fn another_zone_forgets_the_rollups_and_makes_them_again(app) {
        two_links(&app);
        let mut writer = sink(&app);
        let now = app.clock.now();
        // 23:30 in UTC is the next day in Berlin.
        let night = UtcMillis::parse("2026-03-01T23:30:00Z").expect("time");
        writer.store(&[click(night, 1), click(now, 1)]).expect("stored");
        drop(writer);
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), Some(2));
        app.stop();
        app.config.reporting.zone = "Europe/Berlin".parse().expect("zone");
        app.run();
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), None, "days of another zone are not used");
        let query = "from=2026-03-02&to=2026-03-02&by=link";
        assert_eq!(app.report(&format!("{query}&zone=Europe/Berlin"))["totals"]["clicks"], 2);
        sink(&app).store(&[click(now.plus_ms(1), 1)]).expect("stored");
        assert_eq!(cells_of(&app, horizon(&app), "Europe/Berlin"), Some(3));
        assert_eq!(app.report(&format!("{query}&zone=Europe/Berlin"))["totals"]["clicks"], 3);
        assert_eq!(figures(&app, &format!("{query}&zone=Europe/Berlin")), figures(&app, &format!("{query}&zone=Arctic/Longyearbyen")));
        assert_eq!(app.report(&format!("{query}&zone=UTC"))["totals"]["clicks"], 2, "and UTC reads the touches");
    }

    fn other_zone_data_make_the_rollups_again(app) {
        two_links(&app);
        let mut writer = sink(&app);
        let now = app.clock.now();
        writer.store(&[click(now, 1)]).expect("stored");
        drop(writer);
        app.stop();
        app.run();
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), Some(1), "the same data forget nothing");
        execute(&app, "UPDATE rollup_state SET zone_data = '1970a'").expect("written");
        app.stop();
        app.run();
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), None);
        sink(&app).store(&[click(now.plus_ms(1), 1)]).expect("stored");
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), Some(2));
        app.stop();
        app.run();
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), Some(2), "what was made again stays");
    }
}

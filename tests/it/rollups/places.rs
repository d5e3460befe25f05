//! Rows of countries and devices, with costs that are divided by their clicks.

use super::*;
use crate::support::row;

/// 600 touches of two countries and two devices by two links, over the days of the costs.
fn import(app: &TestApp) {
    let now = app.clock.now();
    let id = BatchId::new(now, rand::random());
    let mut dice = Dice(7);
    let list: Vec<_> =
        (0..600).map(|n| imported(now.plus_ms(dice.ms(-72 * HOUR, 96 * HOUR)), id, n, &mut dice)).collect();
    write_import(app, id, &list);
}

fn spend(app: &TestApp, cost: &Value) {
    app.client.post("/api/v1/costs", &json!({ "costs": [cost] })).expect(201);
}

on_both! {
    fn rows_of_countries_and_devices_are_those_of_the_touches(app) {
        two_links(&app);
        import(&app);
        let by = ["country", "device", "country,channel", "device,day", "country,network,month"];
        let same = |story: &str| {
            for by in by {
                let query = format!("{PERIOD}&by={by}&as_of={}", horizon(&app).0);
                let rolled_up = figures(&app, &query);
                assert_eq!(rolled_up, one_by_one(&app, || figures(&app, &query)), "{story}, by {by}");
                assert!(rolled_up["totals"]["clicks"].as_i64().is_some_and(|n| n > 100), "{story}, by {by}");
            }
        };
        same("costs of a channel");
        let of_germany = |what: &str| row(&app.report(&format!("{PERIOD}&by=country")), "DE")[what].clone();
        let before = of_germany("cost_minor");
        // Of no cents, but it has its days read by link: what the channel's cost is divided into does not move.
        let none = json!({ "from": "2026-02-26", "to": "2026-03-12", "link": "go", "amount": "0.00", "currency": "EUR" });
        spend(&app, &none);
        assert_eq!(of_germany("cost_minor"), before);
        spend(&app, &json!({ "from": "2026-03-01", "to": "2026-03-02", "link": "gone", "amount": "77.77", "currency": "EUR" }));
        assert_ne!(of_germany("cost_minor"), before);
        same("a cost of a link");
        // A touch that is not in the rollups would not be counted: here they lie, and by campaign nothing reads them.
        let (counted, by_campaign) = (of_germany("clicks"), format!("{PERIOD}&by=campaign,country"));
        let whole = app.report(&by_campaign)["totals"]["clicks"].clone();
        execute(&app, "UPDATE rollup_quarters SET count = count + 1").expect("written");
        assert!(of_germany("clicks").as_i64() > counted.as_i64(), "rows of countries are read from the rollups");
        assert_eq!(app.report(&by_campaign)["totals"]["clicks"], whole);
    }
}

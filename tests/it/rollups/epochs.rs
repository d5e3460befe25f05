//! The open epoch, and a database that keeps it waiting.

use headwater::store::StoreError;
use headwater::tracking::writer::RecordSink;

use super::*;

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::BigInt>)]
    n: Option<i64>,
}

#[derive(diesel::QueryableByName)]
struct Open {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Binary>)]
    open_from: Option<Vec<u8>>,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Binary>)]
    open_to: Option<Vec<u8>>,
}

/// Runs a query of one row.
macro_rules! one_row {
    ($app:expr, $row:ty, $query:expr) => {
        $app.state()
            .db
            .read_now(|conn| {
                use diesel::prelude::*;
                Ok(match conn {
                    headwater::store::Conn::Sqlite(c) => diesel::sql_query($query).get_result::<$row>(c),
                    headwater::store::Conn::Postgres(c, _) => diesel::sql_query($query).get_result::<$row>(c),
                })
            })
            .expect("database")
            .expect("a row")
    };
}

/// How many milliseconds the ids of the open epoch span; `None` where it is empty.
fn open_span(app: &TestApp) -> Option<i64> {
    let open = one_row!(app, Open, "SELECT open_from, open_to FROM rollup_state");
    let ms = |id: Vec<u8>| id[..6].iter().fold(0, |ms, byte| (ms << 8) | i64::from(*byte));
    Some(ms(open.open_to?) - ms(open.open_from?))
}

/// How many touches are in cells.
fn all_cells(app: &TestApp) -> i64 {
    one_row!(app, Number, "SELECT CAST(SUM(count) AS BIGINT) AS n FROM rollup_days").n.unwrap_or(0)
}

on_both! {
    fn touches_from_far_apart_never_widen_the_open_epoch(app) {
        two_links(&app);
        let mut writer = sink(&app);
        let now = app.clock.now();
        let day = 24 * HOUR;
        // (where the touches of a batch lie, what the open epoch then spans, touches in cells)
        let story: &[(&[i64], Option<i64>, i64)] = &[
            // The first batch builds.
            (&[0], None, 1),
            (&[-60_000, 0], Some(60_000), 1),
            // A node that comes back, then another batch of it, then the others again.
            (&[-30 * day], Some(0), 3),
            (&[-30 * day + 60_000], Some(60_000), 3),
            (&[1], Some(0), 5),
            // A batch of both, which no epoch takes.
            (&[-2 * day, 2], None, 8),
            (&[-now.0, 3 - now.0], Some(3), 8),
            // A clock that is ahead.
            (&[3 * day], Some(0), 10),
            (&[4], Some(0), 11),
        ];
        let mut moments = vec![horizon(&app)];
        for (step, (batch, spans, in_cells)) in story.iter().enumerate() {
            app.clock.advance_ms(1);
            let records: Vec<_> = batch.iter().map(|ms| click(now.plus_ms(*ms), 1)).collect();
            writer.store(&records).expect("stored");
            // What was stored before is not counted again.
            writer.store(&records).expect("stored");
            assert_eq!((open_span(&app), all_cells(&app)), (*spans, *in_cells), "step {step}");
            moments.push(horizon(&app));
        }
        compare(&app, &moments, "far apart");
        // A day later it is closed; an hour is less than it is old.
        app.clock.advance_ms(25 * HOUR);
        writer.store(&[click(app.clock.now().plus_ms(-HOUR), 1)]).expect("stored");
        assert_eq!((open_span(&app), all_cells(&app)), (None, 13));
    }

    fn a_timeout_of_the_database_is_passing(app) {
        if app.state().db.read_now(|conn| Ok(matches!(conn, headwater::store::Conn::Sqlite(_)))).expect("database") {
            return;
        }
        let slow = execute(&app, "SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(60)").expect_err("too slow");
        assert!(matches!(slow, StoreError::Busy(_)), "{slow:?}");
        let waits = || execute(&app, "SET LOCAL lock_timeout = '20ms'; SELECT last_at FROM ledger_clock FOR UPDATE");
        let held = app.state().db.write_now(|conn| {
            ledger::stamp(conn, app.clock.now())?;
            Ok(waits().expect_err("locked"))
        });
        let held = held.expect("stamped");
        assert!(matches!(held, StoreError::Busy(_)), "{held:?}");
    }
}

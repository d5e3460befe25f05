//! A ledger to which everything happens by chance.

use headwater::domain::channel::Effect;
use headwater::domain::ids::PostId;
use headwater::domain::link::LinkLabels;
use headwater::domain::touch::Arrival;
use headwater::reports::touch_counts::{Detail, Wanted};
use headwater::store::touches::Reclassified;
use headwater::store::{Moments, links};
use headwater::tracking::writer::RecordSink;

use super::*;

/// What happens to the ledger, by chance.
struct Chance<'a> {
    app: &'a TestApp,
    dice: Dice,
    sink: StoreSink,
    imports: Vec<BatchId>,
}

impl Chance<'_> {
    fn step(&mut self) {
        match self.dice.below(12) {
            0..=4 => self.load(),
            5 => self.import(),
            6 => self.undo(),
            7 => self.relabel(),
            8 => self.reclassify(),
            9 => self.app.clock.advance_ms(-self.dice.ms(0, 2 * HOUR)),
            _ => self.app.clock.advance_ms(self.dice.ms(0, 30 * HOUR)),
        }
    }

    fn load(&mut self) {
        let now = self.app.clock.now();
        let records: Vec<_> = (0..=self.dice.below(30))
            .map(|_| {
                // Mostly just now; some late, some of a clock that is ahead.
                let far = self.dice.below(10) == 0;
                let at = now.plus_ms(if far { self.dice.ms(-50 * HOUR, 50 * HOUR) } else { self.dice.ms(-60_000, 1) });
                let kind = match self.dice.below(5) {
                    0 => RecordKind::Landing(Arrival {
                        utm_source: Some("linkedin".into()),
                        utm_medium: Some("social".into()),
                        utm_campaign: Some("spring-2026".into()),
                        ..Arrival::default()
                    }),
                    1 => RecordKind::View { link: Some(LinkId(1)) },
                    _ => RecordKind::Click { link: LinkId(self.dice.ms(1, 3)) },
                };
                let visitor = u8::try_from(self.dice.below(20)).expect("small");
                record(at, kind, visitor, self.dice.below(5) == 0)
            })
            .collect();
        self.sink.store(&records).expect("stored");
        // A crash between commit and checkpoint brings some again.
        let again = self.sink.store(&records[..1]).expect("stored");
        assert_eq!((again.stored, again.duplicate), (0, 1));
    }

    fn import(&mut self) {
        let now = self.app.clock.now();
        let id = BatchId::new(now, rand::random());
        let list: Vec<_> = (0..=self.dice.below(300))
            .map(|n| imported(now.plus_ms(self.dice.ms(-120 * HOUR, 24 * HOUR)), id, n, &mut self.dice))
            .collect();
        write_import(self.app, id, &list);
        self.imports.push(id);
    }

    fn undo(&mut self) {
        if let Some(id) = self.imports.pop() {
            undo_import(self.app, id);
        }
    }

    fn relabel(&mut self) {
        let (link, channel, author) = (LinkId(self.dice.ms(1, 3)), self.dice.ms(1, 4), author(self.app));
        let effect = if self.dice.below(3) == 0 { Effect::Correction } else { Effect::FromNowOn };
        let campaign = Some(CampaignId(1)).filter(|_| self.dice.below(2) == 0);
        // A title alone moves no touch, but begins a stretch of its own.
        let what = self.dice.below(3);
        let post = Some(PostId(1)).filter(|_| self.dice.below(2) == 0);
        let title = format!("title {}", self.dice.below(1_000));
        let change = |l: &LinkLabels| match what {
            0 => LinkLabels { title: title.clone(), ..l.clone() },
            1 => LinkLabels { post, ..l.clone() },
            _ => LinkLabels { channel: ChannelId(channel), campaign, ..l.clone() },
        };
        self.app.state().db.write_now(|conn| links::revise(conn, link, effect, &author, change)).expect("revised");
    }

    fn reclassify(&mut self) {
        let classes = [TouchClass::Human, TouchClass::Bot, TouchClass::Scanner];
        let mut list = Vec::new();
        for touch in all_ids(self.app) {
            if self.dice.below(4) == 0 {
                let class = classes[usize::try_from(self.dice.below(3)).expect("small")];
                list.push(Reclassified { touch, class, rule: "test".into() });
            }
        }
        let now = self.app.clock.now();
        let run = BatchId::new(now, rand::random());
        let write = self.app.state().db.write_now(|conn| {
            let at = ledger::stamp(conn, now)?;
            touches::reclassify(conn, &list, run, at)
        });
        write.expect("reclassified");
    }
}

/// Compares counts of some zones, details and classes, by chance; answers how many touches were counted.
fn compare_counts(app: &TestApp, moments: &[UtcMillis], dice: &mut Dice, story: &str) -> i64 {
    let zones: [Zone; 3] = ["UTC", "America/New_York", "Asia/Kathmandu"].map(|z| z.parse().expect("zone"));
    let machines = [TouchClass::Bot, TouchClass::Scanner];
    let classes: [&[TouchClass]; 3] = [HUMAN, &machines, TouchClass::ALL];
    let pick = |dice: &mut Dice| usize::try_from(dice.below(3)).expect("small");
    let mut counted = 0;
    for as_of in moments {
        for n in 0..8 {
            let detail = Detail { by_day: n & 1 != 0, by_origin: n & 2 != 0, by_place: n & 4 != 0 };
            let wanted = Wanted {
                // Rollups tell origins apart in their own zone alone, and without places.
                zone: if detail.by_origin && !detail.by_place { &zones[0] } else { &zones[pick(dice)] },
                days: period(),
                moments: Moments::all(*as_of),
                detail,
                classes: classes[pick(dice)],
            };
            let [rolled_up, one_by_one] = both_counts(app, *as_of, &wanted);
            assert_eq!(rolled_up, one_by_one, "{story}, {wanted:?}");
            counted += one_by_one.iter().map(|c| c.count).sum::<i64>();
        }
    }
    counted
}

on_both! {
    fn rollups_equal_the_count_of_touches_for_every_as_of(app) {
        two_links(&app);
        a_post(&app);
        let mut counted = 0;
        for seed in 0..4 {
            let sink = sink(&app);
            let mut chance = Chance { app: &app, dice: Dice(seed), sink, imports: Vec::new() };
            let mut moments = Vec::new();
            for _ in 0..30 {
                chance.step();
                moments.push(horizon(&app));
                // Between two facts as well.
                moments.push(UtcMillis(moments.last().expect("moment").0 - 1));
            }
            moments.dedup();
            let picked: Vec<UtcMillis> = moments.iter().rev().step_by(4).rev().copied().collect();
            let story = format!("seed {seed}");
            counted = compare(&app, &picked, &story);
            assert!(compare_counts(&app, &picked, &mut chance.dice, &story) > 1_000, "{story}: hardly anything is counted");
        }
        assert!(counted > 100, "the cells hold {counted} touches: the test compares touches with themselves");
    }
}

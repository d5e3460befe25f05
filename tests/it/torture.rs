//! The torture: the real process is killed under load, on a disk that fails and a database that goes away, and then
//! every answered click is accounted for (invariant 2).
//!
//! One epoch is a handful of rounds on one data directory. Each round starts a process, lets visitors click, makes
//! trouble, ends the process by SIGKILL, SIGTERM or a power cut, and may damage the journal before the next one starts.
//! At the end everything drains and the account is settled (`account`).
//!
//! `make test` runs one short epoch on each database. `make torture SECONDS=600` goes on for that long, with random rounds
//! behind those that every epoch has; each epoch prints its seed and how to repeat its choices. Threads still race as they like: a seed repeats what the bench
//! does, not the microsecond.

mod account;
mod bench;
mod draw;
mod load;
mod segments;

use std::time::{Duration, Instant};

use bench::{Bench, linger};
use draw::Draw;
use segments::{ALL_DAMAGE, Damage};

use crate::durability::{OwnPostgres, wait_until};
use crate::support::Backend;
use crate::support::binary;
use crate::support::faults::Odds;

/// The writer waits longer than any round: records gather in the journal until the process ends.
const NEVER_LOADS: &str = "journal.batch_age_ms=60000";
const MILLION: u64 = 1_000_000;

/// What goes wrong while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Nothing,
    /// Writes fail or stop short now and then.
    Writes,
    /// No write succeeds.
    DiskFull,
    /// Syncs fail now and then.
    Syncs,
    DatabaseAway,
    /// The database is away until the journal's budget is used up.
    Budget,
}

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In the middle of the trouble, by SIGKILL.
    InTrouble,
    /// By SIGKILL once the trouble is over.
    Kill,
    /// By SIGTERM once the trouble is over.
    Stop,
    /// By SIGKILL, and what was not synced is gone.
    PowerCut,
}

/// One round.
#[derive(Debug, Clone)]
struct Round {
    trouble: Trouble,
    end: End,
    damage: Vec<Damage>,
    loads: bool,
}

const fn round(trouble: Trouble, end: End) -> Round {
    Round { trouble, end, damage: Vec::new(), loads: true }
}

/// Every kind of trouble, end and damage once: the short form.
fn every_kind() -> Vec<Round> {
    let damaged =
        |end, damage: &[Damage]| Round { trouble: Trouble::Nothing, end, damage: damage.to_vec(), loads: false };
    vec![
        round(Trouble::Nothing, End::Kill),
        damaged(End::Kill, &[Damage::Payload, Damage::CheckpointNoise]),
        round(Trouble::Writes, End::InTrouble),
        round(Trouble::DatabaseAway, End::InTrouble),
        damaged(End::Kill, &[Damage::Checksum, Damage::Tail, Damage::HalfSegment]),
        round(Trouble::Syncs, End::PowerCut),
        round(Trouble::Nothing, End::PowerCut),
        round(Trouble::Writes, End::Stop),
        damaged(End::PowerCut, &[Damage::CheckpointGone]),
        round(Trouble::Budget, End::Kill),
        damaged(End::Kill, &[Damage::Length]),
        round(Trouble::DiskFull, End::Kill),
        damaged(End::Kill, &[Damage::Cut, Damage::Header]),
        round(Trouble::DatabaseAway, End::Stop),
    ]
}

fn any_round(draw: &mut Draw) -> Round {
    let troubles = [
        Trouble::Nothing,
        Trouble::Writes,
        Trouble::Writes,
        Trouble::DiskFull,
        Trouble::Syncs,
        Trouble::DatabaseAway,
        Trouble::Budget,
    ];
    let ends = [End::InTrouble, End::Kill, End::Stop, End::PowerCut];
    let (trouble, end) = match (troubles[draw.below(7) as usize], ends[draw.below(4) as usize]) {
        // What a full journal refuses only its process knows: it must live to tell.
        (Trouble::Budget, End::InTrouble) => (Trouble::Budget, End::Kill),
        both => both,
    };
    let damage = (0..draw.below(4)).filter_map(|_| draw.one(&ALL_DAMAGE).copied()).collect();
    Round { trouble, end, damage, loads: draw.below(3) > 0 }
}

/// Goes through one round; the process of the round before has ended.
fn run(bench: &mut Bench, round: &Round, sync: &str, draw: &mut Draw) {
    let mut settings = Vec::new();
    if !round.loads {
        settings.push(NEVER_LOADS.to_owned());
    }
    if round.trouble == Trouble::Budget {
        settings.push("journal.max_bytes=262144".into());
    }
    bench.may_refuse = false;
    bench.start(sync, &settings);
    bench.load.resume();
    bench.wait_answered(draw.between(1, 400));
    begin(bench, round.trouble, draw);
    bench.wait_answered(draw.between(100, 600));
    bench.scrape_under_load();
    linger(draw, 20_000);
    if round.end == End::InTrouble {
        bench.kill();
        end_trouble(bench, round.trouble, draw, true);
    } else {
        end_trouble(bench, round.trouble, draw, false);
        bench.take_stock();
        // A journal that is full stays so for a while: more clicks would be refused behind the count's back.
        if round.trouble != Trouble::Budget {
            bench.load.resume();
            bench.wait_answered(draw.between(1, 300));
            linger(draw, 20_000);
        }
        if round.end == End::Stop { bench.stop() } else { bench.kill() }
    }
    let journal = bench.journal();
    if round.end == End::PowerCut {
        let synced = bench.faults.synced();
        let known = bench.destroyed.gone.len();
        segments::cut_power(&journal, &synced, draw, &mut bench.destroyed);
        // What was answered under `always` has been synced; nothing excuses its loss.
        if sync == "always" {
            bench.destroyed.gone.truncate(known);
        }
    }
    for blow in &round.damage {
        segments::damage(&journal, *blow, draw, &mut bench.destroyed);
    }
}

fn begin(bench: &mut Bench, trouble: Trouble, draw: &mut Draw) {
    let mut some = || draw.between(MILLION / 200, MILLION / 4);
    match trouble {
        Trouble::Nothing => {}
        Trouble::Writes => {
            let odds = Odds { short_write: some(), no_space: some(), write_error: some(), sync_error: 0 };
            bench.faults.set(odds);
        }
        Trouble::DiskFull => bench.faults.set(Odds { no_space: MILLION, ..Odds::default() }),
        Trouble::Syncs => bench.faults.set(Odds { sync_error: some(), ..Odds::default() }),
        Trouble::DatabaseAway => bench.database.take_away(),
        Trouble::Budget => {
            bench.database.take_away();
            let client = bench.client();
            wait_until("the journal is full", 120, || crate::surface::counters(&client)("clicks_unrecorded") > 20);
        }
    }
}

/// Ends the trouble. A process that died in it is followed by one that meets it at its start.
fn end_trouble(bench: &mut Bench, trouble: Trouble, draw: &mut Draw, is_dead: bool) {
    if is_dead && trouble != Trouble::Nothing {
        bench.may_refuse = true;
        let sync = bench.lives.last().expect("a life").sync.clone();
        bench.start(&sync, &[]);
        linger(draw, 300_000);
        bench.tend();
        bench.kill();
    }
    bench.faults.set(Odds::default());
    if matches!(trouble, Trouble::DatabaseAway | Trouble::Budget) {
        bench.database.give_back();
    }
    bench.may_refuse = false;
}

/// The sync modes that this binary knows, the strongest promise last.
fn sync_modes() -> Vec<String> {
    let dir = tempfile::tempdir().expect("dir");
    let is_known = |mode: &str| {
        let setting = format!("journal.sync={mode}");
        binary::run(dir.path(), "", &["check", "--set", &setting]).status.success()
    };
    ["os", "interval", "always"].into_iter().filter(|m| is_known(m)).map(str::to_owned).collect()
}

/// One epoch on one data directory.
fn epoch(backend: Backend, seed: u64, rounds: impl FnOnce(&mut Draw) -> Vec<Round>) -> account::Tally {
    let mut draw = Draw::new(seed);
    let postgres = (backend == Backend::Postgres).then(OwnPostgres::start);
    let mut bench = Bench::new(postgres, seed, &mut draw);
    let modes = sync_modes();
    let offset = draw.below(modes.len() as u64) as usize;
    let (mut power_cuts, strongest) = (0, modes.len() - 1);
    for (number, round) in rounds(&mut draw).iter().enumerate() {
        power_cuts += usize::from(round.end == End::PowerCut);
        // The first two power cuts meet the mode that promises most, with failing syncs and without.
        let meets_strongest = round.end == End::PowerCut && power_cuts <= 2;
        let sync = &modes[if meets_strongest { strongest } else { (offset + number) % modes.len() }];
        eprintln!("torture: round {number}: {round:?}, sync {sync}");
        run(&mut bench, round, sync, &mut draw);
    }
    bench.drain();
    account::settle(bench)
}

#[expect(clippy::disallowed_methods, reason = "`make torture` tells how long, and which seed")]
fn option(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|v| !v.is_empty()).map(|v| v.parse().expect("a number"))
}

fn torture(backend: Backend) {
    let (seconds, given) = (option("HEADWATER_TORTURE_SECONDS"), option("HEADWATER_TORTURE_SEED"));
    let deadline = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let mut number = 0;
    loop {
        let seed = given.map_or_else(rand::random, |seed| seed.wrapping_add(number));
        // Told before it runs, as a failure ends the program here; shown when it fails.
        let is_short = seconds.is_none();
        let form = if is_short { "" } else { "1" };
        eprintln!("torture: {backend:?}, epoch {number}, repeat with: make torture SECONDS={form} SEED={seed}");
        let tally = epoch(backend, seed, |draw| if is_short { every_kind() } else { many(draw) });
        eprintln!("torture: {tally:?}");
        number += 1;
        if Instant::now() >= deadline {
            return;
        }
    }
}

fn many(draw: &mut Draw) -> Vec<Round> {
    let mut rounds = every_kind();
    rounds.extend((0..draw.between(5, 20)).map(|_| any_round(draw)));
    rounds
}

#[test]
fn every_answered_click_is_accounted_for_on_sqlite() {
    torture(Backend::Sqlite);
}

#[test]
fn every_answered_click_is_accounted_for_on_postgres() {
    torture(Backend::Postgres);
}

/// Stops under load, with the same port taken by the next process at once, as a service manager restarts: every request
/// is answered in the end, every answered click is stored, and only what was under way at a stop has to be asked again.
fn restarted_under_load(backend: Backend) {
    let mut draw = Draw::new(rand::random());
    let postgres = (backend == Backend::Postgres).then(OwnPostgres::start);
    let mut bench = Bench::new(postgres, 0, &mut draw);
    for life in 0..4 {
        bench.start("interval", &[]);
        bench.wait_answered(draw.between(50, 400));
        bench.stop();
        let left = segments::segments(&bench.journal());
        assert!(left.is_empty(), "a process that ended well has loaded everything: {left:?}");
        let (_, broken_off) = bench.load.of(life);
        // Those that were under way, and those that came while the listener closed.
        assert!(broken_off <= 4 * load::IN_FLIGHT, "{broken_off} requests broke off at one stop");
    }
    bench.drain();
    let tally = account::settle(bench);
    eprintln!("torture: restarts: {tally:?}");
}

#[test]
fn restarted_under_load_on_sqlite() {
    restarted_under_load(Backend::Sqlite);
}

#[test]
fn restarted_under_load_on_postgres() {
    restarted_under_load(Backend::Postgres);
}

//! Throughput: every contender in turn, round after round, so that a change of the machine meets all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use headwater::store::Db;

use super::contenders::{self, Sync};
use super::machine::{FOREIGN_PER_MILLE_MAX, Usage, process_micros};
use super::process::Server;
use super::report::{Report, Spread};
use super::requests::{self, Kind};
use super::tally::Tally;
use super::targets::{self, Target, Unit};
use super::wrk::Wrk;
use super::{Outcome, Run, fixture, say};

/// Contenders that are driven under the same conditions.
struct Group {
    name: &'static str,
    kind: Kind,
    connections: usize,
    contenders: &'static [&'static str],
    /// Figures with a target: contender, base, target.
    targets: &'static [(&'static str, &'static str, Target)],
}

const NGINX: &str = "nginx";
const ACTIX: &str = "actix-web";
const OS: &str = "os";
const INTERVAL: &str = "interval";
const ALWAYS: &str = "always";
const LOADING: &str = "interval, loading";

const GROUPS: &[Group] = &[
    Group {
        name: "redirect-64",
        kind: Kind::Redirect,
        connections: 64,
        contenders: &[NGINX, ACTIX, OS, INTERVAL, ALWAYS, LOADING],
        targets: &[
            (OS, ACTIX, targets::REDIRECT_OS),
            (INTERVAL, ACTIX, targets::REDIRECT_INTERVAL),
            (OS, NGINX, targets::REDIRECT_OS_NGINX),
            (INTERVAL, NGINX, targets::REDIRECT_INTERVAL_NGINX),
            (ALWAYS, ACTIX, targets::REDIRECT_ALWAYS),
        ],
    },
    Group {
        name: "redirect-256",
        kind: Kind::Redirect,
        connections: 256,
        contenders: &[NGINX, ACTIX, INTERVAL, ALWAYS],
        targets: &[],
    },
    Group {
        name: "redirect-1024",
        kind: Kind::Redirect,
        connections: 1_024,
        contenders: &[NGINX, ACTIX, INTERVAL, ALWAYS],
        targets: &[(INTERVAL, ACTIX, targets::REDIRECT_1024)],
    },
    Group {
        name: "pixel-64",
        kind: Kind::Pixel,
        connections: 64,
        contenders: &[NGINX, INTERVAL],
        targets: &[(INTERVAL, NGINX, targets::PIXEL)],
    },
    Group { name: "missing-64", kind: Kind::Missing, connections: 64, contenders: &[NGINX, INTERVAL], targets: &[] },
];

/// One turn's figures.
#[derive(Debug, Clone, Copy)]
struct Sample {
    rate: u64,
    p99: u64,
    /// Processor time of the server per request, in nanoseconds.
    cpu: u64,
}

/// Keeps the writer from loading: another connection holds the database's write lock.
///
/// On two cores the writer would share the server's, and the figure would be of both. Held, it waits as it does
/// when the database is away, and the redirect with its journal stands alone.
pub(super) struct Hold {
    release: Sender<()>,
    thread: JoinHandle<()>,
}

impl Hold {
    /// Takes the lock.
    pub(super) fn take(db: Db) -> Outcome<Self> {
        let (release, wait): (Sender<()>, Receiver<()>) = channel();
        let (taken, is_taken) = channel();
        let thread = std::thread::spawn(move || {
            let held = db.write_now(|_conn| {
                let _listening = taken.send(());
                // An error means that the holder is gone: the lock goes as well.
                let _told = wait.recv();
                Ok(())
            });
            if let Err(error) = held {
                say(&format!("the database's lock was not held: {error}"));
            }
        });
        is_taken.recv().map_err(|_holder_ended| "the database's write lock could not be taken")?;
        Ok(Self { release, thread })
    }

    /// Gives it back.
    pub(super) fn release(self) {
        drop(self.release);
        let _ended = self.thread.join();
    }
}

struct Field {
    servers: BTreeMap<&'static str, Server>,
    files: Vec<(Kind, PathBuf)>,
    wrk: Wrk,
    holds: Vec<Hold>,
    turns: u64,
    noisy: u64,
}

/// Drives all groups and adds their tables.
pub(super) fn measure(run: &Run, dir: &Path, report: &mut Report) -> Outcome<()> {
    let groups: Vec<&Group> = GROUPS.iter().filter(|g| run.takes_group(g.name)).collect();
    if groups.is_empty() {
        return Err(format!("no group begins with {}", run.groups.join(" or ")).into());
    }
    let mut field = Field::prepare(run, dir, &groups, report)?;
    let mut samples: BTreeMap<(&'static str, &'static str), Vec<Sample>> = BTreeMap::new();
    for round in 0..run.rounds {
        say(&format!("round {} of {}", round + 1, run.rounds));
        for group in &groups {
            let mut turns: Vec<&'static str> =
                group.contenders.iter().copied().filter(|c| field.servers.contains_key(c)).collect();
            if round % 2 == 1 {
                turns.reverse();
            }
            for contender in turns {
                let sample = field.turn(run, group, contender)?;
                samples.entry((group.name, contender)).or_default().push(sample);
            }
        }
    }
    for group in groups {
        tell(group, &samples, report);
    }
    if field.noisy > 0 {
        report.remark(format!(
            "{} of {} turns were taken although other processes used the machine.",
            field.noisy, field.turns
        ));
    }
    for hold in field.holds {
        hold.release();
    }
    Ok(())
}

impl Run {
    fn takes_group(&self, name: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|g| name.starts_with(g))
    }

    fn takes(&self, contender: &str) -> bool {
        let is_base = contender == NGINX || contender == ACTIX;
        is_base || self.contenders.is_empty() || self.contenders.iter().any(|c| c == contender)
    }
}

impl Field {
    fn prepare(run: &Run, dir: &Path, groups: &[&Group], report: &mut Report) -> Outcome<Self> {
        let mut field = Self {
            servers: BTreeMap::new(),
            files: Vec::new(),
            wrk: Wrk::new(dir)?,
            holds: Vec::new(),
            turns: 0,
            noisy: 0,
        };
        for kind in Kind::ALL {
            field.files.push((kind, requests::write_file(dir, kind)?));
        }
        for contender in [NGINX, ACTIX, OS, INTERVAL, ALWAYS, LOADING] {
            if !run.takes(contender) || !groups.iter().any(|g| g.contenders.contains(&contender)) {
                continue;
            }
            say(&format!("starting {contender}"));
            let server = match contender {
                NGINX => contenders::nginx(dir),
                ACTIX => contenders::bare(dir),
                OS => contenders::with_links(dir, OS, Sync::Os),
                ALWAYS => contenders::with_links(dir, ALWAYS, Sync::Always),
                name => contenders::with_links(dir, name, Sync::Interval),
            };
            match server {
                Ok(server) => drop(field.servers.insert(contender, server)),
                Err(why) if contender == ALWAYS => {
                    report.remark(format!("`always` is left out, as the program does not start with it: {why}"));
                    continue;
                }
                Err(why) => return Err(format!("{contender}: {why}").into()),
            }
            if [OS, INTERVAL, ALWAYS].contains(&contender) {
                field.holds.push(Hold::take(fixture::open(&dir.join(contender))?)?);
            }
        }
        for server in field.servers.values() {
            server.freeze()?;
        }
        field.warm_up()?;
        Ok(field)
    }

    /// A second that is not counted: caches fill, files are made, memory is taken from the system.
    fn warm_up(&self) -> Outcome<()> {
        let file = self.file(Kind::Redirect)?;
        for server in self.servers.values() {
            server.thaw()?;
            self.wrk.drive(&server.url("/"), file, 64, 1)?;
            server.freeze()?;
        }
        Ok(())
    }

    fn file(&self, kind: Kind) -> Outcome<&Path> {
        let found = self.files.iter().find(|(of, _)| *of == kind);
        found.map(|(_, file)| file.as_path()).ok_or_else(|| "there is no file of such requests".into())
    }

    /// One turn, repeated while others use the machine.
    fn turn(&mut self, run: &Run, group: &Group, contender: &'static str) -> Outcome<Sample> {
        self.turns += 1;
        for attempt in 0..=run.repeats {
            let (sample, foreign) =
                self.attempt(run, group, contender).map_err(|e| format!("{contender} in {}: {e}", group.name))?;
            if foreign <= FOREIGN_PER_MILLE_MAX {
                return Ok(sample);
            }
            if attempt == run.repeats && sample.rate > 0 {
                self.noisy += 1;
                return Ok(sample);
            }
            say(&format!("others used {} % of the machine: {contender} goes again", foreign / 10));
        }
        Err(format!("{contender} was not asked a single time in {}: this machine is too busy", group.name).into())
    }

    fn attempt(&self, run: &Run, group: &Group, contender: &str) -> Outcome<(Sample, u64)> {
        let server = self.servers.get(contender).ok_or("it was not started")?;
        let file = self.file(group.kind)?;
        let is_ours = contender != NGINX && contender != ACTIX;
        server.thaw()?;
        let before = if is_ours { Some(Tally::settled(server)?) } else { None };
        let (usage, micros) = (Usage::now(&[server.pid()])?, process_micros(server.pid())?);
        let turn = self.wrk.drive(&server.url("/"), file, group.connections, run.seconds)?;
        let foreign = Usage::now(&[server.pid()])?.foreign_per_mille(&usage);
        let micros = process_micros(server.pid())? - micros;
        let is_missing = group.kind == Kind::Missing;
        if turn.requests == 0 {
            // Whoever kept the client from running did not show in a second that it slept through.
            server.freeze()?;
            return Ok((Sample { rate: 0, p99: 0, cpu: 0 }, foreign.max(FOREIGN_PER_MILLE_MAX + 1)));
        }
        if turn.broken > 0 || (turn.status > 0) != is_missing {
            return Err(format!("wrk saw errors: {turn:?}").into());
        }
        if let Some(before) = before {
            Tally::settled(server)?.account_for(&before, turn.requests, group.connections, is_missing)?;
        }
        server.freeze()?;
        let cpu = micros * 1_000 / turn.requests.max(1);
        Ok((Sample { rate: turn.rate(), p99: turn.p99, cpu }, foreign))
    }
}

/// Ratios per round, of turns that stood beside each other.
fn ratios(of: &[Sample], base: &[Sample], figure: fn(&Sample) -> u64) -> Spread {
    Spread::of(of.iter().zip(base).map(|(a, b)| figure(a) * 1_000 / figure(b).max(1)).collect())
}

fn tell(group: &Group, samples: &BTreeMap<(&'static str, &'static str), Vec<Sample>>, report: &mut Report) {
    let of = |contender: &'static str| samples.get(&(group.name, contender));
    let to = |contender: &'static str, base: &'static str, figure: fn(&Sample) -> u64| -> Option<Spread> {
        Some(ratios(of(contender)?, of(base)?, figure))
    };
    let cell = |spread: Option<Spread>| spread.map_or("–".to_owned(), |s| s.print(Unit::Ratio));
    let mut rows = Vec::new();
    for contender in group.contenders {
        let Some(list) = of(contender) else { continue };
        let median = |figure: fn(&Sample) -> u64| Spread::of(list.iter().map(figure).collect()).median;
        let cpu = median(|s| s.cpu) / 100;
        rows.push(vec![
            (*contender).to_owned(),
            cell(to(contender, NGINX, |s| s.rate)),
            cell(to(contender, ACTIX, |s| s.rate)),
            median(|s| s.rate).to_string(),
            format!("{}.{}", cpu / 10, cpu % 10),
            median(|s| s.p99).to_string(),
        ]);
    }
    let header =
        ["contender", "req/s of nginx", "req/s of actix-web", "(req/s)", "CPU µs/request", "(p99 µs, flat out)"];
    report.table(group.name, "", &header, rows);
    for (contender, base, target) in group.targets {
        if let Some(spread) = to(contender, base, |s| s.rate) {
            report.check(target, spread);
        }
    }
}

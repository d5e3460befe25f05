//! How long the attribution models take for a million journeys, on one core: `cargo bench --bench attribution`.
//!
//! Journeys like the social data set: 11 channels of very different size, three touches on average, one journey in
//! seven converts. Of a model that divides among touches: the parts and the credits in micro-units of every journey.
//! Of a model of all paths: counting every journey, then solving; and solving alone at its bounds. Prints the median
//! of five rounds, and beside it what the R package `ChannelAttribution` took on such a machine.

#![expect(clippy::float_arithmetic, reason = "figures for people, of no money")]

use std::hint::black_box;
use std::time::Instant;

use headwater::domain::attribution::credit::allocate_into;
use headwater::domain::attribution::journey::{Journey, JourneyTouch, Milestones};
use headwater::domain::attribution::{Choice, MODELS, Method, ONE_MICRO, PathGame};
use headwater::domain::fault::Fault;
use headwater::domain::ids::{ChannelId, TouchId};
use headwater::domain::time::{DAY_MS, UtcMillis};

const JOURNEYS: u32 = 1_000_000;
const ROUNDS: usize = 5;
/// Seconds of `heuristic_models`, which does first, last and linear at once.
const REFERENCE_RULES_S: f64 = 2.27;
/// Seconds of `markov_model` at its setting of 1 % accuracy.
const REFERENCE_MARKOV_S: f64 = 9.0;
/// Touches of each channel in a thousand; the first is direct.
const CHANNELS: [u64; 11] = [190, 150, 130, 120, 110, 90, 70, 50, 40, 30, 20];

/// A small generator, so that every run has the same journeys.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }

    fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).unwrap_or_default()
    }
}

/// One journey: its place among all touches, and what it led to.
struct Made {
    touches: std::ops::Range<usize>,
    end: UtcMillis,
    milestones: Milestones,
    converts: bool,
}

struct Set {
    touches: Vec<JourneyTouch>,
    tokens: Vec<u32>,
    journeys: Vec<Made>,
}

fn channel(random: &mut Random) -> u32 {
    let mut left = random.below(CHANNELS.iter().sum());
    let mut token = 0;
    for size in CHANNELS {
        if left < size {
            break;
        }
        left -= size;
        token += 1;
    }
    token
}

fn set() -> Set {
    let mut random = Random(1);
    let mut set = Set { touches: Vec::new(), tokens: Vec::new(), journeys: Vec::new() };
    let day = |days: u64| i64::try_from(days).unwrap_or_default() * DAY_MS;
    for _ in 0..JOURNEYS {
        let from = set.touches.len();
        let mut at = UtcMillis(1_750_000_000_000).plus_ms(day(random.below(365)));
        loop {
            let token = channel(&mut random);
            let id = TouchId::new(at, [0; 10].map(|_: u8| random.below(256).to_le_bytes()[0]));
            let channel = Some(ChannelId(i64::from(token)));
            set.touches.push(JourneyTouch { id, at, tie: String::new(), channel, direct: token == 0 });
            set.tokens.push(token);
            if random.below(3) == 0 {
                break;
            }
            at = at.plus_ms(i64::try_from(random.below(10 * 86_400_000)).unwrap_or_default());
        }
        let span = set.touches.get(from).map_or(0, |first| at.0.abs_diff(first.at.0));
        let mut stage = || Some(at.plus_ms(-i64::try_from(random.below(span + 1)).unwrap_or_default()));
        let milestones = Milestones { lead: stage(), opportunity: stage(), customer: Some(at) };
        let converts = random.below(7) == 0;
        set.journeys.push(Made { touches: from..set.touches.len(), end: at, milestones, converts });
    }
    set
}

/// The median of the rounds, in seconds.
fn median(mut round: impl FnMut() -> Result<f64, Fault>) -> Result<f64, Fault> {
    let mut seconds = (0..ROUNDS).map(|_| round()).collect::<Result<Vec<f64>, Fault>>()?;
    seconds.sort_by(f64::total_cmp);
    Ok(seconds.get(ROUNDS / 2).copied().unwrap_or_default())
}

fn divide(set: &Set, choice: &Choice) -> f64 {
    let (mut parts, mut credits, mut sum) = (Vec::new(), Vec::new(), 0);
    let begun = Instant::now();
    for made in &set.journeys {
        let touches = set.touches.get(made.touches.clone()).unwrap_or_default();
        choice.parts(&Journey { touches, end: made.end, milestones: made.milestones }, &mut parts);
        allocate_into(ONE_MICRO, &parts, &mut credits);
        sum += credits.iter().sum::<i64>();
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(black_box(sum), i64::from(JOURNEYS) * ONE_MICRO, "{choice} does not add up");
    seconds
}

fn game(choice: &Choice) -> Option<Box<dyn PathGame>> {
    match choice.model().method {
        Method::Paths(new) => Some(new(choice.settings())),
        _ => None,
    }
}

/// Seconds of counting all journeys, and of solving.
fn count_and_solve(set: &Set, choice: &Choice) -> Result<(f64, f64), Fault> {
    let Some(mut game) = game(choice) else { return Ok((0.0, 0.0)) };
    let begun = Instant::now();
    for made in &set.journeys {
        let path = set.tokens.get(made.touches.clone()).unwrap_or_default();
        game.add(path, u64::from(made.converts), u64::from(!made.converts));
    }
    let counted = begun.elapsed().as_secs_f64();
    black_box(game.solve(true)?);
    Ok((counted, begun.elapsed().as_secs_f64() - counted))
}

/// Seconds of solving for `rows` rows, any of which follows any other.
fn solve_at(choice: &Choice, rows: u32, length: u32) -> Result<f64, Fault> {
    let Some(mut game) = game(choice) else { return Ok(0.0) };
    let mut random = Random(2);
    for number in 0..200_000_u32 {
        let path: Vec<u32> = (0..length).map(|i| if i == 0 { number % rows } else { random.small(rows) }).collect();
        game.add(&path, u64::from(number % 5 == 0), u64::from(number % 5 != 0));
    }
    median(|| {
        let begun = Instant::now();
        black_box(game.solve(true)?);
        Ok(begun.elapsed().as_secs_f64())
    })
}

fn line(name: &str, seconds: f64, remark: &str) {
    let rate = f64::from(JOURNEYS) / seconds / 1e6;
    let text = format!("{name:<34} {:>9.1} ms {rate:>8.1} M journeys/s  {remark}", seconds * 1e3);
    println!("{}", text.trim_end());
}

fn main() -> Result<(), Fault> {
    let set = set();
    println!("{JOURNEYS} journeys, {} touches, one core, median of {ROUNDS}", set.touches.len());
    let mut heuristics = 0.0;
    for model in MODELS {
        let choice: Choice = model.name.parse()?;
        if let Method::Parts(_) = model.method {
            let seconds = median(|| Ok(divide(&set, &choice)))?;
            heuristics += if matches!(model.name, "first" | "last" | "linear") { seconds } else { 0.0 };
            line(model.name, seconds, "");
        }
    }
    let ratio =
        |reference: f64, seconds: f64| format!("{:.1} times the reference's {reference} s", reference / seconds);
    line("first, last and linear", heuristics, &ratio(REFERENCE_RULES_S, heuristics));
    for text in ["markov", "markov:order=2", "shapley"] {
        let choice: Choice = text.parse()?;
        let solving = median(|| Ok(count_and_solve(&set, &choice)?.1))?;
        let seconds = median(|| count_and_solve(&set, &choice).map(|(counting, solving)| counting + solving))?;
        let against = if text == "markov" { ratio(REFERENCE_MARKOV_S, seconds) } else { String::new() };
        line(text, seconds, &format!("solving {:.3} ms  {against}", solving * 1e3));
    }
    println!("solving alone");
    for (text, rows, length) in [
        ("markov", 100, 5),
        ("markov", 400, 5),
        ("markov", 1_500, 5),
        ("markov:order=2", 38, 6),
        ("shapley", 15, 4),
        ("shapley", 20, 4),
    ] {
        let seconds = solve_at(&text.parse()?, rows, length)?;
        println!("{:<34} {:>9.1} ms", format!("{text}, {rows} rows"), seconds * 1e3);
    }
    Ok(())
}

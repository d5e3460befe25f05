//! What the largest and worst file or body that is taken costs: peak memory and time of each parser at its limits.
//!
//! `cargo bench --bench budgets` runs each case in a process of its own. A child makes its input, sets the kernel's peak
//! of its resident memory back (`/proc/self/clear_refs`), reads the input, and tells by how much the peak has grown. The
//! input itself is not in the figure, as whoever calls holds it. `--case NAME` runs one.

#![expect(clippy::expect_used, reason = "an input that cannot be made is nothing to measure")]
#![expect(clippy::float_arithmetic, reason = "figures for people, of no money")]

mod files;
mod webhooks;
mod workbooks;

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

/// Longest time that a case may take, in seconds.
const SECONDS_MAX: f64 = 10.0;
/// How many times the size of its input a case may use of memory; and what is always allowed, in MiB.
const TIMES_MAX: f64 = 10.0;
const ALWAYS_MIB: f64 = 64.0;

/// Reads an input and says what it was taken for.
type Reader = Box<dyn Fn(&[u8]) -> String>;

/// A worst input and who reads it.
struct Case {
    name: String,
    /// How it is made.
    about: &'static str,
    make: Box<dyn Fn() -> Vec<u8>>,
    /// Reads it; answers what it was taken for, in a word or two.
    read: Reader,
    /// The size that memory is compared with, if not the input's: what an archive unpacks to.
    unpacked: Option<usize>,
}

fn case(
    name: &str,
    about: &'static str,
    make: impl Fn() -> Vec<u8> + 'static,
    read: impl Fn(&[u8]) -> String + 'static,
) -> Case {
    Case { name: name.to_owned(), about, make: Box::new(make), read: Box::new(read), unpacked: None }
}

fn main() {
    let mut cases = files::cases();
    cases.extend(workbooks::cases());
    cases.extend(webhooks::cases());
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    if let Some(name) = value("--child") {
        let case = cases.iter().find(|c| c.name == *name).expect("a case of this name");
        return println!("{}", child(case));
    }
    println!("| case | input, MiB | peak, MiB | times | seconds | outcome | |\n|---|---|---|---|---|---|---|");
    let wanted = cases.iter().filter(|c| value("--case").is_none_or(|name| c.name.contains(name.as_str())));
    let over: Vec<&str> = wanted.filter(|case| !tell(case)).map(|case| case.name.as_str()).collect();
    assert!(over.is_empty(), "out of proportion: {}", over.join(", "));
}

/// Runs a case in a process of its own and prints its line; whether it is within the budget.
fn tell(case: &Case) -> bool {
    let own = std::env::current_exe().expect("this program");
    let told = Command::new(own).args(["--child", &case.name]).output().expect("a child");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let parts: Vec<&str> = told.trim().splitn(4, ' ').collect();
    let &[bytes, peak_kib, seconds, outcome] = parts.as_slice() else {
        println!("| {} | | | | | died | {} |", case.name, case.about);
        return false;
    };
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    let (input, peak, seconds) = (number(bytes) / 1_048_576.0, number(peak_kib) / 1_024.0, number(seconds));
    let against = case.unpacked.map_or(input, |bytes| bytes as f64 / 1_048_576.0);
    let times = peak / against;
    let is_within = seconds <= SECONDS_MAX && (times <= TIMES_MAX || peak <= ALWAYS_MIB);
    let mark = if is_within { "" } else { " **over**" };
    println!(
        "| {} | {input:.1} | {peak:.0} | {times:.1} | {seconds:.2}{mark} | `{outcome}` | {} |",
        case.name, case.about
    );
    is_within
}

/// Bytes of the input, KiB by which the peak grew, seconds, and the outcome.
fn child(case: &Case) -> String {
    let input = (case.make)();
    // 5 sets the peak to what is resident now (Linux, proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let before = status("VmRSS:");
    let begun = Instant::now();
    let outcome = black_box((case.read)(black_box(&input)));
    let seconds = begun.elapsed().as_secs_f64();
    format!("{} {} {seconds:.3} {outcome}", input.len(), status("VmHWM:").saturating_sub(before))
}

/// A line of `/proc/self/status`, in KiB.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

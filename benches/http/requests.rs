//! What a browser sends: one set of requests for every contender and every client.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use headwater::domain::ids::VisitorId;
use headwater::domain::time::UtcMillis;

use super::Outcome;

/// Slugs that the requests rotate over, and links of the data directory.
pub(super) const SLUGS: u64 = 10_000;
/// Separates the requests in a file; HTTP allows it nowhere.
pub(super) const SEPARATOR: char = '\0';
/// A moment in 2025 that the visitors' ids are made from.
const VISITORS_SINCE: UtcMillis = UtcMillis(1_750_000_000_000);

const USER_AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
];
const REFERERS: [&str; 3] = ["https://www.linkedin.com/", "https://l.facebook.com/", "https://t.co/Q2w8Zk3v"];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `/{slug}` of a link.
    Redirect,
    /// `/t/p.gif` of a link.
    Pixel,
    /// `/{slug}` of no link.
    Missing,
}

impl Kind {
    /// Every kind.
    pub(super) const ALL: [Self; 3] = [Self::Redirect, Self::Pixel, Self::Missing];

    /// Its name in figures and files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Pixel => "pixel",
            Self::Missing => "missing",
        }
    }

    fn path(self, i: u64) -> String {
        match self {
            Self::Redirect => format!("/{}", slug(i)),
            Self::Pixel => format!("/t/p.gif?l={}", slug(i)),
            Self::Missing => format!("/missing-{i}"),
        }
    }
}

/// The slug of a link, counted from 1.
pub(super) fn slug(i: u64) -> String {
    format!("post-{i}")
}

/// The whole request number `i`. Every second one comes from a visitor that is known already; the others are
/// given their cookie in the answer.
pub(super) fn request(kind: Kind, i: u64) -> String {
    let pick = |list: &'static [&'static str]| -> &'static str {
        let at = usize::try_from(i).unwrap_or(0) % list.len();
        list.get(at).copied().unwrap_or_default()
    };
    let mut cookie = "_ga=GA1.1.1093847563.1750000000".to_owned();
    if i.is_multiple_of(2) {
        let [.., a, b, c, d] = i.to_be_bytes();
        let known = VisitorId::new(VISITORS_SINCE, [7, 1, 9, 4, 2, 8, a, b, c, d]);
        let _infallible = write!(cookie, "; hw_visitor={known}");
    }
    format!(
        "GET {} HTTP/1.1\r\nHost: go.example.com\r\nUser-Agent: {}\r\n\
         Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\
         Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nReferer: {}\r\n\
         Cookie: {cookie}\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n\r\n",
        kind.path(i),
        pick(&USER_AGENTS),
        pick(&REFERERS),
    )
}

/// A file with [`SLUGS`] requests in an order that no table of links lies in.
pub(super) fn write_file(dir: &Path, kind: Kind) -> Outcome<PathBuf> {
    let path = dir.join(format!("{}.requests", kind.name()));
    // 7,919 is prime and divides no SLUGS, so the steps meet every slug once.
    let all = (0..SLUGS).map(|i| request(kind, i * 7_919 % SLUGS + 1));
    let text = all.collect::<Vec<_>>().join(&SEPARATOR.to_string());
    fs::write(&path, text)?;
    Ok(path)
}

/// Reads such a file.
pub(super) fn read_file(path: &Path) -> Outcome<Vec<String>> {
    Ok(fs::read_to_string(path)?.split(SEPARATOR).map(str::to_owned).collect())
}

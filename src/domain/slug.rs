//! The path of a tracked link.

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, shown};

/// First path segments that the server answers itself, and names that browsers and crawlers ask for.
pub const RESERVED: &[&str] = &[
    "api",
    "app",
    "assets",
    "admin",
    "docs",
    "favicon.ico",
    "health",
    "healthz",
    "help",
    "hooks",
    "hw.js",
    "login",
    "logout",
    "metrics",
    "p.gif",
    "readyz",
    "robots.txt",
    "set-up",
    "sign-in",
    "sign-out",
    "sitemap.xml",
    "static",
    "t",
    "well-known",
];

/// Letters of generated slugs: no vowels, so no words; nothing that is misread aloud or on paper.
const ALPHABET: &[u8; 27] = b"bcdfghjkmnpqrstvwxyz2345679";
/// 27^7 is 10 billion: a clash is rare, and the caller tries again.
const GENERATED_LEN: usize = 7;

/// A link's path: 1 to 64 characters of `a-z 0-9 - _ .`, lower case, not reserved.
///
/// A visitor's upper case is folded before the look-up, as people retype links from slides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

impl Slug {
    /// A slug from random bits.
    pub fn generate(mut random: u64) -> Self {
        let base = ALPHABET.len() as u64;
        let mut text = String::with_capacity(GENERATED_LEN);
        for _ in 0..GENERATED_LEN {
            text.push(char::from(ALPHABET[usize::try_from(random % base).unwrap_or(0)]));
            random /= base;
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Slug {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_.".contains(&c);
        if text.is_empty() || text.len() > 64 {
            return Err(Fault::new(
                "slug",
                "slug-length",
                format!("{} has {} characters; a slug has 1 to 64", shown(text), text.chars().count()),
            ));
        }
        if !text.bytes().all(legal) || text.starts_with('.') {
            let fixed: String = text
                .to_lowercase()
                .chars()
                .map(|c| if c.is_ascii() && legal(u8::try_from(c).unwrap_or(b'-')) { c } else { '-' })
                .collect();
            return Err(Fault::new(
                "slug",
                "slug-illegal",
                format!(
                    "{} has characters other than a-z 0-9 - _ . ; try `{}`",
                    shown(text),
                    fixed.trim_matches(['-', '.'])
                ),
            ));
        }
        if RESERVED.contains(&text) {
            return Err(Fault::new(
                "slug",
                "slug-reserved",
                format!("{} is kept for the server's own pages; choose another, such as `go-{text}`", shown(text)),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_checked_with_a_remedy() {
        assert_eq!("spring-sale_2.1".parse::<Slug>().expect("legal").as_str(), "spring-sale_2.1");
        for (text, code) in [
            ("", "slug-length"),
            ("api", "slug-reserved"),
            ("a/b", "slug-illegal"),
            ("Spring Sale", "slug-illegal"),
            (".env", "slug-illegal"),
            ("naïve", "slug-illegal"),
        ] {
            assert_eq!(text.parse::<Slug>().expect_err(text).code, code);
        }
        assert_eq!("x".repeat(65).parse::<Slug>().expect_err("long").code, "slug-length");
        assert!("Spring Sale".parse::<Slug>().expect_err("case").detail.contains("`spring-sale`"));
    }

    #[test]
    fn generated_slugs_are_legal() {
        for random in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let slug = Slug::generate(random);
            assert_eq!(slug.as_str().parse::<Slug>().expect("legal"), slug);
        }
    }
}

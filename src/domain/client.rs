//! What is kept of a request's sender: the device, the country, and the signals of its headers.

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, shown};
use super::named_enum::named_enum;
use super::touch::ClientFacts;

named_enum!(
    /// What kind of device a browser runs on.
    Device, "device", "device-unknown" {
        /// A desktop or a notebook; also an iPad that asks for desktop pages.
        Desktop = "desktop",
        /// A phone.
        Phone = "phone",
        /// A tablet or a reader.
        Tablet = "tablet",
        /// A television, a streaming stick or a game console.
        Tv = "tv",
        /// A program, or nothing that can be told.
        Other = "other",
    }
);

/// A country or territory: two capital letters of ISO 3166-1, such as `DE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The two letters.
    pub fn as_str(&self) -> &str {
        // Only letters of ASCII get in, so this never falls back.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Country {
    type Err = Fault;

    /// Two letters of either case.
    fn from_str(text: &str) -> Result<Self, Fault> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => Err(Fault::new(
                "country",
                "country-malformed",
                format!("{} is no country; write two letters such as DE", shown(text)),
            )),
        }
    }
}

/// The signals of a request that classification reads, as they are stored with a touch: a set of bits.
///
/// The bits are stored, so a bit never changes its meaning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Signals(u16);

impl Signals {
    /// The method was HEAD.
    pub const HEAD: Self = Self(1);
    /// `Sec-Purpose`, `Purpose` or `X-Moz` said prefetch or preview.
    pub const PREFETCH: Self = Self(1 << 1);
    /// There was an `Accept-Language`.
    pub const ACCEPT_LANGUAGE: Self = Self(1 << 2);
    /// `Sec-Fetch-Dest: document` or `Sec-Fetch-Mode: navigate`.
    pub const NAVIGATION: Self = Self(1 << 3);

    /// The signals of a request.
    pub fn of(facts: &ClientFacts<'_>) -> Self {
        let all = [
            (facts.head, Self::HEAD),
            (facts.prefetch, Self::PREFETCH),
            (facts.accept_language, Self::ACCEPT_LANGUAGE),
            (facts.navigation, Self::NAVIGATION),
        ];
        all.into_iter().filter(|(is_set, _)| *is_set).fold(Self::default(), |set, (_, signal)| set.with(signal))
    }

    /// The stored form.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Reads the stored form; bits without a meaning are kept.
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Whether all signals of `other` are in it.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_the_stored_bits() {
        let facts = ClientFacts { head: true, navigation: true, ..ClientFacts::default() };
        let signals = Signals::of(&facts);
        assert_eq!(signals.bits(), 0b1001);
        assert!(signals.has(Signals::HEAD) && !signals.has(Signals::PREFETCH));
        let all = ClientFacts { prefetch: true, accept_language: true, ..facts };
        assert_eq!(Signals::of(&all), Signals::from_bits(0b1111));
        assert_eq!(Signals::of(&ClientFacts::default()).bits(), 0);
    }

    #[test]
    fn countries_are_two_letters() {
        assert_eq!("de".parse::<Country>().map(|c| c.to_string()), Ok("DE".to_owned()));
        for wrong in ["", "D", "DEU", "D1", "ÄB"] {
            assert!(wrong.parse::<Country>().is_err(), "{wrong}");
        }
    }
}

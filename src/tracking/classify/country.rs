//! The country of an address, from an MMDB that the operator supplies (`GeoLite2`, DB-IP, `IPinfo` and the like).
//!
//! The file is read into memory once, at the start, and takes as much memory as it is long (`GeoLite2-Country`: some
//! 9 MB). A newer file is taken at the next start.

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{PathElement, Reader};

use crate::domain::client::Country;
use crate::domain::fault::Fault;

/// The key that names the file.
const FIELD: &str = "classification.country_database";
/// How many networks are looked at before a file is said to have no countries.
const PROBED: usize = 10_000;
/// Where databases have the two letters: `GeoLite2` and DB-IP; `IPinfo`'s older and newer ones.
const PATHS: &[&[PathElement<'static>]] = &[
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country")],
];

/// A country database.
#[derive(Debug)]
pub(super) struct Countries {
    reader: Reader<Vec<u8>>,
    path: &'static [PathElement<'static>],
}

impl Countries {
    /// Reads the file.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let bytes = std::fs::read(path).map_err(|e| {
            let why = format!("cannot read {}: {e}; correct the path, or leave it empty to do without", path.display());
            Fault::new(FIELD, "country-database-unreadable", why)
        })?;
        Self::read(bytes).map_err(|why| {
            let why = format!("{} {why}; get a country database in the MMDB format", path.display());
            Fault::new(FIELD, "country-database-malformed", why)
        })
    }

    /// Reads the bytes of a file; the error completes a sentence that begins with its name.
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let reader = Reader::from_source(bytes).map_err(|e| format!("is no MMDB: {e}"))?;
        let path = probe(&reader)?;
        Ok(Self { reader, path })
    }

    /// The country of an address, if the database has one.
    pub(super) fn find(&self, address: IpAddr) -> Option<Country> {
        // IPv4-mapped addresses are IPv4 to the database; a lookup fails only in damaged parts of a file.
        let found = self.reader.lookup(address.to_canonical()).ok()?;
        country(&found, self.path)
    }
}

type Found<'a> = maxminddb::LookupResult<'a, Vec<u8>>;

fn country(found: &Found<'_>, path: &[PathElement<'static>]) -> Option<Country> {
    found.decode_path::<&str>(path).ok().flatten()?.parse().ok()
}

/// Where this database has its countries.
fn probe(reader: &Reader<Vec<u8>>) -> Result<&'static [PathElement<'static>], String> {
    let networks = reader.networks(Default::default()).map_err(|e| format!("has a damaged index: {e}"))?;
    for found in networks.take(PROBED).flatten() {
        if let Some(path) = PATHS.iter().find(|path| country(&found, path).is_some()) {
            return Ok(path);
        }
    }
    Err(format!("has no countries (its type is {})", reader.metadata().database_type))
}

#[cfg(test)]
pub(super) mod tests;

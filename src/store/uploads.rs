//! Files between upload and import, and the presets that users saved.

use diesel::prelude::*;

use super::schema::{import_presets, import_uploads};
use super::{Conn, StoreError};
use crate::domain::fault::{Fault, shown};
use crate::domain::time::UtcMillis;
use crate::store::labels::Author;

/// Files that one user may have waiting; the oldest makes room.
const PER_USER: i64 = 5;
/// Bytes of all waiting files.
const BYTES_MAX: i64 = 512 << 20;

/// A waiting file.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its name.
    pub name: String,
    /// Its bytes, encrypted.
    pub sealed: Vec<u8>,
}

/// Keeps a file under the hash of its token until it expires.
pub fn put(
    conn: &mut Conn,
    token_hash: &[u8],
    upload: &Upload,
    expires_at: UtcMillis,
    author: &Author,
) -> Result<(), StoreError> {
    use import_uploads as t;
    on!(conn, c => diesel::delete(t::table.filter(t::expires_at.le(author.now.0))).execute(c))?;
    let own: Vec<Vec<u8>> = on!(conn, c => t::table.filter(t::created_by.eq(&author.name))
        .order(t::created_at.desc()).offset(PER_USER - 1).limit(1_000).select(t::token_hash).load(c))?;
    on!(conn, c => diesel::delete(t::table.filter(t::token_hash.eq_any(&own))).execute(c))?;
    let sizes: Vec<i64> = on!(conn, c => t::table.select(t::bytes).load(c))?;
    let size = i64::try_from(upload.sealed.len()).unwrap_or(i64::MAX);
    if sizes.iter().sum::<i64>().saturating_add(size) > BYTES_MAX {
        return Err(StoreError::Busy("too many files wait to be imported; try again in some minutes".into()));
    }
    on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::token_hash.eq(token_hash), t::name.eq(&upload.name), t::body.eq(&upload.sealed), t::bytes.eq(size),
            t::created_at.eq(author.now.0), t::expires_at.eq(expires_at.0), t::created_by.eq(&author.name),
        ))
        .execute(c))?;
    Ok(())
}

/// The waiting file of a token, for the user who brought it.
pub fn get(conn: &mut Conn, token_hash: &[u8], author: &Author) -> Result<Upload, StoreError> {
    use import_uploads as t;
    let row: Option<(String, Vec<u8>)> = on!(conn, c => t::table.find(token_hash)
        .filter(t::created_by.eq(&author.name)).filter(t::expires_at.gt(author.now.0))
        .select((t::name, t::body)).first(c).optional())?;
    row.map(|(name, sealed)| Upload { name, sealed })
        .ok_or_else(|| StoreError::NotFound("the file, which is kept for an hour; choose it again, as it".into()))
}

/// Forgets a waiting file.
pub fn remove(conn: &mut Conn, token_hash: &[u8]) -> Result<(), StoreError> {
    on!(conn, c => diesel::delete(import_uploads::table.find(token_hash)).execute(c))?;
    Ok(())
}

/// The presets that users saved, by name, as TOML.
pub fn presets(conn: &mut Conn) -> Result<Vec<(String, String)>, StoreError> {
    use import_presets as t;
    let mut list: Vec<(String, String)> = on!(conn, c => t::table.select((t::name, t::body)).load(c))?;
    list.sort();
    Ok(list)
}

/// Saves a preset; one of the same name is replaced.
pub fn save_preset(conn: &mut Conn, name: &str, body: &str, author: &Author) -> Result<(), StoreError> {
    use import_presets as t;
    let others: i64 = on!(conn, c => t::table.filter(t::name.ne(name)).count().get_result(c))?;
    if others >= 500 {
        return Err(StoreError::refused(Fault::new("name", "presets-full", "there are 500 presets; remove one first")));
    }
    on!(conn, c => diesel::delete(t::table.filter(t::name.eq(name))).execute(c))?;
    on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::name.eq(name), t::body.eq(body), t::created_at.eq(author.now.0), t::recorded_by.eq(&author.name),
        ))
        .execute(c))?;
    Ok(())
}

/// Removes a preset of a user; files that were imported by it stay.
pub fn remove_preset(conn: &mut Conn, name: &str) -> Result<(), StoreError> {
    let done = on!(conn, c => diesel::delete(import_presets::table.filter(import_presets::name.eq(name))).execute(c))?;
    if done == 0 { Err(StoreError::NotFound(format!("the preset {}", shown(name)))) } else { Ok(()) }
}

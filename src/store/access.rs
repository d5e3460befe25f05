//! Users, their sessions, and API keys. Tokens are stored as hashes only.

use diesel::prelude::*;

use super::schema::{api_keys, sessions, users};
use super::{Conn, StoreError};
use crate::domain::fault::Fault;
use crate::domain::ids::{KeyId, UserId};
use crate::domain::time::UtcMillis;

/// Somebody who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The address they sign in with, lower case.
    pub email: String,
    /// The argon2id hash, in PHC form.
    pub password_hash: String,
}

/// A signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub user: UserId,
    /// Their address.
    pub email: String,
    /// What every form of theirs must carry.
    pub csrf: String,
}

/// A key for the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// The name people read.
    pub name: String,
    /// Its first characters, to tell keys apart.
    pub hint: String,
    /// What it may do, separated by spaces.
    pub scopes: String,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was taken back.
    pub revoked_at: Option<UtcMillis>,
}

/// Adds a user.
pub fn create_user(conn: &mut Conn, email: &str, password_hash: &str, now: UtcMillis) -> Result<UserId, StoreError> {
    if find_user(conn, email)?.is_some() {
        return Err(StoreError::refused(Fault::new(
            "email",
            "user-exists",
            "a user with this address exists already; sign in, or reset the password with `headwater user password`",
        )));
    }
    let id: i64 = on!(conn, c => diesel::insert_into(users::table)
        .values((users::email.eq(email), users::password_hash.eq(password_hash), users::created_at.eq(now.0)))
        .returning(users::id).get_result(c))?;
    Ok(UserId(id))
}

/// Sets a user's password and ends their sessions.
pub fn set_password(conn: &mut Conn, email: &str, password_hash: &str) -> Result<(), StoreError> {
    let user = find_user(conn, email)?.ok_or_else(|| StoreError::NotFound("a user with this address".into()))?;
    on!(conn, c => diesel::update(users::table.filter(users::id.eq(user.id.0)))
        .set(users::password_hash.eq(password_hash)).execute(c))?;
    on!(conn, c => diesel::delete(sessions::table.filter(sessions::user_id.eq(user.id.0))).execute(c))?;
    Ok(())
}

/// Whether anybody can sign in yet.
pub fn any_user(conn: &mut Conn) -> Result<bool, StoreError> {
    let n: i64 = on!(conn, c => users::table.count().get_result(c))?;
    Ok(n > 0)
}

/// A user by address.
pub fn find_user(conn: &mut Conn, email: &str) -> Result<Option<User>, StoreError> {
    let row: Option<(i64, String, String)> = on!(conn, c => users::table
        .filter(users::email.eq(email)).filter(users::disabled_at.is_null())
        .select((users::id, users::email, users::password_hash)).first(c).optional())?;
    Ok(row.map(|(id, email, password_hash)| User { id: UserId(id), email, password_hash }))
}

/// Every user's address, sorted.
pub fn list_users(conn: &mut Conn) -> Result<Vec<String>, StoreError> {
    let mut list: Vec<String> = on!(conn, c => users::table.select(users::email).load(c))?;
    list.sort();
    Ok(list)
}

/// Opens a session and clears those that have ended.
pub fn open_session(
    conn: &mut Conn,
    token_hash: &[u8],
    user: UserId,
    csrf: &str,
    now: UtcMillis,
    expires_at: UtcMillis,
) -> Result<(), StoreError> {
    on!(conn, c => diesel::delete(sessions::table.filter(sessions::expires_at.le(now.0))).execute(c))?;
    on!(conn, c => diesel::insert_into(sessions::table)
        .values((
            sessions::token_hash.eq(token_hash), sessions::user_id.eq(user.0), sessions::csrf.eq(csrf),
            sessions::created_at.eq(now.0), sessions::expires_at.eq(expires_at.0),
        ))
        .execute(c))?;
    Ok(())
}

/// The session behind a cookie, if it has not ended.
pub fn session(conn: &mut Conn, token_hash: &[u8], now: UtcMillis) -> Result<Option<Session>, StoreError> {
    let row: Option<(i64, String, String)> = on!(conn, c => sessions::table
        .inner_join(users::table.on(users::id.eq(sessions::user_id)))
        .filter(sessions::token_hash.eq(token_hash)).filter(sessions::expires_at.gt(now.0)).filter(users::disabled_at.is_null())
        .select((sessions::user_id, users::email, sessions::csrf)).first(c).optional())?;
    Ok(row.map(|(user, email, csrf)| Session { user: UserId(user), email, csrf }))
}

/// Ends a session.
pub fn close_session(conn: &mut Conn, token_hash: &[u8]) -> Result<(), StoreError> {
    on!(conn, c => diesel::delete(sessions::table.filter(sessions::token_hash.eq(token_hash))).execute(c))?;
    Ok(())
}

/// Adds an API key.
pub fn create_key(
    conn: &mut Conn,
    name: &str,
    hint: &str,
    key_hash: &[u8],
    scopes: &str,
    now: UtcMillis,
) -> Result<KeyId, StoreError> {
    let id: i64 = on!(conn, c => diesel::insert_into(api_keys::table)
        .values((
            api_keys::name.eq(name), api_keys::hint.eq(hint), api_keys::key_hash.eq(key_hash),
            api_keys::scopes.eq(scopes), api_keys::created_at.eq(now.0),
        ))
        .returning(api_keys::id).get_result(c))?;
    Ok(KeyId(id))
}

/// Takes a key back.
pub fn revoke_key(conn: &mut Conn, id: KeyId, now: UtcMillis) -> Result<(), StoreError> {
    let changed = on!(conn, c => diesel::update(api_keys::table.filter(api_keys::id.eq(id.0)))
        .set(api_keys::revoked_at.eq(now.0)).execute(c))?;
    if changed == 0 { Err(StoreError::NotFound(format!("key {id}"))) } else { Ok(()) }
}

/// Every key, newest first.
pub fn list_keys(conn: &mut Conn) -> Result<Vec<ApiKey>, StoreError> {
    type Row = (i64, String, String, String, i64, Option<i64>);
    let rows: Vec<Row> = on!(conn, c => api_keys::table.order(api_keys::id.desc())
        .select((api_keys::id, api_keys::name, api_keys::hint, api_keys::scopes, api_keys::created_at, api_keys::revoked_at))
        .load(c))?;
    Ok(rows.into_iter().map(key_of).collect())
}

/// The live key of a hash. The look-up is by a hash of 256 random bits, so its timing tells nothing.
pub fn key_by_hash(conn: &mut Conn, key_hash: &[u8]) -> Result<Option<ApiKey>, StoreError> {
    type Row = (i64, String, String, String, i64, Option<i64>);
    let row: Option<Row> = on!(conn, c => api_keys::table
        .filter(api_keys::key_hash.eq(key_hash)).filter(api_keys::revoked_at.is_null())
        .select((api_keys::id, api_keys::name, api_keys::hint, api_keys::scopes, api_keys::created_at, api_keys::revoked_at))
        .first(c).optional())?;
    Ok(row.map(key_of))
}

fn key_of((id, name, hint, scopes, created_at, revoked_at): (i64, String, String, String, i64, Option<i64>)) -> ApiKey {
    ApiKey {
        id: KeyId(id),
        name,
        hint,
        scopes,
        created_at: UtcMillis(created_at),
        revoked_at: revoked_at.map(UtcMillis),
    }
}

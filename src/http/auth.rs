//! Who may do what: API keys with scopes, and sessions of signed-in people.
//!
//! An API key is 256 random bits, stored as SHA-256. A password is stored as
//! argon2id. A permission stands in a handler's type: `Can<LinksWrite>`.

use std::any::TypeId;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use subtle::ConstantTimeEq;

use super::problem::{Problem, ProblemKind};
use super::state::State;
use crate::domain::fault::Fault;
use crate::domain::named_enum::named_enum;
use crate::secret::{random_token, sha256};
use crate::store::access::{self, Session};
use crate::store::labels::Author;

/// What an API key begins with.
pub const KEY_PREFIX: &str = "hwk_";
/// The session cookie.
pub const SESSION_COOKIE: &str = "hw_session";
/// How long a session lasts: 12 hours.
pub const SESSION_MS: i64 = 12 * 3_600_000;
/// Shortest password.
pub const PASSWORD_LEN_MIN: usize = 12;

named_enum!(
    /// What a key may do.
    Scope, "scopes", "scope-unknown" {
        /// Make and change channels, campaigns, posts and links; list them.
        LinksWrite = "links:write",
        /// Post stage events, merges and corrections.
        ConversionsWrite = "conversions:write",
        /// Post and undo costs.
        CostsWrite = "costs:write",
        /// Read reports, journeys and lists.
        ReportsRead = "reports:read",
        /// Configure endpoints, list and replay deliveries.
        EndpointsWrite = "endpoints:write",
        /// Read deliveries with their headers and bodies, which hold personal data.
        DeliveriesRead = "deliveries:read",
        /// Erase a person's data, for good.
        PeopleErase = "people:erase",
        /// Read /metrics from elsewhere than this machine.
        MetricsRead = "metrics:read",
    }
);

/// Reads scopes separated by spaces or commas.
pub fn parse_scopes(text: &str) -> Result<Vec<Scope>, Fault> {
    let mut scopes =
        text.split([' ', ',']).filter(|s| !s.is_empty()).map(str::parse).collect::<Result<Vec<Scope>, _>>()?;
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Fault::new("scopes", "missing", "a key needs a scope at least, such as reports:read"));
    }
    Ok(scopes)
}

/// A new key: the text that is shown once, and its first characters.
pub fn new_key() -> (String, String) {
    let key = format!("{KEY_PREFIX}{}", random_token());
    let hint = key.chars().take(KEY_PREFIX.len() + 4).collect();
    (key, hint)
}

/// Hashes a password with argon2id; slow on purpose, so call it off the event loop.
pub fn hash_password(password: &str) -> Result<String, Fault> {
    if password.chars().count() < PASSWORD_LEN_MIN || password.len() > 1_000 {
        return Err(Fault::new(
            "password",
            "password-length",
            format!("use {PASSWORD_LEN_MIN} characters or more; a few words are easy to remember"),
        ));
    }
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|h| h.to_string())
        .map_err(|e| Fault::new("password", "password-hash", e.to_string()))
}

/// Checks a password; slow on purpose. Without a user it spends the same time and answers no.
pub fn verify_password(password: &str, hash: Option<&str>) -> bool {
    // A hash of random bytes that nobody knows, with the default cost.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$6tKNxPLpZ0MbB1nMT5Y8tXhAX4cCqjY3uR7fG0b5f5I";
    let is_known = hash.is_some();
    let fits = PasswordHash::new(hash.unwrap_or(NOBODY))
        .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
    is_known && fits
}

/// Compares secrets without telling where they differ.
pub fn same_secret(a: &str, b: &str) -> bool {
    sha256(a.as_bytes()).ct_eq(&sha256(b.as_bytes())).into()
}

/// A permission, as a type.
pub trait Permission: 'static {
    /// Scopes of which one suffices.
    const ANY_OF: &'static [Scope];
}

macro_rules! permission {
    ($(#[$doc:meta])* $name:ident = $($scope:ident)|+) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl Permission for $name {
            const ANY_OF: &'static [Scope] = &[$(Scope::$scope),+];
        }
    };
}

permission!(
    /// Change what links are made of.
    LinksWrite = LinksWrite);
permission!(
    /// See what links are made of.
    LinksRead = LinksWrite | ReportsRead);
permission!(
    /// Post stage events.
    ConversionsWrite = ConversionsWrite);
permission!(
    /// Post costs.
    CostsWrite = CostsWrite);
permission!(
    /// Undo batches: of costs, or of touches and stage events.
    BatchesUndo = CostsWrite | ConversionsWrite
);
permission!(
    /// See costs and batches.
    CostsRead = CostsWrite | ReportsRead);
permission!(
    /// See reports.
    ReportsRead = ReportsRead);
permission!(
    /// Configure endpoints and work the inbox.
    EndpointsWrite = EndpointsWrite);
permission!(
    /// Erase a person's data.
    PeopleErase = PeopleErase);
permission!(
    /// See what was erased.
    ErasuresRead = PeopleErase | ReportsRead);
permission!(
    /// See the inbox.
    InboxRead = EndpointsWrite | DeliveriesRead);

/// A caller of the API who may do `P`, and what they sent.
///
/// The body or the query is read here, after the permission: as an argument of its own actix reads it at the same
/// time, and somebody without a key would be told what is wrong with it.
#[derive(Debug)]
pub struct Can<P, T = ()> {
    /// Who, for the record.
    pub author: Author,
    /// What they sent.
    pub input: T,
    scopes: Vec<Scope>,
    permission: PhantomData<P>,
}

impl<P, T> Can<P, T> {
    /// Requires a further scope, where only the stored thing says which one.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        let name = self.author.name.strip_prefix("key:").unwrap_or(&self.author.name);
        if self.scopes.contains(&scope) { Ok(()) } else { Err(lacks(name, &[scope])) }
    }
}

impl<P: Permission, T: FromRequest + 'static> FromRequest for Can<P, T> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        // A handler that reads the body itself keeps it.
        let mut payload = if TypeId::of::<T>() == TypeId::of::<()>() { Payload::None } else { payload.take() };
        Box::pin(async move {
            let (author, scopes) = require(&request, P::ANY_OF).await?;
            let input = T::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self { author, input, scopes, permission: PhantomData })
        })
    }
}

fn lacks(key: &str, any_of: &[Scope]) -> Problem {
    let wanted: Vec<&str> = any_of.iter().map(|s| s.as_str()).collect();
    Problem::new(ProblemKind::Forbidden, format!("the key `{key}` lacks the scope {}", wanted.join(" or ")))
}

/// Requires a live API key with one of the scopes; answers who it is and all it may do.
pub async fn require(request: &HttpRequest, any_of: &'static [Scope]) -> Result<(Author, Vec<Scope>), Problem> {
    let unauthenticated = |why: &str| Problem::new(ProblemKind::Unauthenticated, why);
    let state =
        request.app_data::<Data<State>>().cloned().ok_or_else(|| Problem::new(ProblemKind::Internal, "no state"))?;
    let header = request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok()).ok_or_else(|| {
        unauthenticated("send the header `Authorization: Bearer hwk_…`; make a key with `headwater key create`")
    })?;
    let key = header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim())
        .ok_or_else(|| unauthenticated("the Authorization header is not of the form `Bearer hwk_…`"))?;
    let hash = sha256(key.as_bytes());
    let known = state
        .db
        .read(move |conn| access::key_by_hash(conn, &hash))
        .await?
        .ok_or_else(|| unauthenticated("the key is not known or was revoked"))?;
    let scopes = parse_scopes(&known.scopes).unwrap_or_default();
    if !any_of.iter().any(|s| scopes.contains(s)) {
        return Err(lacks(&known.name, any_of));
    }
    Ok((Author { name: format!("key:{}", known.name), now: state.clock.now() }, scopes))
}

/// The session of a request's cookie, if it has not ended.
pub async fn session_of(request: &HttpRequest, state: &State) -> Result<Option<Session>, Problem> {
    let Some(cookie) = request.cookie(SESSION_COOKIE) else { return Ok(None) };
    let (hash, now) = (sha256(cookie.value().as_bytes()), state.clock.now());
    Ok(state.db.read(move |conn| access::session(conn, &hash, now)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_verify_against_their_hash_only() {
        let hash = hash_password("correct horse battery").expect("hash");
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password("correct horse battery", Some(&hash)));
        assert!(!verify_password("correct horse batterz", Some(&hash)));
        assert!(!verify_password("correct horse battery", None));
        assert_eq!(hash_password("short").expect_err("short").code, "password-length");
    }

    #[test]
    fn scopes_are_read_or_refused_by_name() {
        assert_eq!(parse_scopes("reports:read, links:write").expect("scopes"), [Scope::LinksWrite, Scope::ReportsRead]);
        assert_eq!(parse_scopes("everything").expect_err("unknown").code, "scope-unknown");
        assert_eq!(parse_scopes(" ").expect_err("none").code, "missing");
    }
}

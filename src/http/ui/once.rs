//! Things that are shown once on the page after a form: a new secret, a new key, notices.
//!
//! They travel in an encrypted cookie of two minutes that the next page removes, so that they are in no
//! address, no history and no log, and a reload does not send the form again.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::http::auth::same_secret;
use crate::http::state::State;
use crate::store::StoreError;
use crate::store::access::Session;

const NAME: &str = "hw_once";
const PATH: &str = "/app";
const SECONDS: i64 = 120;

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    /// The session it is meant for.
    csrf: String,
    /// The page it is meant for.
    page: String,
    value: T,
}

/// The cookie that brings a value to the next page.
pub(super) fn keep<T: Serialize>(
    state: &State,
    session: &Session,
    page: &str,
    value: T,
) -> Result<Cookie<'static>, StoreError> {
    let sealed = Sealed { csrf: session.csrf.clone(), page: page.to_owned(), value };
    let json = serde_json::to_vec(&sealed).map_err(|e| StoreError::Other(e.to_string()))?;
    let text = URL_SAFE_NO_PAD.encode(state.secret.seal(&json)?);
    Ok(cookie(text, state, SECONDS))
}

/// What the form before this page left for it.
pub(super) fn take<T: DeserializeOwned>(
    request: &HttpRequest,
    state: &State,
    session: &Session,
    page: &str,
) -> Option<T> {
    let cookie = request.cookie(NAME)?;
    let opened = state.secret.open(&URL_SAFE_NO_PAD.decode(cookie.value()).ok()?).ok()?;
    let sealed: Sealed<T> = serde_json::from_slice(&opened).ok()?;
    (sealed.page == page && same_secret(&sealed.csrf, &session.csrf)).then_some(sealed.value)
}

/// The cookie that removes the cookie.
pub(super) fn gone(state: &State) -> Cookie<'static> {
    cookie(String::new(), state, 0)
}

fn cookie(value: String, state: &State, seconds: i64) -> Cookie<'static> {
    Cookie::build(NAME, value)
        .path(PATH)
        .http_only(true)
        .secure(state.is_https())
        .same_site(SameSite::Strict)
        .max_age(Duration::seconds(seconds))
        .finish()
}

//! Signing in and out.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use governor::clock::{Clock as _, DefaultClock};
use serde::Deserialize;

use super::forms::{Fields, Form};
use super::once;
use super::page::{PageError, PageResult, Shell, html, ok, see};
use super::session::{Posted, PostedByAnyone};
use crate::domain::ids::UserId;
use crate::domain::time::UtcMillis;
use crate::http::auth::{SESSION_COOKIE, SESSION_MS, session_of, verify_password};
use crate::http::client_address::client_address;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::secret::{random_token, sha256};
use crate::store::{Conn, StoreError, access};

/// The query string of the page.
#[derive(Debug, Deserialize)]
pub(super) struct Arrival {
    #[serde(default)]
    next: String,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    shell: Shell,
    form: Form,
    is_refused: bool,
    needs_set_up: bool,
}

/// `GET /app/sign-in`
pub(super) async fn show(request: HttpRequest, state: Data<State>, query: Query<Arrival>) -> PageResult {
    let next = local(&query.next);
    if session_of(&request, &state).await?.is_some() {
        return Ok(see(next));
    }
    ok(&SignInPage {
        shell: Shell::anonymous("Sign in").after(query.done.as_deref()),
        form: Form::new(Fields::of([("next", next)])),
        is_refused: false,
        needs_set_up: state.open_set_up().is_some(),
    })
}

/// `POST /app/sign-in`
pub(super) async fn enter(request: HttpRequest, state: Data<State>, posted: PostedByAnyone) -> PageResult {
    admit(&request, &state)?;
    let (email, password) = (posted.fields.text("email").to_lowercase(), posted.fields.get("password").to_owned());
    let user = state.db.read(move |conn| access::find_user(conn, &email)).await?;
    let hash = user.as_ref().map(|u| u.password_hash.clone());
    let fits = tokio::task::spawn_blocking(move || verify_password(&password, hash.as_deref())).await.unwrap_or(false);
    let Some(user) = user.filter(|_| fits) else {
        let kept = Fields::of([("email", posted.fields.get("email")), ("next", posted.fields.get("next"))]);
        let page = SignInPage {
            shell: Shell::anonymous("Sign in"),
            form: Form::new(kept),
            is_refused: true,
            needs_set_up: false,
        };
        return html(HttpResponse::build(StatusCode::UNAUTHORIZED), &page);
    };
    let (opened, now) = (NewSession::new(user.id), state.clock.now());
    let before = request.cookie(SESSION_COOKIE).map(|c| sha256(c.value().as_bytes()));
    let cookie = opened.cookie(&state);
    state
        .db
        .write(move |conn| {
            if let Some(before) = before {
                access::close_session(conn, &before)?;
            }
            opened.store(conn, now)
        })
        .await?;
    let mut response = see(local(posted.fields.get("next")));
    set(&mut response, &cookie)?;
    Ok(response)
}

/// `POST /app/sign-out`
pub(super) async fn leave(request: HttpRequest, state: Data<State>, _posted: Posted) -> PageResult {
    if let Some(cookie) = request.cookie(SESSION_COOKIE) {
        let hash = sha256(cookie.value().as_bytes());
        state.db.write(move |conn| access::close_session(conn, &hash)).await?;
    }
    let mut response = see("/app/sign-in?done=signed-out");
    set(&mut response, &session_cookie(String::new(), &state, 0))?;
    set(&mut response, &once::gone(&state))?;
    Ok(response)
}

/// A session that is about to be opened.
pub(super) struct NewSession {
    token: String,
    csrf: String,
    user: Option<UserId>,
}

impl NewSession {
    /// A session of a known user.
    pub(super) fn new(user: UserId) -> Self {
        Self { token: random_token(), csrf: random_token(), user: Some(user) }
    }

    /// A session of a user who is made in the same transaction.
    pub(super) fn of_new_user() -> Self {
        Self { token: random_token(), csrf: random_token(), user: None }
    }

    /// The same, once the user is known.
    pub(super) fn belongs_to(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Its cookie.
    pub(super) fn cookie(&self, state: &State) -> Cookie<'static> {
        session_cookie(self.token.clone(), state, SESSION_MS / 1_000)
    }

    /// Stores it, as a hash.
    pub(super) fn store(&self, conn: &mut Conn, now: UtcMillis) -> Result<(), StoreError> {
        let user = self.user.ok_or_else(|| StoreError::Other("a session needs a user".into()))?;
        access::open_session(conn, &sha256(self.token.as_bytes()), user, &self.csrf, now, now.plus_ms(SESSION_MS))
    }
}

/// Sets a cookie on an answer.
pub(super) fn set(response: &mut HttpResponse, cookie: &Cookie<'_>) -> Result<(), PageError> {
    response.add_cookie(cookie).map_err(|e| {
        PageError::new(StatusCode::INTERNAL_SERVER_ERROR, "The server made a mistake", format!("a cookie: {e}"))
    })
}

fn session_cookie(token: String, state: &State, seconds: i64) -> Cookie<'static> {
    Cookie::build(SESSION_COOKIE, token)
        .path("/app")
        .http_only(true)
        .secure(state.is_https())
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(seconds))
        .finish()
}

/// Where to go afterwards: a path of ours, else the first page.
fn local(next: &str) -> &str {
    let is_ours = next == "/app" || next.starts_with("/app/") || next.starts_with("/app?");
    let is_plain = !next.contains(['\\', '#']) && !next.contains("//") && next.bytes().all(|b| b.is_ascii_graphic());
    if is_ours && is_plain { next } else { "/app" }
}

fn admit(request: &HttpRequest, state: &State) -> Result<(), PageError> {
    let address =
        client_address(request.head(), &state.config.server.trusted_proxies).map(|a| a.to_string()).unwrap_or_default();
    state.sign_in_limit.check_key(&address).map_err(|until| {
        let seconds = until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
        Problem::too_many(seconds).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_follow_a_sign_in() {
        for path in ["/app", "/app/links", "/app/reports/cost-per-lead?by=link&zone=Europe%2FBerlin"] {
            assert_eq!(local(path), path);
        }
        for path in [
            "",
            "/",
            "//evil.example",
            "/app//evil",
            "/application",
            "https://evil.example/app",
            "/app/\\e",
            "/app/\r\nX: y",
        ] {
            assert_eq!(local(path), "/app", "{path:?}");
        }
    }
}

//! Set-up: the first administrator, and the decision on the visitor cookie.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use askama::Template;
use serde::Deserialize;

use super::forms::{Choice, Fields, Form};
use super::page::{PageError, PageResult, Shell, faults_of, ok, see, unprocessable};
use super::session::PostedByAnyone;
use super::sign_in::{NewSession, set};
use crate::config::VisitorCookie;
use crate::domain::fault::Fault;
use crate::domain::person::joinable_email;
use crate::http::auth::{hash_password, same_secret};
use crate::http::state::{State, VISITOR_COOKIE_SETTING};
use crate::store::{StoreError, access, ledger};

/// The query string of the page.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "set_up.html")]
struct SetUpPage {
    shell: Shell,
    form: Form,
    cookie_choices: Vec<Choice>,
    /// What the configuration decided, if it did.
    decided: Option<&'static str>,
}

/// `GET /app/set-up`
pub(super) async fn show(state: Data<State>, query: Query<Token>) -> PageResult {
    require_token(&state, &query.token)?;
    ok(&page(&state, Form::new(Fields::of([("token", query.token.as_str())]))))
}

/// `POST /app/set-up`
pub(super) async fn create(state: Data<State>, posted: PostedByAnyone) -> PageResult {
    let fields = posted.fields;
    require_token(&state, fields.get("token"))?;
    let kept = || {
        let names = ["token", "email", "visitor_cookie"];
        Fields::of(names.map(|name| (name, fields.get(name))))
    };
    let (email, decision) = match check(&state, &fields) {
        Ok(checked) => checked,
        Err(faults) => return unprocessable(&page(&state, Form::refused(kept(), faults))),
    };
    let password = fields.get("password").to_owned();
    let hashed = tokio::task::spawn_blocking(move || hash_password(&password)).await;
    let hash = match hashed.map_err(|e| StoreError::Other(e.to_string()))? {
        Ok(hash) => hash,
        Err(fault) => return unprocessable(&page(&state, Form::refused(kept(), vec![fault]))),
    };
    let (opened, now) = (NewSession::of_new_user(), state.clock.now());
    let cookie = opened.cookie(&state);
    let stored_decision = decision.clone();
    let stored = state
        .db
        .write(move |conn| {
            if access::any_user(conn)? {
                return Err(StoreError::refused(Fault::new(
                    "email",
                    "set-up-closed",
                    "somebody else finished set-up just now; sign in",
                )));
            }
            let user = access::create_user(conn, &email, &hash, now)?;
            if let Some(decision) = &stored_decision {
                ledger::set_meta_value(conn, VISITOR_COOKIE_SETTING, decision)?;
            }
            opened.belongs_to(user).store(conn, now)
        })
        .await;
    if let Err(error) = stored {
        return unprocessable(&page(&state, Form::refused(kept(), faults_of(error)?)));
    }
    state.close_set_up();
    state.decide_cookies(decision.as_deref());
    let mut response = see("/app/channels?done=set-up");
    set(&mut response, &cookie)?;
    Ok(response)
}

/// The address and the decision; the password is checked where it is hashed.
fn check(state: &State, fields: &Fields) -> Result<(String, Option<String>), Vec<Fault>> {
    let mut faults = Vec::new();
    let email = match joinable_email(fields.get("email")) {
        Ok(Some(email)) => Some(email),
        Ok(None) => {
            faults.push(Fault::new("email", "email-malformed", "this address names nobody; give a person's"));
            None
        }
        Err(_) => {
            faults.push(Fault::new(
                "email",
                "email-malformed",
                "this is not an e-mail address; write name@example.com",
            ));
            None
        }
    };
    let decision = match (state.config.tracking.visitor_cookie, fields.get("visitor_cookie")) {
        (VisitorCookie::Ask, choice @ ("on" | "off")) => Some(choice.to_owned()),
        (VisitorCookie::Ask, _) => {
            faults.push(Fault::new("visitor_cookie", "missing", "choose one of the two"));
            None
        }
        (VisitorCookie::On | VisitorCookie::Off, _) => None,
    };
    match email {
        Some(email) if faults.is_empty() => Ok((email, decision)),
        _ => Err(faults),
    }
}

fn page(state: &State, form: Form) -> SetUpPage {
    let decided = match state.config.tracking.visitor_cookie {
        VisitorCookie::On => Some("on"),
        VisitorCookie::Off => Some("off"),
        VisitorCookie::Ask => None,
    };
    let cookie_choices = vec![
        Choice::explained(
            "off",
            "No cookie",
            "Journeys join by click id only: a lead is credited to the link its form was reached through, earlier visits stay unknown.",
        ),
        Choice::explained(
            "on",
            "Set a first-party cookie for 13 months",
            "Visits of one browser join into one journey. Visitors who send Global Privacy Control or Do Not Track never get it.",
        ),
    ];
    SetUpPage { shell: Shell::anonymous("Set up Headwater"), form, cookie_choices, decided }
}

fn require_token(state: &State, token: &str) -> Result<(), PageError> {
    match state.open_set_up() {
        Some(open) if same_secret(&open, token) => Ok(()),
        Some(_) => Err(PageError::new(
            StatusCode::FORBIDDEN,
            "This is not the set-up link",
            "the link that creates the first administrator is printed where the server was started, \
             in its first lines; each start prints a new one",
        )),
        None => Err(PageError::new(
            StatusCode::GONE,
            "Set-up is finished",
            "an administrator exists; sign in, or add people with `headwater user add`",
        )),
    }
}

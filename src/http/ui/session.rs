//! Who asks: a signed-in person, and forms that came from our own pages.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{HOST, ORIGIN};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Form};
use actix_web::{FromRequest, HttpRequest};

use super::forms::Fields;
use super::page::PageError;
use crate::http::auth::{same_secret, session_of};
use crate::http::state::State;
use crate::store::access::Session;
use crate::store::labels::Author;

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, PageError>>>>;

/// Somebody who is signed in; may do everything, for now.
#[derive(Debug)]
pub(super) struct SignedIn {
    /// Their session.
    pub session: Session,
    /// The same, for the record.
    pub author: Author,
}

impl FromRequest for SignedIn {
    type Error = PageError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let state = state_of(&request)?;
            signed_in(&request, &state).await
        })
    }
}

/// A form of a signed-in person: it came from our pages and carries the session's token.
#[derive(Debug)]
pub(super) struct Posted {
    /// Who sent it.
    pub who: SignedIn,
    /// What it says.
    pub fields: Fields,
}

impl FromRequest for Posted {
    type Error = PageError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = Form::<Vec<(String, String)>>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let state = state_of(&request)?;
            let who = signed_in(&request, &state).await?;
            require_own_origin(&request, &state)?;
            let fields = read(form.await)?;
            require_own_form(&request, &state, fields.get("csrf"), &who)?;
            Ok(Self { who, fields })
        })
    }
}

/// Refuses a form that another site sent, or that does not carry the session's own token.
pub(super) fn require_own_form(
    request: &HttpRequest,
    state: &State,
    csrf: &str,
    who: &SignedIn,
) -> Result<(), PageError> {
    require_own_origin(request, state)?;
    if same_secret(csrf, &who.session.csrf) {
        return Ok(());
    }
    Err(PageError::new(
        StatusCode::FORBIDDEN,
        "This form is not yours",
        "the form does not belong to your session, perhaps because you signed in again since; \
         go back, reload the page and send it again. Nothing was stored",
    ))
}

/// A form of somebody who has no session yet: it came from our pages.
#[derive(Debug)]
pub(super) struct PostedByAnyone {
    /// What it says.
    pub fields: Fields,
}

impl FromRequest for PostedByAnyone {
    type Error = PageError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = Form::<Vec<(String, String)>>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let state = state_of(&request)?;
            require_own_origin(&request, &state)?;
            Ok(Self { fields: read(form.await)? })
        })
    }
}

pub(super) fn state_of(request: &HttpRequest) -> Result<Data<State>, PageError> {
    request.app_data::<Data<State>>().cloned().ok_or_else(|| {
        PageError::new(StatusCode::INTERNAL_SERVER_ERROR, "The server made a mistake", "it has no state")
    })
}

async fn signed_in(request: &HttpRequest, state: &State) -> Result<SignedIn, PageError> {
    match session_of(request, state).await? {
        Some(session) => {
            let author = Author { name: format!("user:{}", session.email), now: state.clock.now() };
            Ok(SignedIn { session, author })
        }
        None if request.method() == Method::GET => {
            Err(PageError::SignIn(request.uri().path_and_query().map_or("/app", |p| p.as_str()).to_owned()))
        }
        None => Err(PageError::SignIn("/app".to_owned())),
    }
}

/// Refuses a form that another site sent. Browsers name the origin on every such post; other clients may not.
fn require_own_origin(request: &HttpRequest, state: &State) -> Result<(), PageError> {
    let header = |name| request.headers().get(name).map(|v| v.to_str().unwrap_or(""));
    let Some(origin) = header(ORIGIN) else { return Ok(()) };
    let public = url::Url::parse(&state.config.server.public_url).map(|u| u.origin().ascii_serialization());
    let host = header(HOST).unwrap_or("");
    let is_own = public.is_ok_and(|own| own == origin)
        || (!host.is_empty() && (origin == format!("http://{host}") || origin == format!("https://{host}")));
    if is_own {
        return Ok(());
    }
    Err(PageError::new(
        StatusCode::FORBIDDEN,
        "Another site sent this form",
        "nothing was stored. If this is your own server behind a proxy, set server.public_url to the address in your browser",
    ))
}

fn read(form: Result<Form<Vec<(String, String)>>, actix_web::Error>) -> Result<Fields, PageError> {
    form.map(|form| Fields::new(form.into_inner())).map_err(|error| {
        let status = error.as_response_error().status_code();
        PageError::new(status, "The form cannot be read", format!("{error}; nothing was stored"))
    })
}

//! A file that a signed-in person hands over in a form of our own.

use std::future::Future;
use std::pin::Pin;

use actix_multipart::MultipartError;
use actix_multipart::form::bytes::Bytes as File;
use actix_multipart::form::text::Text;
use actix_multipart::form::{MultipartForm, MultipartFormConfig};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest};

use super::page::PageError;
use super::session::{SignedIn, require_own_form, state_of};

/// Bytes of a form's fields beside its file.
const FIELDS_BYTES_MAX: usize = 64 << 10;

/// How much a form with a file may hold; more is refused while it is read.
pub(super) fn limits(file_bytes_max: usize) -> MultipartFormConfig {
    let most = file_bytes_max + FIELDS_BYTES_MAX;
    MultipartFormConfig::default().total_limit(most).memory_limit(most)
}

#[derive(Debug, MultipartForm)]
struct Parts {
    #[multipart(limit = "4KB")]
    csrf: Text<String>,
    file: File,
}

/// One file of a signed-in person: the form came from our pages and carries the session's token.
#[derive(Debug)]
pub(super) struct Uploaded {
    /// Who sent it.
    pub who: SignedIn,
    /// Its name, as the browser told it.
    pub name: String,
    /// Its bytes.
    pub bytes: actix_web::web::Bytes,
}

fn unreadable(error: &actix_web::Error) -> PageError {
    let cause = error.as_error::<MultipartError>();
    if matches!(cause, Some(MultipartError::Payload(PayloadError::Overflow))) {
        let detail =
            "the form holds more than this server takes in; check that it is the right file. Nothing was stored";
        return PageError::new(StatusCode::PAYLOAD_TOO_LARGE, "The file is too large", detail);
    }
    PageError::new(StatusCode::BAD_REQUEST, "The form cannot be read", format!("{error}; nothing was stored"))
}

impl FromRequest for Uploaded {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let state = state_of(&request)?;
            let who = SignedIn::extract(&request).await?;
            let form = MultipartForm::<Parts>::from_request(&request, &mut payload).await;
            let form = form.map_err(|error| unreadable(&error))?;
            let Parts { csrf, file } = form.into_inner();
            require_own_form(&request, &state, &csrf, &who)?;
            // The name is a label in the list of batches, nothing more.
            let name = file.file_name.unwrap_or_default();
            let name = name.chars().filter(|c| !c.is_control()).take(100).collect();
            Ok(Self { who, name, bytes: file.data })
        })
    }
}

//! A file in the body of a request: as it is, or in a form of several parts. Bounded in size and time.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Payload;
use bytes::Bytes;
use futures_core::Stream;

use super::problem::{Problem, ProblemKind};
use crate::domain::fault::Fault;

/// What to do about an export that is too large.
pub(super) const SPLIT: &str = "split it by days, or raise imports.file_bytes_max";
/// How long a file may take to arrive.
const DEADLINE: Duration = Duration::from_secs(300);
/// Most fields beside the file.
const FIELDS_MAX: usize = 200;
/// Most bytes of a field beside the file.
const FIELD_BYTES_MAX: usize = 4 << 10;

/// What was sent.
#[derive(Debug, Default)]
pub(super) struct Uploaded {
    /// The file's name; empty if it was not told.
    pub(super) name: String,
    /// The file; none if there was none.
    pub(super) file: Option<Bytes>,
    /// The fields beside it.
    pub(super) fields: HashMap<String, String>,
}

/// Reads a body of at most `limit` bytes: `multipart/form-data` with the file in a part that has a file name, or the file
/// itself.
///
/// `remedy` is told to who sends more.
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
    remedy: &str,
) -> Result<Uploaded, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let is_form = kind.to_ascii_lowercase().starts_with("multipart/form-data");
    let read = async {
        if is_form {
            parts(Multipart::new(request.headers(), payload), limit, remedy).await
        } else {
            whole(payload, limit, remedy).await
        }
    };
    tokio::time::timeout(DEADLINE, read).await.map_err(|_late| {
        Problem::new(
            ProblemKind::Malformed,
            format!("the file did not arrive within {} s; send it again", DEADLINE.as_secs()),
        )
    })?
}

fn too_large(limit: usize, remedy: &str) -> Problem {
    Problem::new(ProblemKind::TooLarge, format!("the file has more than {limit} bytes; {remedy}"))
}

fn malformed(why: impl std::fmt::Display) -> Problem {
    Problem::new(ProblemKind::Malformed, format!("the body cannot be read: {why}"))
}

async fn whole(payload: Payload, limit: usize, remedy: &str) -> Result<Uploaded, Problem> {
    let bytes = payload.to_bytes_limited(limit).await.map_err(|_over| too_large(limit, remedy))?.map_err(malformed)?;
    Ok(Uploaded { file: Some(bytes).filter(|b| !b.is_empty()), ..Uploaded::default() })
}

async fn parts(mut form: Multipart, limit: usize, remedy: &str) -> Result<Uploaded, Problem> {
    let mut uploaded = Uploaded::default();
    while let Some(part) = poll_fn(|context| Pin::new(&mut form).poll_next(context)).await {
        let mut part = part.map_err(malformed)?;
        let name = part.name().unwrap_or("").to_owned();
        let file_name = part.content_disposition().and_then(|d| d.get_filename()).map(plain_name);
        match file_name {
            Some(file_name) => {
                let bytes = part.bytes(limit).await.map_err(|_over| too_large(limit, remedy))?.map_err(malformed)?;
                if !bytes.is_empty() {
                    if uploaded.file.is_some() {
                        let why = "send one file at a time";
                        return Err(Fault::new("file", "file-twice", why).into());
                    }
                    (uploaded.name, uploaded.file) = (file_name, Some(bytes));
                }
            }
            None => {
                let over = |_over| Fault::new(name.clone(), "field-too-long", "the field is too long; shorten it");
                let bytes = part.bytes(FIELD_BYTES_MAX).await.map_err(over)?.map_err(malformed)?;
                if uploaded.fields.len() >= FIELDS_MAX {
                    return Err(malformed(format!("it has more than {FIELDS_MAX} fields")));
                }
                uploaded.fields.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
    Ok(uploaded)
}

/// The last part of a file's name, without what does not belong into a list.
pub(super) fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    last.chars().filter(|c| !c.is_control()).take(120).collect()
}

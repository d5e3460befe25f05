//! Answers of the tracking paths, put together with as few copies as the headers need.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use actix_http::body::BoxBody;
use actix_http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use actix_http::{Response, StatusCode};
use bytes::{Bytes, BytesMut};

use super::request::VISITOR_COOKIE;
use crate::domain::ids::VisitorId;
use crate::tracking::pixel::PIXEL_GIF;
use crate::tracking::redirect::Found;

/// 13 months in seconds, the longest that European regulators accept for audience measurement.
const VISITOR_COOKIE_SECONDS: u32 = 395 * 24 * 60 * 60;
/// Header values of some hundred answers share one allocation.
const BLOCK: usize = 32 * 1024;
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const REASON: HeaderName = HeaderName::from_static("x-headwater-reason");

/// The redirect of a live link.
pub(super) fn redirect(found: &Found<'_, '_>, query: &str, is_https: bool) -> Response<BoxBody> {
    let mut response = Response::with_body(StatusCode::FOUND, BoxBody::new(()));
    let room = found.target.len_max() + query.len() + 1;
    let location = value(room, |out| found.target.write_location(out, found.record.id, query));
    let headers = response.headers_mut();
    // A checked destination and encoded tags are a legal value.
    if let Some(location) = location {
        headers.insert(LOCATION, location);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cookie) = found.set_visitor.and_then(|visitor| visitor_cookie(visitor, is_https)) {
        headers.insert(SET_COOKIE, cookie);
    }
    response
}

/// The picture, with the reason when nothing was recorded.
pub(super) fn pixel(refused: Option<&'static str>) -> Response<BoxBody> {
    let mut response = Response::with_body(StatusCode::OK, BoxBody::new(Bytes::from_static(&PIXEL_GIF)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CORP, HeaderValue::from_static("cross-origin"));
    if let Some(reason) = refused {
        headers.insert(REASON, HeaderValue::from_static(reason));
    }
    response
}

/// The `Set-Cookie` of a new visitor.
pub(super) fn visitor_cookie(visitor: VisitorId, is_https: bool) -> Option<HeaderValue> {
    value(160, |out| {
        write!(out, "{VISITOR_COOKIE}=")?;
        visitor.write(out)?;
        let secure = if is_https { " Secure;" } else { "" };
        write!(out, "; Path=/; Max-Age={VISITOR_COOKIE_SECONDS}; HttpOnly;{secure} SameSite=Lax")
    })
}

/// A header value written into the worker's block; `None` if a header cannot carry it.
fn value(room: usize, write: impl FnOnce(&mut BytesMut) -> fmt::Result) -> Option<HeaderValue> {
    thread_local! {
        static FREE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    }
    FREE.with_borrow_mut(|free| {
        if free.capacity() < room {
            *free = BytesMut::with_capacity(BLOCK.max(room));
        }
        let written = write(free);
        let bytes = free.split().freeze();
        written.ok().and_then(|()| HeaderValue::from_maybe_shared(bytes).ok())
    })
}

//! One request as it came in, and what it is answered.

use std::borrow::Cow;

use crate::domain::time::UtcMillis;

/// The header under which the receiver hands over what follows the token in the URL: `/v1/track?x=y`.
///
/// A colon begins no header that a sender could set. It is kept with the headers, so that a delivery can be read again.
pub const TARGET: &str = ":target";

/// One request as it came in.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The URL that the sender signs: configured public URL, path and query; never from the `Host` header.
    pub url: &'a str,
    /// Headers with lower-case names, and [`TARGET`].
    pub headers: &'a [(String, String)],
    /// The bytes as they came, before any parsing.
    pub body: &'a [u8],
    /// When it came in.
    pub received_at: UtcMillis,
}

impl<'a> Request<'a> {
    /// No request at all, for what is read of an answer.
    pub(super) fn silent() -> Self {
        Self { method: "GET", url: "", headers: &[], body: b"", received_at: UtcMillis(0) }
    }

    /// A header's value, trimmed; `None` where it is not there or empty.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty())
    }

    /// A parameter of the URL's query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        parameter(self.target(), name)
    }

    /// The last segment of the path, `track` of `/v1/track`.
    pub fn path_end(&self) -> Option<&'a str> {
        let path = self.target().split(['?', '#']).next().unwrap_or_default();
        path.trim_end_matches('/').rsplit('/').next().filter(|s| !s.is_empty())
    }

    fn target(&self) -> &'a str {
        self.header(TARGET).unwrap_or(self.url)
    }
}

/// A parameter of any URL's query or, as single-page forms have it, of its fragment.
pub(super) fn parameter(url: &str, name: &str) -> Option<String> {
    let (front, fragment) = url.split_once('#').unwrap_or((url, ""));
    let query = front.split_once('?').map_or("", |(_, query)| query);
    [query, fragment].into_iter().find_map(|pairs| {
        let mut pairs = url::form_urlencoded::parse(pairs.as_bytes());
        pairs.find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| Cow::into_owned(v))
    })
}

/// What a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type` of the body.
    pub content_type: String,
    /// The body; `None`: our own JSON about the delivery.
    pub body: Option<Vec<u8>>,
}

impl Reply {
    /// 200 with a body.
    pub(super) fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type: content_type.to_owned(), body: Some(body.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_read_before_the_url_and_parameters_are_decoded() {
        let headers = vec![(TARGET.to_owned(), "/v1/track?a=1%202".to_owned()), ("x".to_owned(), " ".to_owned())];
        let request = Request {
            method: "POST",
            url: "https://t.example/h/tok?a=9",
            headers: &headers,
            body: b"",
            received_at: UtcMillis(0),
        };
        assert_eq!((request.path_end(), request.query("a").as_deref()), (Some("track"), Some("1 2")));
        assert_eq!((request.header("x"), request.query("b")), (None, None));
        let bare = Request { headers: &[], ..request };
        assert_eq!((bare.path_end(), bare.query("a").as_deref()), (Some("tok"), Some("9")));
        assert_eq!(parameter("/?x=1#hw_id=clk_1", "hw_id").as_deref(), Some("clk_1"));
    }
}

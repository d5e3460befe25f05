//! An HTTP client that follows nothing and fails on nothing, so that tests see what was answered.

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Response, StatusCode};

/// A browser's user agent.
pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";

#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    pub(crate) base: String,
    pub(crate) key: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) text: String,
    headers: ureq::http::HeaderMap,
}

impl Default for Client {
    fn default() -> Self {
        Self::new("", "")
    }
}

impl Client {
    pub(crate) fn new(base: &str, key: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(std::time::Duration::from_secs(60)))
            .build();
        Self { agent: config.into(), base: base.to_owned(), key: key.to_owned() }
    }

    /// A request with headers of the test's own; the body may be empty.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_send(method, path, headers, body).expect("the server answers")
    }

    /// The same, where the server may be gone.
    pub(crate) fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Reply> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_vec()).expect("request");
        let response: Response<ureq::Body> = self.agent.run(request).ok()?;
        let (parts, mut body) = response.into_parts();
        let text = String::from_utf8_lossy(&body.read_to_vec().ok()?).into_owned();
        Some(Reply { status: StatusCode::as_u16(&parts.status), text, headers: parts.headers })
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[("authorization", &self.bearer())], b"")
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[("authorization", &self.bearer())], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.json("POST", path, body)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Reply {
        self.json("PATCH", path, body)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Reply {
        self.json("PUT", path, body)
    }

    /// A navigation of a browser without cookies.
    pub(crate) fn browse(&self, path: &str) -> Reply {
        self.send("GET", path, &browser_headers(), b"")
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Reply {
        let headers = [("authorization", self.bearer()), ("content-type", "application/json".to_owned())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        self.send(method, path, &headers, body.to_string().as_bytes())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }
}

/// What a browser sends with a navigation.
pub(crate) fn browser_headers() -> Vec<(&'static str, &'static str)> {
    vec![
        ("user-agent", BROWSER),
        ("accept", "text/html"),
        ("accept-language", "en"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
    ]
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|v| v.to_str().expect("text header").to_owned()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text))
    }

    /// The body, if the status is the expected one.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The codes of a problem's faults.
    pub(crate) fn fault_codes(&self) -> Vec<String> {
        let body = self.json();
        let faults = body["errors"].as_array().cloned().unwrap_or_default();
        faults.iter().map(|f| f["code"].as_str().unwrap_or("").to_owned()).collect()
    }
}

//! hw.js and what it reports: arrivals and submitted forms, from configured origins only.

use std::borrow::Cow;
use std::sync::LazyLock;

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, ORIGIN, RETRY_AFTER, SET_COOKIE, VARY,
};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use governor::clock::{Clock as _, DefaultClock};
use serde::Deserialize;

use super::answer::visitor_cookie;
use super::request::{self, ThisTurn, header, random};
use super::turn::Turn;
use crate::http::client_address::client_address;
use crate::http::metrics::Metrics;
use crate::http::state::State;
use crate::tracking::facts::Client;
use crate::tracking::pixel::{self, Landing};

/// Largest report of hw.js.
const COLLECT_BYTES_MAX: usize = 8_192;
/// hw.js as it is served, but for the parameter's name.
static SCRIPT: LazyLock<String> = LazyLock::new(|| compact(include_str!("../assets/hw.js")));

/// `GET /t/hw.js`.
pub(in crate::http) async fn script(state: Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .body(SCRIPT.replace("__PARAM__", &state.config.tracking.click_id_param))
}

/// A script without comment lines, indentation, and white space beside punctuation.
///
/// No general tool: the head of hw.js says what it asks of the source.
fn compact(source: &str) -> String {
    let lines = source.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let text = lines.collect::<Vec<_>>().join(" ");
    let binds = |c: &char| !c.is_ascii_alphanumeric() && !"_$'\"\\/.".contains(*c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_idle = c == ' ' && (out.chars().last().is_none_or(|last| binds(&last)) || rest.peek().is_none_or(binds));
        if c == '}' && out.ends_with(';') {
            out.pop();
        }
        if !is_idle {
            out.push(c);
        }
    }
    out
}

/// What hw.js says.
#[derive(Debug, Deserialize)]
struct Collected<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    page: Cow<'a, str>,
    #[serde(borrow, default)]
    referrer: Option<Cow<'a, str>>,
}

/// `POST /t/collect`: arrivals and submitted forms, from configured origins only. Never makes a stage event, a merge or an email key.
pub(in crate::http) async fn collect(
    request: HttpRequest,
    state: Data<State>,
    turn: ThisTurn,
    payload: Payload,
) -> HttpResponse {
    let Some(origin) = allowed_origin(&request, &state) else {
        return refuse(&state, 403, "the page's origin is not in tracking.allowed_origins");
    };
    if let Err(seconds) = admit(&request, &state) {
        let mut response = refuse(&state, 429, "too many reports from this address");
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
        return with_cors(response, &origin);
    }
    let body = match payload.to_bytes_limited(COLLECT_BYTES_MAX).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return with_cors(refuse(&state, 400, "the body broke off"), &origin),
        Err(_) => return with_cors(refuse(&state, 413, "the report is larger than 8192 bytes"), &origin),
    };
    let Ok(said) = serde_json::from_slice::<Collected<'_>>(&body) else {
        return with_cors(refuse(&state, 400, "the report is not JSON with `type` and `page`"), &origin);
    };
    let response = match said.kind.as_ref() {
        "submit" => {
            Metrics::count(&state.metrics.forms_submitted);
            HttpResponse::Ok().json(serde_json::json!({}))
        }
        "landing" => landing(&request, &state, &turn, &said),
        _ => refuse(&state, 400, "`type` is neither `landing` nor `submit`"),
    };
    with_cors(response, &origin)
}

/// `OPTIONS /t/collect`.
pub(in crate::http) async fn collect_preflight(request: HttpRequest, state: Data<State>) -> HttpResponse {
    match allowed_origin(&request, &state) {
        Some(origin) => with_cors(HttpResponse::NoContent().finish(), &origin),
        None => refuse(&state, 403, "the page's origin is not in tracking.allowed_origins"),
    }
}

fn landing(request: &HttpRequest, state: &State, turn: &Turn, said: &Collected<'_>) -> HttpResponse {
    let Ok(page) = url::Url::parse(&said.page) else {
        return refuse(state, 400, "`page` is not an address");
    };
    let tags: Vec<(Cow<'_, str>, Cow<'_, str>)> = page.query_pairs().collect();
    let tag = |name: &str| tags.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_ref());
    // The page's own header names its own origin as referrer; what counts is where the visitor came from.
    let client = Client { referrer: said.referrer.as_deref(), ..request::client(request.head(), state) };
    let arrival = Landing {
        page: &said.page,
        referrer: said.referrer.as_deref().filter(|r| !r.is_empty()),
        utm_source: tag("utm_source"),
        utm_medium: tag("utm_medium"),
        utm_campaign: tag("utm_campaign"),
        query: page.query().unwrap_or(""),
    };
    let Some((touch, set_visitor)) =
        pixel::landing_record(&arrival, &client, state.privacy(), state.clock.now(), random())
    else {
        return refuse(state, 400, "`page` is not an address");
    };
    let Some(connection) = request.conn_data() else {
        return refuse(state, 500, "the connection is unknown");
    };
    turn.record(&touch, connection);
    let mut response = HttpResponse::Ok();
    if let Some(cookie) = set_visitor.and_then(|visitor| visitor_cookie(visitor, state.is_https())) {
        response.insert_header((SET_COOKIE, cookie));
    }
    response.json(serde_json::json!({ "hw_id": touch.id }))
}

fn allowed_origin(request: &HttpRequest, state: &State) -> Option<String> {
    let origin = header(request.headers(), ORIGIN.as_str())?;
    let is_own = state.config.server.public_url == origin;
    (is_own || state.config.tracking.allowed_origins.iter().any(|o| o.trim_end_matches('/') == origin))
        .then(|| origin.to_owned())
}

fn admit(request: &HttpRequest, state: &State) -> Result<(), u64> {
    let address =
        client_address(request.head(), &state.config.server.trusted_proxies).map(|a| a.to_string()).unwrap_or_default();
    state
        .collect_limit
        .check_key(&address)
        .map_err(|until| until.wait_time_from(DefaultClock::default().now()).as_secs() + 1)
}

fn refuse(state: &State, status: u16, reason: &str) -> HttpResponse {
    Metrics::count(&state.metrics.collect_refused);
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or(actix_web::http::StatusCode::BAD_REQUEST);
    HttpResponse::build(status).json(serde_json::json!({ "error": reason }))
}

fn with_cors(mut response: HttpResponse, origin: &str) -> HttpResponse {
    let headers = response.headers_mut();
    if let Ok(value) = origin.parse() {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value);
    }
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (ACCESS_CONTROL_MAX_AGE, "3600"),
        (VARY, "Origin"),
    ] {
        headers.insert(name, actix_web::http::header::HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_loses_only_what_no_browser_reads() {
        let source =
            "// a\n  var a = \"b c\", d = [ 1,\n    2 ];\n\n  // e\n  if (!a) return \"\";\n  else { f(/[/]x /); }\n";
        assert_eq!(compact(source), "var a=\"b c\",d=[1,2];if(!a)return \"\";else{f(/[/]x /)}");
    }
}

//! The tracking path: redirects, the pixel, the script and its reports.
//!
//! No middleware wraps these routes, no lock is held over an await, and nothing
//! here waits for the database (invariant 1). A touch is in the journal before
//! its answer is sent (invariant 2).

use std::borrow::Cow;
use std::sync::LazyLock;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, HeaderMap, LOCATION, ORIGIN, REFERRER_POLICY,
    RETRY_AFTER, VARY,
};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use governor::clock::{Clock as _, DefaultClock};
use serde::Deserialize;

use super::client_address::client_address;
use super::metrics::Metrics;
use super::state::State;
use crate::domain::ids::VisitorId;
use crate::domain::touch::TouchRecord;
use crate::tracking::facts::{Client, Random};
use crate::tracking::pixel::{self, Landing, PIXEL_GIF};
use crate::tracking::redirect::{self, RedirectAnswer, RedirectRequest};

/// The visitor cookie.
const VISITOR_COOKIE: &str = "hw_visitor";
/// 13 months, the longest that European regulators accept for audience measurement.
const VISITOR_COOKIE_DAYS: i64 = 395;
/// Largest report of hw.js.
const COLLECT_BYTES_MAX: usize = 8_192;
/// hw.js as it is served, but for the parameter's name.
static SCRIPT: LazyLock<String> = LazyLock::new(|| compact(include_str!("assets/hw.js")));

/// `GET` and `HEAD /{slug}`.
pub(super) async fn redirect(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let cookie = request.cookie(VISITOR_COOKIE);
    let asked = RedirectRequest {
        slug: request.match_info().query("slug"),
        query: request.query_string(),
        client: client(&request, &state, cookie.as_ref().map(|c| c.value())),
    };
    let answer = redirect::decide(&asked, &state.links.table(), state.privacy(), state.clock.now(), random());
    match answer {
        RedirectAnswer::Found(found) => {
            record(&state, &found.record);
            let mut response = HttpResponse::Found();
            response.insert_header((LOCATION, found.location)).insert_header((CACHE_CONTROL, "no-store"));
            if let Some(visitor) = found.set_visitor {
                response.cookie(visitor_cookie(visitor, state.is_https()));
            }
            response.finish()
        }
        RedirectAnswer::Unknown => {
            Metrics::count(&state.metrics.slugs_unknown);
            nowhere(&state, 404, "There is no such link", "Check the address for a typing error.")
        }
        RedirectAnswer::Archived => nowhere(&state, 410, "This link has been taken down", "Its owner has archived it."),
        RedirectAnswer::Expired => {
            nowhere(&state, 410, "This link has expired", "Its owner set an end that has passed.")
        }
    }
}

/// `GET /t/p.gif`: always the picture; why nothing was recorded stands in a header.
pub(super) async fn pixel(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let cookie = request.cookie(VISITOR_COOKIE);
    let slug = url::form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(name, _)| name == "l")
        .map(|(_, v)| v.into_owned());
    let link = slug.as_deref().and_then(|s| state.links.table().find(s).map(|entry| entry.link));
    let mut response = HttpResponse::Ok();
    response
        .content_type("image/gif")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"));
    if slug.is_some() && link.is_none() {
        Metrics::count(&state.metrics.slugs_unknown);
        response.insert_header(("X-Headwater-Reason", "link-unknown"));
    } else {
        let client = client(&request, &state, cookie.as_ref().map(|c| c.value()));
        record(&state, &pixel::view_record(link, &client, state.privacy(), state.clock.now(), random()));
    }
    response.body(&PIXEL_GIF[..])
}

/// `GET /t/hw.js`.
pub(super) async fn script(state: Data<State>) -> HttpResponse {
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
pub(super) async fn collect(request: HttpRequest, state: Data<State>, payload: Payload) -> HttpResponse {
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
        "landing" => landing(&request, &state, &said),
        _ => refuse(&state, 400, "`type` is neither `landing` nor `submit`"),
    };
    with_cors(response, &origin)
}

/// `OPTIONS /t/collect`.
pub(super) async fn collect_preflight(request: HttpRequest, state: Data<State>) -> HttpResponse {
    match allowed_origin(&request, &state) {
        Some(origin) => with_cors(HttpResponse::NoContent().finish(), &origin),
        None => refuse(&state, 403, "the page's origin is not in tracking.allowed_origins"),
    }
}

fn landing(request: &HttpRequest, state: &State, said: &Collected<'_>) -> HttpResponse {
    let Ok(page) = url::Url::parse(&said.page) else {
        return refuse(state, 400, "`page` is not an address");
    };
    let tags: Vec<(Cow<'_, str>, Cow<'_, str>)> = page.query_pairs().collect();
    let tag = |name: &str| tags.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_ref());
    let cookie = request.cookie(VISITOR_COOKIE);
    // The page's own header names its own origin as referrer; what counts is where the visitor came from.
    let client =
        Client { referrer: said.referrer.as_deref(), ..client(request, state, cookie.as_ref().map(|c| c.value())) };
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
    record(state, &touch);
    let mut response = HttpResponse::Ok();
    if let Some(visitor) = set_visitor {
        response.cookie(visitor_cookie(visitor, state.is_https()));
    }
    response.json(serde_json::json!({ "hw_id": touch.id }))
}

/// Appends to the journal; where that fails the visitor is answered all the same and the touch counts as unrecorded.
fn record(state: &State, touch: &TouchRecord<'_>) {
    Metrics::count(&state.metrics.touches_answered);
    match state.journal.append(touch) {
        Ok(_) => state.writer.wake(),
        Err(error) => tracing::error!(error = %error, "a touch could not be journaled and is counted as unrecorded"),
    }
}

fn random() -> Random {
    Random { touch: rand::random(), visitor: rand::random() }
}

fn client<'a>(request: &'a HttpRequest, state: &State, visitor_cookie: Option<&'a str>) -> Client<'a> {
    let headers = request.headers();
    let is_one = |name: &str| text(headers, name) == Some("1");
    let says = |name: &str, words: &[&str]| text(headers, name).is_some_and(|v| words.iter().any(|w| v.contains(w)));
    Client {
        user_agent: text(headers, "user-agent"),
        referrer: text(headers, "referer"),
        address: client_address(request, &state.config.server.trusted_proxies),
        head: request.method() == Method::HEAD,
        gpc: is_one("sec-gpc"),
        dnt: is_one("dnt"),
        prefetch: ["sec-purpose", "purpose", "x-moz", "x-purpose"]
            .iter()
            .any(|name| says(name, &["prefetch", "preview", "prerender"])),
        accept_language: headers.contains_key("accept-language"),
        navigation: says("sec-fetch-dest", &["document"]) || says("sec-fetch-mode", &["navigate"]),
        visitor_cookie,
        cookies: state.cookie_policy(),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

fn visitor_cookie(visitor: VisitorId, is_https: bool) -> Cookie<'static> {
    Cookie::build(VISITOR_COOKIE, visitor.to_string())
        .path("/")
        .http_only(true)
        .secure(is_https)
        .same_site(SameSite::Lax)
        .max_age(actix_web::cookie::time::Duration::days(VISITOR_COOKIE_DAYS))
        .finish()
}

fn nowhere(state: &State, status: u16, title: &str, hint: &str) -> HttpResponse {
    let fallback = &state.config.tracking.fallback_url;
    if !fallback.is_empty() {
        return HttpResponse::Found()
            .insert_header((LOCATION, fallback.as_str()))
            .insert_header((CACHE_CONTROL, "no-store"))
            .finish();
    }
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or(actix_web::http::StatusCode::NOT_FOUND);
    HttpResponse::build(status).content_type("text/html; charset=utf-8").insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "no-referrer")).insert_header(("Content-Security-Policy", "default-src 'none'"))
        .body(format!("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
            <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><h1>{title}</h1><p>{hint}</p></html>"))
}

fn allowed_origin(request: &HttpRequest, state: &State) -> Option<String> {
    let origin = text(request.headers(), ORIGIN.as_str())?;
    let is_own = state.config.server.public_url == origin;
    (is_own || state.config.tracking.allowed_origins.iter().any(|o| o.trim_end_matches('/') == origin))
        .then(|| origin.to_owned())
}

fn admit(request: &HttpRequest, state: &State) -> Result<(), u64> {
    let address =
        client_address(request, &state.config.server.trusted_proxies).map(|a| a.to_string()).unwrap_or_default();
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

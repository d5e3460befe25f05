//! What every page shares: its frame, its errors, redirects after a form, and how values are printed.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use askama::Template;
use askama::filters::HtmlSafe;

use super::assets;
use crate::domain::fault::Fault;
use crate::domain::money::{Money, decimal};
use crate::domain::time::UtcMillis;
use crate::http::problem::Problem;
use crate::reports::ReportError;
use crate::store::StoreError;
use crate::store::access::Session;

/// What a handler answers.
pub(super) type PageResult = Result<HttpResponse, PageError>;

/// The frame around a page.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    /// Title of the page.
    pub title: String,
    /// Which entry of the navigation is current.
    pub section: &'static str,
    /// Who is signed in.
    pub email: Option<String>,
    /// What every form carries.
    pub csrf: String,
    /// What the form before this page did.
    pub said: Option<&'static str>,
}

impl Shell {
    /// The frame of a page for somebody who is signed in.
    pub(super) fn new(section: &'static str, title: impl Into<String>, session: &Session) -> Self {
        Self {
            title: title.into(),
            section,
            email: Some(session.email.clone()),
            csrf: session.csrf.clone(),
            said: None,
        }
    }

    /// The frame of a page for anybody.
    pub(super) fn anonymous(title: impl Into<String>) -> Self {
        Self { title: title.into(), section: "", email: None, csrf: String::new(), said: None }
    }

    /// The same with the words for a code in the query string.
    #[must_use]
    pub(super) fn after(mut self, code: Option<&str>) -> Self {
        self.said = code.and_then(said);
        self
    }

    /// Address of the style sheet.
    pub(super) fn style(&self) -> &'static str {
        assets::href("app.css")
    }

    /// Address of the script.
    pub(super) fn script(&self) -> &'static str {
        assets::href("app.js")
    }

    /// Address of the icon.
    pub(super) fn icon(&self) -> &'static str {
        assets::href("icon.svg")
    }

    /// The navigation: address, words, section.
    pub(super) fn navigation(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        &[
            ("/app", "Report", "report"),
            ("/app/links", "Links", "links"),
            ("/app/channels", "Channels", "channels"),
            ("/app/campaigns", "Campaigns", "campaigns"),
            ("/app/costs", "Costs", "costs"),
            ("/app/import", "Import", "import"),
            ("/app/conversions", "Conversions", "conversions"),
            ("/app/inbox", "Inbox", "inbox"),
            ("/app/endpoints", "Endpoints", "endpoints"),
            ("/app/keys", "Keys", "keys"),
            ("/app/api", "API", "api"),
        ]
    }
}

/// Fixed words for what a form did; anything else in the query string says nothing.
fn said(code: &str) -> Option<&'static str> {
    Some(match code {
        "link-created" => "The link is live. Copy it into your post.",
        "link-changed" => "The link is changed.",
        "link-archived" => "The link is archived. It no longer redirects; its clicks stay in every report.",
        "link-restored" => "The link redirects again.",
        "channel-created" => "The channel is ready for links.",
        "campaign-created" => "The campaign is ready for links.",
        "label-changed" => "The change is stored.",
        "label-archived" => "Archived: it is no longer offered for new links. Reports keep it.",
        "label-restored" => "It is in use again.",
        "cost-added" => "The cost is stored. Undo it from the list of batches.",
        "mapping-recorded" => {
            "The mapping is recorded. Reports from now on follow it; those of an earlier as-of time stay as they were."
        }
        "mapping-stands" => "It stood so already; nothing was changed.",
        "preset-saved" => "The preset is saved. Files with these columns are recognised from now on.",
        "hours-added" => "The hours are stored as a cost. Undo them from the list of batches.",
        "hourly-rate-added" => "The hourly rate holds from its day on.",
        "monthly-added" => "The monthly cost is in every report from its first day on.",
        "monthly-changed" => "The change holds from its month on.",
        "rate-added" => "The rate is stored. Reports convert by it from now on.",
        "rates-imported" => "The rates are stored. Undo them from the list of batches on the page Costs.",
        "rates-stood" => "All rates of that file stood already. Nothing changed.",
        "batch-undone" => "The batch is undone. Reports of an earlier as-of time stay as they were.",
        "matched" => "The match is recorded. Undo it below if it was wrong.",
        "match-undone" => "The match is undone. Reports of an earlier as-of time stay as they were.",
        "erased" => "The person's data is erased. What is left of them names nobody, and no figure moved.",
        "replayed" => "The delivery was read again; its items are below with their new verdicts.",
        "endpoint-created" => "The endpoint is made. Follow the steps below, then send a test event.",
        "endpoint-changed" => "The change is stored.",
        "endpoint-mapped" => "The new meaning holds for deliveries from now on, and for those that are read again.",
        "secret-added" => "The secret is taken from now on; those before it for as long as you said.",
        "secrets-ended" => "Only the newest secret is taken from now on.",
        "endpoint-archived" => "The endpoint is archived. Its sender is refused from now on.",
        "key-created" => "The key works from now on.",
        "key-revoked" => "The key is revoked. Whoever uses it is refused from now on.",
        "signed-out" => "You are signed out.",
        "set-up" => "You are the first administrator. Make a channel, then a link.",
        _ => return None,
    })
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// Somebody has to sign in first; afterwards they go to this path.
    #[error("sign in first")]
    SignIn(String),
    /// Anything else, in words.
    #[error("{title}: {detail}")]
    Shown {
        /// The HTTP status.
        status: StatusCode,
        /// The kind.
        title: String,
        /// What happened, and the remedy.
        detail: String,
        /// Seconds to wait.
        retry_after_s: Option<u64>,
    },
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    status: u16,
    detail: Marked,
}

impl PageError {
    /// An error with words of its own.
    pub(super) fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self::Shown { status, title: title.to_owned(), detail: detail.into(), retry_after_s: None }
    }

    /// There is no such page or thing.
    pub(super) fn not_found(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn(_) => StatusCode::SEE_OTHER,
            Self::Shown { status, .. } => *status,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::SignIn(next) => {
                let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
                see(&format!("/app/sign-in?next={next}"))
            }
            Self::Shown { status, title, detail, retry_after_s } => {
                let mut response = HttpResponse::build(*status);
                if let Some(seconds) = retry_after_s {
                    response.insert_header((RETRY_AFTER, seconds.to_string()));
                }
                let page = ErrorPage {
                    shell: Shell::anonymous(title.clone()),
                    status: status.as_u16(),
                    detail: marked(&sentence(detail)),
                };
                html(response, &page).unwrap_or_else(|_broken| HttpResponse::InternalServerError().finish())
            }
        }
    }
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        Self::Shown {
            status: problem.status_code(),
            title: problem.title().to_owned(),
            detail: problem.detail(),
            retry_after_s: problem.retry_after_s(),
        }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

impl From<ReportError> for PageError {
    fn from(error: ReportError) -> Self {
        Problem::from(error).into()
    }
}

impl From<Fault> for PageError {
    fn from(fault: Fault) -> Self {
        // A fault of an address: what it names does not exist.
        Self::not_found(&fault.detail)
    }
}

/// The faults that a form can show; any other failure is a page of its own.
pub(super) fn faults_of(error: StoreError) -> Result<Vec<Fault>, PageError> {
    match error {
        StoreError::Refused(faults) => Ok(faults),
        other => Err(other.into()),
    }
}

/// Renders a page.
pub(super) fn ok(page: &impl Template) -> PageResult {
    html(HttpResponse::Ok(), page)
}

/// Renders a page with a form whose values are at fault.
pub(super) fn unprocessable(page: &impl Template) -> PageResult {
    html(HttpResponse::UnprocessableEntity(), page)
}

/// Renders a page with a status of its own.
pub(super) fn html(mut response: HttpResponseBuilder, page: &impl Template) -> PageResult {
    let text = page.render().map_err(|error| {
        tracing::error!(error = %error, "a page could not be rendered");
        PageError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server made a mistake",
            "the cause is in the server's log",
        )
    })?;
    Ok(response.content_type("text/html; charset=utf-8").body(text))
}

/// `303 See Other`: what a form that worked answers.
pub(super) fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

/// A time as people read it: `2025-04-12 11:41`, UTC.
pub(super) fn when(at: UtcMillis) -> String {
    at.to_string().chars().take(16).collect::<String>().replace('T', " ")
}

/// An amount as finance reads it: `1,250.00 EUR`.
pub(super) fn money(amount: Money) -> String {
    format!("{} {}", thousands(&decimal(amount.minor.into(), amount.currency.exponent())), amount.currency)
}

/// A decimal with its thousands set apart: `-1250000.50` as `−1,250,000.50`.
pub(super) fn thousands(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |r| ("−", r));
    let (whole, decimals) = rest.split_once('.').map_or((rest, String::new()), |(w, d)| (w, format!(".{d}")));
    format!("{sign}{}{decimals}", grouped(whole))
}

/// A whole number with its thousands set apart.
pub(super) fn count(n: i64) -> String {
    let digits = grouped(&n.unsigned_abs().to_string());
    if n < 0 { format!("−{digits}") } else { digits }
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// The words of a fault as a sentence: capital first, full stop last.
pub(super) fn sentence(text: &str) -> String {
    let trimmed = text.trim();
    let mut chars = trimmed.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let stop = if trimmed.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// Words with `code` between back-ticks, as the domain writes them; everything else is escaped.
#[derive(Debug, Clone)]
pub(super) struct Marked(String);

impl HtmlSafe for Marked {}

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Marks the code in a sentence.
pub(super) fn marked(text: &str) -> Marked {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let parts: Vec<&str> = escaped.split('`').collect();
    // An odd tick is only a tick.
    if parts.len().is_multiple_of(2) {
        return Marked(escaped);
    }
    let html = parts
        .iter()
        .enumerate()
        .map(|(i, part)| if i.is_multiple_of(2) { (*part).to_owned() } else { format!("<code>{part}</code>") });
    Marked(html.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_printed_for_people() {
        let eur = "EUR".parse().expect("EUR");
        assert_eq!(money(Money { minor: -125_000_050, currency: eur }), "−1,250,000.50 EUR");
        assert_eq!(money(Money { minor: 1_200, currency: "JPY".parse().expect("JPY") }), "1,200 JPY");
        assert_eq!(count(1_234), "1,234");
        assert_eq!(when(UtcMillis(1_744_458_102_000)), "2025-04-12 11:41");
    }

    #[test]
    fn code_is_marked_and_everything_escaped() {
        assert_eq!(marked("`<a>` & `b`").to_string(), "<code>&lt;a&gt;</code> &amp; <code>b</code>");
        assert_eq!(marked("one ` tick").to_string(), "one ` tick");
    }

    #[test]
    fn only_known_codes_say_something() {
        assert!(said("link-created").is_some());
        assert_eq!(said("<script>"), None);
    }
}

//! The pages: server-rendered HTML under `/app`, which works without JavaScript.
//!
//! Every handler is: who (an extractor), parse, one call of a ring below, a template. A `POST` takes
//! [`session::Posted`], which refuses a form without the session's own token; it answers `303` when it worked,
//! and the same page with the faults and what was typed when it did not.

mod api_page;
mod assets;
mod conversions;
mod costs;
mod endpoint;
mod endpoints;
mod erasure;
mod forms;
mod import;
mod import_done;
mod import_map;
mod inbox;
mod keys;
mod labels;
mod labour;
mod links;
mod monthly;
mod once;
mod page;
mod people;
mod platforms;
mod rates;
mod report;
mod session;
mod set_up;
mod sheets;
mod sign_in;
mod typed;
mod unmatched;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};

use page::{PageError, PageResult};

/// Nothing inline, nothing foreign, no frames.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Bytes of a form: a file of many campaigns asks for each what it is.
const FORM_BYTES_MAX: usize = 512 << 10;

/// Registers the pages.
pub(super) fn configure(service: &mut ServiceConfig) {
    service.route("/", web::get().to(root)).service(
        web::scope("/app")
            .wrap(from_fn(with_headers))
            .app_data(query_config())
            .app_data(web::FormConfig::default().limit(FORM_BYTES_MAX))
            .configure(anonymous)
            .configure(reading)
            .configure(writing)
            .default_service(web::to(no_such_page)),
    );
}

fn anonymous(service: &mut ServiceConfig) {
    service
        .route("/static/{name}", web::get().to(assets::serve))
        .route("/set-up", web::get().to(set_up::show))
        .route("/set-up", web::post().to(set_up::create))
        .route("/sign-in", web::get().to(sign_in::show))
        .route("/sign-in", web::post().to(sign_in::enter))
        .route("/api", web::get().to(api_page::show));
}

fn reading(service: &mut ServiceConfig) {
    service
        .route("", web::get().to(report::show))
        .route("/", web::get().to(report::show))
        .route("/reports/cost-per-lead", web::get().to(report::show))
        .route("/reports/cost-per-lead.csv", web::get().to(report::csv))
        .route("/reports/cost-per-lead.json", web::get().to(report::json))
        .route("/reports/{report}.csv", web::get().to(sheets::csv))
        .route("/reports/{report}.json", web::get().to(sheets::json))
        .route("/reports/{report}", web::get().to(sheets::show))
        .route("/links", web::get().to(links::list))
        .route("/links/{id}", web::get().to(links::show))
        .route("/channels", web::get().to(labels::channels))
        .route("/channels/{id}", web::get().to(labels::channel))
        .route("/campaigns", web::get().to(labels::campaigns))
        .route("/campaigns/{id}", web::get().to(labels::campaign))
        .route("/costs", web::get().to(costs::list))
        .route("/costs/rules", web::get().to(costs::rules))
        .route("/costs/labour", web::get().to(labour::show))
        .route("/costs/monthly", web::get().to(monthly::show))
        .route("/rates", web::get().to(rates::show))
        .route("/costs/batches/{id}", web::get().to(costs::batch))
        .route("/import", web::get().to(import::start))
        .route("/import/done/{batch}", web::get().to(import_done::done))
        .route("/import/file/{token}", web::get().to(import::show))
        .route("/import/file/{token}/columns", web::get().to(import_map::show))
        .route("/platforms", web::get().to(platforms::list))
        .route("/conversions", web::get().to(conversions::list))
        .route("/unmatched", web::get().to(unmatched::list))
        .route("/inbox", web::get().to(inbox::list))
        .route("/inbox/{id}", web::get().to(inbox::show))
        .route("/people/{id}", web::get().to(people::show))
        .route("/people/{id}/erase", web::get().to(erasure::ask))
        .route("/erasures", web::get().to(erasure::list))
        .route("/endpoints", web::get().to(endpoints::list))
        .route("/endpoints/{id}", web::get().to(endpoint::show))
        .route("/keys", web::get().to(keys::list));
}

fn writing(service: &mut ServiceConfig) {
    service
        .route("/sign-out", web::post().to(sign_in::leave))
        .route("/links", web::post().to(links::create))
        .route("/links/{id}", web::post().to(links::change))
        .route("/links/{id}/archive", web::post().to(links::archive))
        .route("/channels", web::post().to(labels::create_channel))
        .route("/channels/{id}", web::post().to(labels::change_channel))
        .route("/channels/{id}/archive", web::post().to(labels::archive_channel))
        .route("/campaigns", web::post().to(labels::create_campaign))
        .route("/campaigns/{id}", web::post().to(labels::change_campaign))
        .route("/campaigns/{id}/archive", web::post().to(labels::archive_campaign))
        .route("/costs", web::post().to(costs::add))
        .route("/costs/labour", web::post().to(labour::add))
        .route("/costs/hourly-rates", web::post().to(labour::add_rate))
        .route("/costs/monthly", web::post().to(monthly::add))
        .route("/costs/monthly/change", web::post().to(monthly::change))
        .route("/rates", web::post().to(rates::add))
        .route("/rates/import", web::post().to(rates::import))
        .route("/costs/batches/{id}/undo", web::post().to(costs::undo))
        .route("/import", web::post().to(import::upload))
        .route("/import/file/{token}", web::post().to(import::act))
        .route("/import/file/{token}/columns", web::post().to(import_map::save))
        .route("/platforms/{id}", web::post().to(platforms::map))
        .route("/inbox/replay", web::post().to(inbox::replay_all))
        .route("/inbox/{id}/replay", web::post().to(inbox::replay))
        .route("/matches", web::post().to(unmatched::record))
        .route("/matches/{id}/undo", web::post().to(unmatched::undo))
        .route("/people/{id}/erase", web::post().to(erasure::erase))
        .route("/endpoints", web::post().to(endpoints::create))
        .route("/endpoints/{id}", web::post().to(endpoint::change))
        .route("/endpoints/{id}/stages", web::post().to(endpoint::set_stages))
        .route("/endpoints/{id}/mapping", web::post().to(endpoint::set_mapping))
        .route("/endpoints/{id}/api", web::post().to(endpoint::set_api))
        .route("/endpoints/{id}/secrets", web::post().to(endpoint::add_secret))
        .route("/endpoints/{id}/secrets/end", web::post().to(endpoint::end_secrets))
        .route("/endpoints/{id}/test", web::post().to(endpoint::test))
        .route("/endpoints/{id}/archive", web::post().to(endpoints::archive))
        .route("/keys", web::post().to(keys::create))
        .route("/keys/{id}/revoke", web::post().to(keys::revoke));
}

/// A query string that cannot be read is a page, too.
fn query_config() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, _request| {
        let detail = format!("the address cannot be read: {error}");
        PageError::new(StatusCode::BAD_REQUEST, "The address cannot be read", detail).into()
    })
}

async fn root() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/app")).finish()
}

async fn no_such_page() -> PageResult {
    Err(PageError::not_found("There is no page at this address. Check it for a typing error."))
}

async fn with_headers<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

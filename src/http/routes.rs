//! The whole URL table on one screen.
//!
//! Anonymous: the tracking paths, `/hooks/*`, `/healthz`, `/readyz`, sign-in, set-up, static files and the
//! API's description. Everything else asks for a key or a session. Only `/app` is wrapped in middleware;
//! the tracking path never is. `GET /t/p.gif` and `/{slug}` of known links are answered in front of these routes, by
//! [`super::track`].

use actix_web::web::{self, ServiceConfig};

use super::problem::{Problem, ProblemKind};
use super::track::{collect, missing};
use super::{api, health, hooks, ui};

/// Registers every route. The catch-all `/{slug}` comes last.
pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/healthz", web::get().to(health::healthz))
        .route("/healthz", web::head().to(health::healthz))
        .route("/readyz", web::get().to(health::readyz))
        .route("/readyz", web::head().to(health::readyz))
        .route("/metrics", web::get().to(health::metrics))
        .route("/t/hw.js", web::get().to(collect::script))
        .route("/t/collect", web::post().to(collect::collect))
        .route("/t/collect", web::method(actix_web::http::Method::OPTIONS).to(collect::collect_preflight))
        .route("/hooks/{token}", web::post().to(hooks::receive))
        .route("/hooks/{token}", web::get().to(hooks::handshake))
        .route("/hooks/{token}/{below:.*}", web::post().to(hooks::receive_below))
        .route("/api/openapi.json", web::get().to(api::openapi::document))
        .service(web::scope("/api/v1").configure(api_v1).default_service(web::to(no_such_call)))
        .configure(ui::configure)
        .route("/{slug}", web::get().to(missing::redirect))
        .route("/{slug}", web::head().to(missing::redirect));
}

fn api_v1(service: &mut ServiceConfig) {
    service
        .configure(api_links)
        .configure(api_people)
        .configure(api_money)
        .configure(api_endpoints)
        .configure(api_reports);
}

/// Links, and what they are labelled with.
fn api_links(service: &mut ServiceConfig) {
    use api::{labels, links};
    service
        .route("/channels", web::get().to(labels::list_channels))
        .route("/channels", web::post().to(labels::create_channel))
        .route("/channels/{id}", web::patch().to(labels::change_channel))
        .route("/campaigns", web::get().to(labels::list_campaigns))
        .route("/campaigns", web::post().to(labels::create_campaign))
        .route("/campaigns/{id}", web::patch().to(labels::change_campaign))
        .route("/posts", web::get().to(labels::list_posts))
        .route("/posts", web::post().to(labels::create_post))
        .route("/posts/{id}", web::patch().to(labels::change_post))
        .route("/links", web::get().to(links::list_links))
        .route("/links", web::post().to(links::create_link))
        .route("/links/{id}", web::get().to(links::get_link))
        .route("/links/{id}", web::patch().to(links::change_link));
}

/// Stage events, and whom they are about.
fn api_people(service: &mut ServiceConfig) {
    use api::{conversions, erasures, matching, people};
    service
        .route("/conversions", web::post().to(conversions::post_conversions))
        .route("/conversions", web::get().to(conversions::list_conversions))
        .route("/conversions/{id}", web::delete().to(conversions::void_conversion))
        .route("/people", web::get().to(people::list_people))
        .route("/people/merge", web::post().to(people::merge))
        .route("/people/unmerge", web::post().to(people::unmerge))
        .route("/people/shared", web::get().to(people::list_shared))
        .route("/people/{id}", web::get().to(people::get_person))
        .route("/erasures", web::post().to(erasures::create_erasure))
        .route("/erasures", web::get().to(erasures::list_erasures))
        .route("/unmatched", web::get().to(matching::list_unmatched))
        .route("/matches", web::post().to(matching::create_match))
        .route("/matches", web::get().to(matching::list_matches))
        .route("/matches/{id}", web::delete().to(matching::undo_match));
}

/// What was spent, by hand and by files.
fn api_money(service: &mut ServiceConfig) {
    use api::{costs, imports, rates, schedules};
    service
        .route("/costs", web::post().to(costs::post_costs))
        .route("/costs", web::get().to(costs::list_costs))
        .route("/costs/schedules", web::get().to(schedules::list_schedules))
        .route("/costs/schedules", web::post().to(schedules::create_schedule))
        .route("/costs/schedules/{id}", web::patch().to(schedules::change_schedule))
        .route("/costs/hourly-rates", web::get().to(schedules::list_hourly_rates))
        .route("/costs/hourly-rates", web::post().to(schedules::post_hourly_rate))
        .route("/rates", web::get().to(rates::list_rates))
        .route("/rates", web::post().to(rates::post_rates))
        .route("/rates/import", web::post().to(rates::import_rates))
        .route("/batches", web::get().to(costs::list_batches))
        .route("/batches/{id}", web::delete().to(costs::undo_batch))
        .route("/imports", web::post().to(imports::post_import))
        .route("/imports/presets", web::get().to(imports::list_presets))
        .route("/imports/presets", web::post().to(imports::save_preset))
        .route("/imports/presets/{name}", web::delete().to(imports::remove_preset))
        .route("/platforms", web::get().to(imports::list_platforms))
        .route("/platforms/accounts/{id}", web::put().to(imports::map_account))
        .route("/platforms/campaigns/{id}", web::put().to(imports::map_campaign));
}

/// Receivers, and what they received.
fn api_endpoints(service: &mut ServiceConfig) {
    use api::{endpoint_setup, endpoints, inbox};
    service
        .route("/endpoints", web::get().to(endpoints::list_endpoints))
        .route("/endpoints", web::post().to(endpoints::create_endpoint))
        .route("/presets", web::get().to(endpoint_setup::list_presets))
        .route("/endpoints/{id}", web::get().to(endpoint_setup::get_endpoint))
        .route("/endpoints/{id}", web::patch().to(endpoint_setup::change_endpoint))
        .route("/endpoints/{id}/secrets", web::post().to(endpoint_setup::add_secret))
        .route("/endpoints/{id}/secrets", web::delete().to(endpoint_setup::end_secrets))
        .route("/endpoints/{id}/test", web::post().to(endpoint_setup::test_endpoint))
        .route("/endpoints/{id}/mapping", web::put().to(endpoints::set_mapping))
        .route("/endpoints/{id}", web::delete().to(endpoints::archive_endpoint))
        .route("/deliveries", web::get().to(inbox::list_deliveries))
        .route("/deliveries/replay", web::post().to(inbox::replay_deliveries))
        .route("/deliveries/{id}", web::get().to(inbox::get_delivery))
        .route("/deliveries/{id}/replay", web::post().to(inbox::replay_delivery));
}

/// Reports.
fn api_reports(service: &mut ServiceConfig) {
    use api::reports;
    service
        .route("/metrics/posts", web::get().to(reports::post_metrics))
        .route("/metrics/accounts", web::get().to(reports::account_metrics))
        .route("/reports/cost-per-lead", web::get().to(reports::cost_per_lead))
        .route("/reports", web::get().to(reports::list_reports))
        .route("/reports/{report}", web::get().to(reports::sheets))
        .route("/models", web::get().to(reports::list_models));
}

async fn no_such_call() -> Result<actix_web::HttpResponse, Problem> {
    Err(Problem::new(ProblemKind::NotFound, "there is no such call; see /api/openapi.json for those there are"))
}

//! The OpenAPI 3.1 document, made from the handlers. A test compares it with the route table.

use actix_web::HttpResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    conversions, costs, endpoint_setup, endpoints, erasures, imports, inbox, labels, links, matching, people, rates,
    reports, schedules,
};

/// The document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Headwater", description = "Tracked links, stage events, costs, and what each lead and each customer cost. \
        Errors are RFC 9457 problems. Send an API key as `Authorization: Bearer hwk_…`."),
    paths(
        labels::list_channels, labels::create_channel, labels::change_channel,
        labels::list_campaigns, labels::create_campaign, labels::change_campaign,
        labels::list_posts, labels::create_post, labels::change_post,
        links::list_links, links::create_link, links::get_link, links::change_link,
        conversions::post_conversions, conversions::list_conversions, conversions::void_conversion,
        people::list_people, people::get_person, people::merge, people::unmerge, people::list_shared,
        erasures::create_erasure, erasures::list_erasures,
        matching::list_unmatched, matching::create_match, matching::list_matches, matching::undo_match,
        costs::post_costs, costs::list_costs, costs::list_batches, costs::undo_batch,
        imports::post_import, imports::list_presets, imports::save_preset, imports::remove_preset,
        imports::list_platforms, imports::map_account, imports::map_campaign,
        schedules::list_schedules, schedules::create_schedule, schedules::change_schedule,
        schedules::list_hourly_rates, schedules::post_hourly_rate,
        rates::list_rates, rates::post_rates, rates::import_rates,
        endpoints::list_endpoints, endpoints::create_endpoint, endpoints::set_mapping, endpoints::archive_endpoint,
        endpoint_setup::list_presets, endpoint_setup::get_endpoint, endpoint_setup::change_endpoint, endpoint_setup::add_secret,
        endpoint_setup::end_secrets, endpoint_setup::test_endpoint,
        inbox::list_deliveries, inbox::get_delivery, inbox::replay_delivery, inbox::replay_deliveries,
        reports::list_reports, reports::cost_per_lead, reports::sheets, reports::list_models,
        reports::post_metrics, reports::account_metrics,
    ),
    tags(
        (name = "links", description = "Channels, campaigns, posts and tracked links. Scope links:write; reports:read may list."),
        (name = "conversions", description = "Stage events. Scope conversions:write."),
        (name = "people", description = "Journeys and identity. Scopes reports:read and conversions:write."),
        (name = "erasures", description = "Erasure of a person's data. Scope people:erase; reports:read may list what was erased."),
        (name = "costs", description = "What was spent, and exchange rates. Scope costs:write; reports:read may list."),
        (name = "imports", description = "Files of ad platforms and social networks. Scope costs:write."),
        (name = "endpoints", description = "Receivers of webhooks. Scope endpoints:write."),
        (name = "inbox", description = "Deliveries and what became of them. Scope endpoints:write; deliveries:read shows headers and bodies."),
        (name = "reports", description = "The figures. Scope reports:read."),
    ),
    modifiers(&BearerKey),
    security(("api_key" = []))
)]
pub struct Document;

struct BearerKey;

impl Modify for BearerKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key; make one with `headwater key create` or on the Keys page."))
            .build();
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("api_key", SecurityScheme::Http(scheme));
    }
}

/// `GET /api/openapi.json`
pub(crate) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(Document::openapi())
}

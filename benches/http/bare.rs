//! The base of comparison: actix-web answering a fixed 302, and nothing else.
//!
//! It is compiled with the same profile and the same actix-web as Headwater, and takes the same single worker,
//! so that the ratio to it is what recording a click costs.

use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{App, HttpResponse, HttpServer, web};
use clap::Args;

use super::Outcome;
use super::contenders::FIXED_LOCATION;

#[derive(Debug, Args)]
pub(super) struct Bare {
    /// Address and port to listen on
    #[arg(long, default_value = "127.0.0.1:8081")]
    bind: String,
}

/// Serves until killed.
pub(super) fn run(bare: &Bare) -> Outcome<()> {
    let server = HttpServer::new(|| App::new().route("/{slug}", web::get().to(found)))
        .workers(1)
        .tcp_nodelay(true)
        .bind(&bare.bind)?
        .run();
    actix_web::rt::System::new().block_on(server)?;
    Ok(())
}

async fn found() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, FIXED_LOCATION)).insert_header((CACHE_CONTROL, "no-store")).finish()
}

//! Style sheet, script and icon: compiled in, addressed by content, cached for a year.

use std::collections::HashMap;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Path;
use rust_embed::Embed;

use super::page::{PageError, PageResult};

#[derive(Embed)]
#[folder = "src/http/assets/"]
struct Assets;

/// What may be asked for, and its type.
const NAMES: &[(&str, &str)] = &[
    ("app.css", "text/css; charset=utf-8"),
    ("app.js", "text/javascript; charset=utf-8"),
    ("icon.svg", "image/svg+xml"),
];

static HREFS: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    let version = |name: &str| {
        let hash = Assets::get(name).map(|f| f.metadata.sha256_hash()).unwrap_or_default();
        hash.iter().take(6).map(|b| format!("{b:02x}")).collect::<String>()
    };
    NAMES.iter().map(|(name, _)| (*name, format!("/app/static/{name}?v={}", version(name)))).collect()
});

/// The address of an asset, with its content's hash.
pub(super) fn href(name: &str) -> &'static str {
    HREFS.get(name).map_or("", String::as_str)
}

/// `GET /app/static/{name}`
pub(super) async fn serve(path: Path<String>) -> PageResult {
    let known = NAMES.iter().find(|(name, _)| *name == path.as_str());
    let found = known.and_then(|(name, kind)| Assets::get(name).map(|file| (file, kind)));
    let (file, kind) = found.ok_or_else(|| PageError::not_found("There is no such file."))?;
    Ok(HttpResponse::Ok()
        .content_type(*kind)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(file.data.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_is_there_and_addressed_by_its_content() {
        for (name, _) in NAMES {
            assert!(Assets::get(name).is_some(), "{name}");
            assert!(href(name).len() > "/app/static/?v=".len() + name.len() + 8, "{name}");
        }
    }
}

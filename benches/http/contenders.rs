//! Who is measured: nginx, the bare actix-web handler, and Headwater in each of its sync modes.

use std::fs;
use std::path::Path;

use super::Outcome;
use super::fixture;
use super::machine::SERVER_CORE;
use super::process::{Server, free_port, headwater, pinned};
use super::requests::{Kind, SLUGS, request};

/// What the fixed redirects answer: as long as a tagged destination of Headwater.
pub(super) const FIXED_LOCATION: &str = "https://www.example.com/products/spring/offer-1?ref=post&utm_source=linkedin\
    &utm_medium=social&utm_campaign=spring-2025&hw_id=clk_01JZ0000000000000000000000";

/// A way of syncing the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    Os,
    Interval,
    Always,
}

impl Sync {
    /// The setting's value.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Interval => "interval",
            Self::Always => "always",
        }
    }
}

/// nginx with one process: a fixed redirect, `empty_gif` and a 404.
pub(super) fn nginx(parent: &Path) -> Outcome<Server> {
    let dir = parent.join("nginx");
    fs::create_dir_all(&dir)?;
    let (port, at) = (free_port()?, dir.display());
    let config = format!(
        "daemon off; master_process off; worker_processes 1; pid {at}/nginx.pid; error_log stderr crit;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\n  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; default_type text/html;\n\
         \x20 client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u;\n\
         \x20 scgi_temp_path {at}/s;\n\
         \x20 server {{\n    listen 127.0.0.1:{port} backlog=4096;\n    location = /t/p.gif {{ empty_gif; }}\n\
         \x20   location /missing- {{ return 404; }}\n    location / {{ return 302 {FIXED_LOCATION}; }}\n  }}\n}}\n"
    );
    let file = dir.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = pinned(SERVER_CORE, "nginx");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("-p").arg(&dir).arg("-c").arg(&file);
    Server::start(command, port, &request(Kind::Redirect, 1), dir.join("log"))
}

/// This program's own `bare` command.
pub(super) fn bare(parent: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let own = std::env::current_exe()?;
    let mut command = pinned(SERVER_CORE, &own.display().to_string());
    command.args(["bare", "--bind", &format!("127.0.0.1:{port}")]);
    Server::start(command, port, &request(Kind::Redirect, 1), parent.join("bare.log"))
}

/// Headwater on a data directory of its own with the usual links.
pub(super) fn with_links(parent: &Path, name: &str, sync: Sync) -> Outcome<Server> {
    let data = fixture::make(parent, name, SLUGS)?;
    serve(&data, sync)
}

/// Headwater on a data directory; `post-1` is a link there.
pub(super) fn serve(data: &Path, sync: Sync) -> Outcome<Server> {
    let port = free_port()?;
    let command = headwater(data, &serve_arguments(sync, port))?;
    Server::start(command, port, &request(Kind::Redirect, 1), data.join("stderr"))
}

/// The settings of every measured server: everything else is the default.
pub(super) fn serve_arguments(sync: Sync, port: u16) -> Vec<String> {
    let mut arguments = vec!["serve".to_owned()];
    for set in [
        format!("server.bind=127.0.0.1:{port}"),
        "server.workers=1".to_owned(),
        format!("journal.sync={}", sync.name()),
        "tracking.visitor_cookie=on".to_owned(),
        "log.level=warn".to_owned(),
    ] {
        arguments.extend(["--set".to_owned(), set]);
    }
    arguments
}

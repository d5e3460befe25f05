//! The listener and the workers behind it.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Protocol};
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service};
use actix_web::App;
use actix_web::rt::net::TcpStream;
use actix_web::web::{Data, ThinData};
use socket2::{Domain, Socket, Type};

use super::connection::Connection;
use super::state::State;
use super::track::{Turn, in_front_of};
use super::{api, routes};

/// Connections that may wait to be accepted: a restart under load finds a crowd.
const BACKLOG: i32 = 4_096;
/// Files that are no connections of clients: journal, quarantine, listeners, logs.
const FILES_RESERVED: usize = 48;
/// What a worker's event loop holds open.
const FILES_PER_WORKER: usize = 6;
/// SQLite keeps three files for each connection; each is counted as reader and as writer.
const FILES_PER_DATABASE_CONNECTION: usize = 4;
/// Connections of one worker at most.
const CONNECTIONS_MAX: usize = 25_600;
/// A request's head must arrive within this, or its connection is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that has been told to go has this long to do so.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Listens on every address that a name and port stand for.
pub fn listen(bind: &str) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in bind.to_socket_addrs()? {
        match listen_on(address) {
            Ok(listener) => listeners.push(listener),
            Err(why) => failed = why,
        }
    }
    if listeners.is_empty() { Err(failed) } else { Ok(listeners) }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait until the connections of the one before have faded.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections that each worker may have. Beyond them, new ones wait in the backlog until others end: without a free
/// file descriptor the journal could begin no segment, and clicks would go unrecorded.
fn connections_max(workers: usize, database: usize) -> usize {
    let reserved = FILES_RESERVED + FILES_PER_WORKER * workers + FILES_PER_DATABASE_CONNECTION * database;
    let limit = files_max().saturating_sub(reserved);
    (limit / workers.max(1)).clamp(1, CONNECTIONS_MAX)
}

/// How many files this process may have open; raised to what the system allows.
#[cfg(unix)]
fn files_max() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    allowed.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}

#[cfg(not(unix))]
fn files_max() -> usize {
    usize::MAX
}

/// Serves on listeners with so many workers, until `stop` is done; open requests then have `deadline` to finish.
pub fn serve_on(
    listeners: Vec<TcpListener>,
    state: &Data<State>,
    workers: usize,
    deadline: Duration,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let database = usize::try_from(state.config.database.connections).unwrap_or(usize::MAX);
    let mut builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections_max(workers, database))
        .shutdown_timeout(deadline.as_secs().max(1))
        .shutdown_signal(stop);
    let stopping = builder.graceful_shutdown_signal();
    for listener in listeners {
        let (state, stopping) = (state.clone(), stopping.clone());
        let address = listener.local_addr()?;
        builder = builder.listen("headwater", listener, move || {
            let stopping = stopping.clone();
            let turn = Turn::new(state.clone());
            let app = App::new()
                .app_data(state.clone())
                .app_data(ThinData(std::rc::Rc::clone(&turn)))
                .app_data(api::json_config(state.config.intake.body_bytes_max))
                .app_data(api::query_config())
                .configure(routes::configure);
            let http = HttpService::build()
                // Idle connections end when the server stops; busy ones after their answer.
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                // Our connections end themselves when they are idle; a timer for each request would cost as much as a record.
                .keep_alive(KeepAlive::Os)
                .on_connect_ext(|connection: &Connection, data| drop(data.insert(connection.link())))
                .client_request_timeout(HEAD_TIMEOUT)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .local_addr(address)
                .finish(in_front_of(app.into_factory(), state.clone(), turn));
            fn_service(|stream: TcpStream| async move {
                // Without it the system would hold small answers back; a stream that does not know it works all the same.
                let _unknown = stream.set_nodelay(true);
                let peer = stream.peer_addr().ok();
                Ok((Connection::new(stream), Protocol::Http1, peer))
            })
            .and_then(http)
        })?;
    }
    Ok(builder.run())
}

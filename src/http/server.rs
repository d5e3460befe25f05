//! The listener and the workers behind it.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::IntoServiceFactory as _;
use actix_web::App;
use actix_web::web::{Data, ThinData};
use socket2::{Domain, Socket, Type};

use super::state::State;
use super::track::{Turn, in_front_of};
use super::{api, routes};

/// Connections that may wait to be accepted: a restart under load finds a crowd.
const BACKLOG: i32 = 4_096;
/// A request's head must arrive within this, or its connection is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that has been told to go has this long to do so.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// An idle connection is kept this long.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

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

/// Serves on listeners with so many workers, until `stop` is done; open requests then have `deadline` to finish.
pub fn serve_on(
    listeners: Vec<TcpListener>,
    state: &Data<State>,
    workers: usize,
    deadline: Duration,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let mut builder =
        Server::build().workers(workers).shutdown_timeout(deadline.as_secs().max(1)).shutdown_signal(stop);
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
            HttpService::build()
                // Idle connections end when the server stops; busy ones after their answer.
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(HEAD_TIMEOUT)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .tcp_nodelay(true)
                .local_addr(address)
                .finish(in_front_of(app.into_factory(), state.clone(), turn))
                .tcp()
        })?;
    }
    Ok(builder.run())
}

//! A client with a constant rate, whose latencies count from when a request was due.
//!
//! A client that waits for an answer before it sends the next request sends none while the server stands still,
//! and so hides what it was to measure (coordinated omission). Here the schedule is fixed beforehand: a request
//! that finds no free connection waits, and its waiting counts. One thread polls without sleeping, as the wake-up
//! of a timer would cost more than an answer; it is meant to have a core of its own.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use super::Outcome;
use super::requests::read_file;

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct Steady {
    /// Port of the server on this machine
    #[arg(long)]
    pub(super) port: u16,
    /// File of requests
    #[arg(long)]
    pub(super) requests: PathBuf,
    /// Requests per second
    #[arg(long)]
    pub(super) rate: u64,
    /// Seconds
    #[arg(long)]
    pub(super) seconds: u64,
    /// Connections
    #[arg(long, default_value_t = 64)]
    pub(super) connections: usize,
}

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Latencies {
    pub(super) requests: u64,
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// When the request under way was due.
    due: Instant,
    received: Vec<u8>,
}

/// Runs and prints the latencies.
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
pub(super) fn run(steady: &Steady) -> Outcome<()> {
    println!("{}", serde_json::to_string(&measure(steady)?)?);
    Ok(())
}

fn measure(steady: &Steady) -> Outcome<Latencies> {
    let requests = read_file(&steady.requests)?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(steady.connections);
    let mut connections = connect(steady, &poll)?;
    let mut idle: VecDeque<usize> = (0..connections.len()).collect();
    let total = usize::try_from(steady.rate * steady.seconds)?;
    let begin = Instant::now();
    let due = |i: usize| {
        begin
            + Duration::from_secs(1) * u32::try_from(i).unwrap_or(u32::MAX)
                / u32::try_from(steady.rate).unwrap_or(u32::MAX)
    };
    let end = due(total) + PATIENCE;
    let mut latencies = Vec::with_capacity(total);
    let mut sent = 0;
    while latencies.len() < total {
        let now = Instant::now();
        if now > end {
            return Err(format!("{} of {total} requests were not answered", total - latencies.len()).into());
        }
        while sent < total && due(sent) <= now {
            let Some(free) = idle.pop_front() else { break };
            let (Some(connection), Some(request)) = (connections.get_mut(free), requests.get(sent % requests.len()))
            else {
                break;
            };
            connection.due = due(sent);
            connection.stream.write_all(request.as_bytes())?;
            sent += 1;
        }
        poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            let Some(connection) = connections.get_mut(event.token().0) else { continue };
            if connection.receive()? {
                latencies.push(connection.due.elapsed());
                idle.push_back(event.token().0);
            }
        }
    }
    Ok(summary(latencies))
}

fn connect(steady: &Steady, poll: &Poll) -> Outcome<Vec<Connection>> {
    let address = SocketAddr::from(([127, 0, 0, 1], steady.port));
    (0..steady.connections)
        .map(|i| {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(i), Interest::READABLE)?;
            Ok(Connection { stream, due: Instant::now(), received: Vec::with_capacity(4_096) })
        })
        .collect()
}

impl Connection {
    /// Reads what is there; whether the answer is whole.
    fn receive(&mut self) -> Outcome<bool> {
        let mut buffer = [0; 4_096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(n) => self.received.extend_from_slice(buffer.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e.into()),
            }
        }
        if !is_whole(&self.received)? {
            return Ok(false);
        }
        self.received.clear();
        Ok(true)
    }
}

/// Whether the bytes are a whole answer.
pub(super) fn is_whole(received: &[u8]) -> Outcome<bool> {
    let Some(head) = received.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(false) };
    let text = std::str::from_utf8(received.get(..head).unwrap_or_default())?;
    if !matches!(text.get(9..12), Some("302" | "200" | "404")) {
        return Err(format!("the server answered {}", text.lines().next().unwrap_or("")).into());
    }
    let length = text
        .lines()
        .filter_map(|l| l.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, v)| v.trim().parse::<usize>().ok())
        .unwrap_or(0);
    Ok(received.len() >= head + 4 + length)
}

fn summary(mut latencies: Vec<Duration>) -> Latencies {
    latencies.sort_unstable();
    let at = |per_mille: usize| {
        let place = (latencies.len() * per_mille / 1_000).min(latencies.len().saturating_sub(1));
        latencies.get(place).map_or(0, |l| u64::try_from(l.as_micros()).unwrap_or(u64::MAX))
    };
    Latencies {
        requests: u64::try_from(latencies.len()).unwrap_or(0),
        p50: at(500),
        p99: at(990),
        p999: at(999),
        max: at(1_000),
    }
}

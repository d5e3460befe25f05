//! Senders and visitors at a constant rate, over connections that are kept.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Outcome;
use super::vendors::Sender;

/// Connections, and threads, of each load.
const CONNECTIONS: u64 = 24;
/// A sender that is told to try again waits so long here, and not the seconds of `Retry-After`.
const RETRY: Duration = Duration::from_millis(100);

/// One answered request.
#[derive(Debug, Clone, Copy)]
struct Answer {
    /// When it was due, from the beginning.
    due: Duration,
    /// From then to its answer.
    latency: Duration,
    /// Attempts before it that were answered 503.
    again: u64,
    accepted: bool,
}

/// All answers of a load.
#[derive(Debug, Default)]
pub(super) struct Answers(Vec<Answer>);

impl Answers {
    pub(super) fn sent(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn accepted(&self) -> u64 {
        self.0.iter().filter(|a| a.accepted).count() as u64
    }

    pub(super) fn again(&self) -> u64 {
        self.0.iter().map(|a| a.again).sum()
    }

    /// Count and latencies of what was due in a stretch of time.
    pub(super) fn summary(&self, from: Duration, to: Duration) -> String {
        let part = self.0.iter().filter(|a| from <= a.due && a.due < to);
        let mut latencies: Vec<u128> = part.map(|a| a.latency.as_micros()).collect();
        latencies.sort_unstable();
        let of =
            |percent: usize| latencies.get(latencies.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0);
        format!(
            "{} answered, p50 {} µs, p99 {} µs, longest {} ms",
            latencies.len(),
            of(50),
            of(99),
            latencies.last().copied().unwrap_or(0) / 1_000
        )
    }
}

/// Threads that send until they are told to stop.
pub(super) struct Load(Vec<JoinHandle<Result<Answers, String>>>);

impl Load {
    /// Clicks of browsers.
    pub(super) fn redirects(address: &str, rate: u64, stop: &Arc<AtomicBool>) -> Self {
        let request = "GET /known HTTP/1.1\r\nhost: t.example.com\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64) \
            AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\naccept: text/html\r\n\
            accept-language: en\r\nsec-fetch-dest: document\r\nsec-fetch-mode: navigate\r\n\r\n";
        Self::start(address, rate, stop, 302, move |_| request.as_bytes().to_vec())
    }

    /// Deliveries of each sender in turn.
    pub(super) fn deliveries(address: &str, rate: u64, senders: Vec<Sender>, stop: &Arc<AtomicBool>) -> Self {
        let senders = Arc::new(senders);
        Self::start(address, rate, stop, 200, move |n| {
            let at = usize::try_from(n).unwrap_or(0) % senders.len();
            senders.get(at).map(|s| s.request(n)).unwrap_or_default()
        })
    }

    fn start(
        address: &str,
        rate: u64,
        stop: &Arc<AtomicBool>,
        wanted: u16,
        request: impl Fn(u64) -> Vec<u8> + Clone + Send + 'static,
    ) -> Self {
        let begin = Instant::now();
        let threads = (0..CONNECTIONS).map(|lane| {
            let (address, stop, request) = (address.to_owned(), Arc::clone(stop), request.clone());
            std::thread::spawn(move || {
                let mut connection = Connection::new(address);
                let mut answers = Answers::default();
                let mut n = lane;
                while !stop.load(Ordering::SeqCst) {
                    let due = Duration::from_nanos(1_000_000_000 / rate * n);
                    std::thread::sleep(due.saturating_sub(begin.elapsed()));
                    let mut again = 0;
                    // Made when it is due: signatures hold the time.
                    let status = loop {
                        match connection.ask(&request(n))? {
                            503 => again += 1,
                            status => break status,
                        }
                        std::thread::sleep(RETRY);
                    };
                    if status != wanted {
                        return Err(format!("answered {status} instead of {wanted}: {}", connection.said()));
                    }
                    answers.0.push(Answer { due, latency: begin.elapsed().saturating_sub(due), again, accepted: true });
                    n += CONNECTIONS;
                }
                Ok(answers)
            })
        });
        Self(threads.collect())
    }

    /// Waits for the threads.
    pub(super) fn finish(self) -> Outcome<Answers> {
        let mut all = Answers::default();
        for thread in self.0 {
            all.0.extend(thread.join().map_err(|_panic| "a client panicked")??.0);
        }
        Ok(all)
    }
}

/// A connection that is kept.
struct Connection {
    address: String,
    stream: Option<BufReader<TcpStream>>,
    body: Vec<u8>,
}

impl Connection {
    fn new(address: String) -> Self {
        Self { address, stream: None, body: Vec::new() }
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Sends a request and reads its answer; a connection that was closed is opened anew.
    fn ask(&mut self, request: &[u8]) -> Result<u16, String> {
        for _ in 0..3 {
            match self.try_ask(request) {
                Ok(status) => return Ok(status),
                Err(_closed) => self.stream = None,
            }
        }
        Err("the server closes every connection".into())
    }

    fn try_ask(&mut self, request: &[u8]) -> std::io::Result<u16> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(&self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(30)))?;
                none.insert(BufReader::new(stream))
            }
        };
        stream.get_mut().write_all(request)?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.get(..3).and_then(|s| s.parse().ok()).unwrap_or(0);
            } else if let Some(rest) = line.strip_prefix("content-length:") {
                length = rest.trim().parse().unwrap_or(0);
            } else if line.is_empty() {
                break;
            }
        }
        self.body.resize(length, 0);
        stream.read_exact(&mut self.body)?;
        Ok(status)
    }
}

/// Reads `/metrics`: values by name, without prefix and `_total`.
pub(super) fn counters(address: &str) -> Outcome<BTreeMap<String, u64>> {
    let mut connection = Connection::new(address.to_owned());
    connection.ask(b"GET /metrics HTTP/1.1\r\nhost: t.example.com\r\n\r\n")?;
    let text = connection.said();
    let pairs = text.lines().filter(|l| !l.starts_with('#')).filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        let name = name.strip_prefix("headwater_")?;
        Some((name.strip_suffix("_total").unwrap_or(name).to_owned(), value.parse().ok()?))
    });
    Ok(pairs.collect())
}

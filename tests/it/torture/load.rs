//! Visitors that never give up: keep-alive connections that click as fast as they are answered, and remember every answer.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use headwater::domain::ids::TouchId;
use uuid::Uuid;

use crate::support::click_id;

/// Requests that each connection sends before it reads their answers: most browsers send one, a pipelining proxy many.
const BURSTS: [usize; 6] = [1, 1, 1, 2, 8, 32];
/// Clicks that can be under way at once.
pub(super) const IN_FLIGHT: u64 = 45;
/// A connection that is open and not answered for so long has been forgotten by the server.
const PATIENCE: Duration = Duration::from_secs(40);

/// A click that was answered, and by which process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) id: Uuid,
    pub(super) life: usize,
}

struct Shared {
    address: SocketAddr,
    life: AtomicUsize,
    stopping: AtomicBool,
    paused: AtomicBool,
    resting: AtomicUsize,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    answered: Vec<Answered>,
    /// By process: clicks that it answered, and requests that broke off without an answer.
    by_life: BTreeMap<usize, (u64, u64)>,
}

/// All visitors together.
pub(super) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(port: u16) -> Self {
        let shared = Arc::new(Shared {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            life: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            resting: AtomicUsize::new(0),
            tally: Mutex::default(),
        });
        let visitor = |burst: usize| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || visit(&shared, burst))
        };
        let threads = BURSTS.into_iter().map(visitor).collect();
        Self { shared, threads }
    }

    /// Says which process listens from now on. Call it while none does.
    pub(super) fn goes_to(&self, life: usize) {
        self.shared.life.store(life, Ordering::SeqCst);
    }

    /// How many clicks a process has answered, and how many requests broke off.
    pub(super) fn of(&self, life: usize) -> (u64, u64) {
        self.shared.tally.lock().expect("tally").by_life.get(&life).copied().unwrap_or_default()
    }

    /// Lets the bursts that are under way end, then holds everybody back.
    pub(super) fn pause(&self) {
        self.shared.paused.store(true, Ordering::SeqCst);
        crate::durability::wait_until("the visitors rest", 90, || {
            assert!(!self.threads.iter().any(JoinHandle::is_finished), "a visitor has failed; see above");
            self.shared.resting.load(Ordering::SeqCst) == self.threads.len()
        });
    }

    pub(super) fn resume(&self) {
        self.shared.paused.store(false, Ordering::SeqCst);
    }

    /// Ends it; answers everything that was answered, and how many requests were not.
    pub(super) fn finish(&mut self) -> (Vec<Answered>, u64) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().expect("a visitor was always answered as it should be");
        }
        let tally = std::mem::take(&mut *self.shared.tally.lock().expect("tally"));
        (tally.answered, tally.by_life.values().map(|(_, unanswered)| unanswered).sum())
    }
}

impl Drop for Load {
    /// Also when a round fails: visitors do not outlive their bench.
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
    }
}

/// One connection after the other, until told to stop.
fn visit(shared: &Shared, burst: usize) {
    let request = request().repeat(burst);
    let mut connection = None;
    while !shared.stopping.load(Ordering::SeqCst) {
        if shared.paused.load(Ordering::SeqCst) {
            // A connection that lies idle while the process changes would count its end as unanswered clicks.
            connection = None;
            rest(shared);
        }
        let Some((stream, life)) = connection.take().or_else(|| connect(shared)) else {
            std::thread::park_timeout(Duration::from_millis(2));
            continue;
        };
        let (ids, is_open) = exchange(&stream, &request, burst);
        let mut tally = shared.tally.lock().expect("tally");
        let counts = tally.by_life.entry(life).or_default();
        counts.0 += ids.len() as u64;
        counts.1 += (burst - ids.len()) as u64;
        tally.answered.extend(ids.into_iter().map(|id| Answered { id, life }));
        drop(tally);
        connection = is_open.then_some((stream, life));
    }
}

fn rest(shared: &Shared) {
    shared.resting.fetch_add(1, Ordering::SeqCst);
    while shared.paused.load(Ordering::SeqCst) && !shared.stopping.load(Ordering::SeqCst) {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    shared.resting.fetch_sub(1, Ordering::SeqCst);
}

/// A connection and the process that has it: nothing when none listens, or when it changed meanwhile.
fn connect(shared: &Shared) -> Option<(TcpStream, usize)> {
    let life = shared.life.load(Ordering::SeqCst);
    let stream = TcpStream::connect_timeout(&shared.address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.set_nodelay(true).expect("nodelay");
    (shared.life.load(Ordering::SeqCst) == life).then_some((stream, life))
}

fn request() -> String {
    let mut text = String::from("GET /known?fbclid=IwAR0torture HTTP/1.1\r\nhost: links.example.com\r\n");
    for (name, value) in crate::support::client::browser_headers() {
        text += &format!("{name}: {value}\r\n");
    }
    text + "\r\n"
}

/// Sends a burst and reads its answers: the click ids, and whether the connection can take another.
fn exchange(mut stream: &TcpStream, request: &str, burst: usize) -> (Vec<Uuid>, bool) {
    let mut ids = Vec::with_capacity(burst);
    if stream.write_all(request.as_bytes()).is_err() {
        return (ids, false);
    }
    let (mut bytes, mut chunk, mut is_open) = (Vec::new(), [0; 16 * 1024], true);
    while ids.len() < burst {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(bytes.drain(..end + 4).collect()).expect("headers are text");
            is_open &= !head.to_ascii_lowercase().contains("connection: close");
            ids.push(click_of(&head));
            continue;
        }
        match stream.read(&mut chunk) {
            Ok(0) => return (ids, false),
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{} of {burst} requests were answered in {PATIENCE:?}", ids.len())
            }
            Err(_) => return (ids, false),
        }
    }
    (ids, is_open)
}

/// The click id of a whole answer, which must be a redirect without a body.
fn click_of(head: &str) -> Uuid {
    assert!(head.starts_with("HTTP/1.1 302"), "{head}");
    assert!(head.to_ascii_lowercase().contains("content-length: 0\r\n"), "{head}");
    let location = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then_some(value.trim())
    });
    click_id(location.expect("a location")).parse::<TouchId>().expect("click id").0
}

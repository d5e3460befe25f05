//! A real browser: Chromium by `WebDriver`, and a small web site for it to visit.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{BROWSER, Client};

/// How long a page, a report or the writer may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// The key that `WebDriver` gives an element's reference.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Asks again until there is an answer; panics with `what` at the deadline.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(since.elapsed() < DEADLINE, "waited {} s in vain: {what}", DEADLINE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A Chromium with a profile of its own, and the `chromedriver` that drives it. Gone when dropped.
pub(crate) struct Browser {
    driver: Child,
    /// Kept open: a driver that cannot print ends.
    _output: BufReader<ChildStdout>,
    http: Client,
    session: String,
    profile: tempfile::TempDir,
}

/// Runs in every page before its own scripts: notes what is reported to the server, and what goes wrong.
const NOTES: &str = "window.sent = []; window.errors = [];
    addEventListener('error', e => errors.push(e.message));
    addEventListener('unhandledrejection', e => errors.push(String(e.reason)));
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (body) { sent.push(body); return send.call(this, body); };
    const beacon = navigator.sendBeacon;
    navigator.sendBeacon = function (url, body) { sent.push(body); return beacon.call(navigator, url, body); };";

impl Browser {
    pub(crate) fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("chromedriver does not start ({e}): run `make test`, which installs it"));
        let mut output = BufReader::new(driver.stdout.take().expect("stdout"));
        let port = port_of(&mut output);
        let http = Client::new(&format!("http://127.0.0.1:{port}"), "");
        let profile = tempfile::tempdir().expect("profile");
        let mut browser = Self { driver, _output: output, http, session: String::new(), profile };
        let made = browser.call("POST", "", &json!({ "capabilities": { "alwaysMatch": browser.capabilities() } }));
        browser.session = format!("/{}", made["sessionId"].as_str().expect("session"));
        browser.on_every_page(NOTES);
        browser
    }

    fn capabilities(&self) -> Value {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            // A headless Chromium says so, and is rightly counted as a bot.
            &format!("--user-agent={BROWSER}"),
            &format!("--user-data-dir={}", self.profile.path().display()),
        ];
        json!({ "browserName": "chrome", "goog:chromeOptions": { "args": arguments } })
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session{}{path}", self.session);
        let text = if method == "POST" { body.to_string() } else { String::new() };
        let reply = self.http.send(method, &path, &[("content-type", "application/json")], text.as_bytes());
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
        reply.json()["value"].take()
    }

    /// Opens an address as if it were typed, and waits until the page is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    pub(crate) fn reload(&self) {
        self.call("POST", "/refresh", &json!({}));
    }

    pub(crate) fn new_tab(&self) {
        let made = self.call("POST", "/window/new", &json!({ "type": "tab" }));
        self.call("POST", "/window", &json!({ "handle": made["handle"] }));
        self.on_every_page(NOTES);
    }

    /// Runs a script in every page of this tab from now on, before the page's own.
    pub(crate) fn on_every_page(&self, script: &str) {
        let source = format!("(() => {{ {script} }})()");
        let command = json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": { "source": source } });
        self.call("POST", "/goog/cdp/execute", &command);
    }

    /// The address bar.
    pub(crate) fn url(&self) -> String {
        self.call("GET", "/url", &Value::Null).as_str().expect("url").to_owned()
    }

    /// Waits until the address bar satisfies `is_there`.
    pub(crate) fn wait_url(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        eventually(what, || Some(self.url()).filter(|url| is_there(url)))
    }

    /// The value of a JavaScript expression.
    pub(crate) fn eval(&self, expression: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": format!("return {expression}"), "args": [] }))
    }

    /// The value of the first field that a selector finds.
    pub(crate) fn value(&self, css: &str) -> String {
        self.eval(&format!("document.querySelector({}).value", json!(css))).as_str().unwrap_or("").to_owned()
    }

    pub(crate) fn click(&self, css: &str) {
        let element = self.element(css);
        self.call("POST", &format!("/element/{element}/click"), &json!({}));
    }

    pub(crate) fn type_into(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.call("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    fn element(&self, css: &str) -> String {
        let found = self.call("POST", "/element", &json!({ "using": "css selector", "value": css }));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// A picture of what the page shows.
    pub(crate) fn screenshot(&self, path: &Path) {
        use base64::Engine as _;
        let picture = self.call("GET", "/screenshot", &Value::Null);
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap_or("")).expect("base64");
        std::fs::write(path, bytes).expect("screenshot");
    }

    fn picture_of_failure(&self) {
        let name = format!("headwater-{}-{}.png", std::process::id(), self.session.trim_start_matches('/'));
        let path = std::env::temp_dir().join(name);
        // The test has failed already; a browser that is gone must not hide why.
        let shot = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.screenshot(&path)));
        if shot.is_ok() {
            eprintln!("what the browser showed: {}", path.display());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.session.is_empty() {
            self.picture_of_failure();
        }
        // Ending the session ends Chromium; killing the driver alone would leave it behind.
        if !self.session.is_empty() {
            let _ended = self.http.try_send("DELETE", &format!("/session{}", self.session), &[], b"");
        }
        let _killed = self.driver.kill();
        let _waited = self.driver.wait();
    }
}

/// The port that `chromedriver` says it took.
fn port_of(output: &mut impl BufRead) -> u16 {
    let mut line = String::new();
    while output.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        if let Some((_, port)) = line.trim().rsplit_once("successfully on port ") {
            return port.trim_end_matches('.').parse().expect("port");
        }
        line.clear();
    }
    panic!("chromedriver ended without naming its port");
}

/// `examples/landing`, with the tracking script of a test's own server, on a port of its own.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    pages: Mutex<HashMap<String, String>>,
    forms: Mutex<Vec<HashMap<String, String>>>,
    is_stopping: AtomicBool,
}

/// What `examples/landing` names as the server.
const PLACEHOLDER: &str = "http://127.0.0.1:8080";

impl Site {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let address = listener.local_addr().expect("address");
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if served.is_stopping.load(Ordering::Relaxed) {
                    return;
                }
                // Each has its own thread, as browsers open connections that they may never use.
                let served = Arc::clone(&served);
                std::thread::spawn(move || served.answer(stream));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The setting that lets these pages report.
    pub(crate) fn allowed_origins(&self) -> String {
        json!([self.origin()]).to_string()
    }

    /// The same site under another name: to the browser it is another one.
    pub(crate) fn elsewhere(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// Puts the example's pages up, with their script from `server`.
    pub(crate) fn publish(&self, server: &str) {
        for name in ["index.html", "thanks.html", "style.css"] {
            let text = example(name);
            assert!(name.ends_with("css") || text.contains(PLACEHOLDER), "{name} names the server to change");
            self.put(&format!("/{name}"), &text.replace(PLACEHOLDER, server));
        }
        self.put("/", &self.page("/index.html"));
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        self.shared.pages.lock().expect("pages").insert(path.to_owned(), text.to_owned());
    }

    pub(crate) fn page(&self, path: &str) -> String {
        self.shared.pages.lock().expect("pages").get(path).expect("page").clone()
    }

    /// The forms that were posted so far.
    pub(crate) fn forms(&self) -> Vec<HashMap<String, String>> {
        self.shared.forms.lock().expect("forms").clone()
    }
}

fn example(name: &str) -> String {
    let path = format!("{}/examples/landing/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        // The listener wakes up for one more connection and sees that it should stop.
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) {
        let Some((method, path, body)) = request(&stream) else { return };
        if method == "POST" {
            self.forms.lock().expect("forms").push(url::form_urlencoded::parse(&body).into_owned().collect());
            respond(&mut stream, "303 See Other\r\nLocation: /thanks.html", "text/plain", "");
            return;
        }
        let kind = if path.ends_with(".css") { "text/css" } else { "text/html; charset=utf-8" };
        match self.pages.lock().expect("pages").get(path.split('?').next().unwrap_or_default()) {
            Some(text) => respond(&mut stream, "200 OK", kind, text),
            None => respond(&mut stream, "404 Not Found", "text/plain", "no such page"),
        }
    }
}

/// Method, path and body, if a request comes at all.
fn request(stream: &TcpStream) -> Option<(String, String, Vec<u8>)> {
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, path, body))
}

fn respond(stream: &mut TcpStream, status: &str, kind: &str, text: &str) {
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    // A browser that has gone on meanwhile is none of our business.
    let _sent = stream.write_all((head + text).as_bytes());
}

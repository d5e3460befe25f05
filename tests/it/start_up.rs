//! What an operator reads when it does not start, and when it does.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::durability::launch;
use crate::support::binary::{self, Process};

/// Runs a command that must fail with one line on standard error; answers the line.
fn failure(command: &mut Command) -> String {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().expect("wait").is_none() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    // What still runs by now has started: it is ended, and its exit code is no failure of its own.
    let _ended = child.kill();
    one_line(&child.wait_with_output().expect("output"))
}

fn one_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty(), "it said {:?} and failed", String::from_utf8_lossy(&output.stdout));
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!((errors.len(), text.lines().count()), (1, 1), "one line, beginning with error: {text}");
    assert!(!text.contains('\u{1b}') && !text.contains("panicked"), "{text}");
    text.trim_end().to_owned()
}

/// Every part stands in the line: the thing and the remedy.
fn assert_says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "`{part}` is not in: {line}");
    }
}

fn serve(dir: &Path, url: &str, settings: &[&str]) -> Command {
    let mut command = binary::command(dir, url, &["serve"]);
    command.args(["--set", "log.level=error", "--set", "server.bind=127.0.0.1:0"]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
}

fn text(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

/// `serve` as somebody without root's rights, who owns nothing here.
fn as_nobody(dir: &Path, settings: &[&str]) -> Command {
    let command = serve(dir, "", settings);
    let id = Command::new("id").arg("-u").output().expect("id").stdout;
    if id.trim_ascii() != b"0" {
        return command;
    }
    // Whoever may not enter the build's directory can still run a link beside the data.
    let program = dir.join("headwater");
    if !program.exists() && std::fs::hard_link(command.get_program(), &program).is_err() {
        // By a process of its own: a file that any thread here has open for writing cannot be run.
        let copied = Command::new("cp").arg(command.get_program()).arg(&program).status().expect("cp");
        assert!(copied.success(), "the binary cannot be copied");
    }
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program).args(command.get_args());
    nobody.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    nobody
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
}

#[test]
fn a_port_in_use() {
    let dir = tempfile::tempdir().expect("dir");
    let taken = TcpListener::bind("127.0.0.1:0").expect("port");
    let address = taken.local_addr().expect("address").to_string();
    let line = failure(&mut serve(dir.path(), "", &[&format!("server.bind={address}")]));
    assert_says(&line, &["server.bind", &address, "another program listens there", "another port"]);
}

#[test]
fn an_address_that_is_none() {
    let dir = tempfile::tempdir().expect("dir");
    for bind in ["nowhere", "192.0.2.1:80"] {
        let line = failure(&mut serve(dir.path(), "", &[&format!("server.bind={bind}")]));
        assert_says(&line, &["server.bind", bind, "such as 127.0.0.1:8080"]);
        assert!(!line.contains("another program"), "{line}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_made() {
    let dir = tempfile::tempdir().expect("dir");
    std::fs::write(dir.path().join("file"), "").expect("file");
    let below = dir.path().join("file/data");
    let line = failure(&mut serve(dir.path(), "", &[&format!("data.dir={}", text(&below))]));
    assert_says(&line, &["data.dir", text(&below), "right to write"]);
}

#[test]
fn a_data_directory_without_permission() {
    let dir = tempfile::tempdir().expect("dir");
    set_mode(dir.path(), 0o755);
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("data");
    set_mode(&data, 0o555);
    let line = failure(&mut as_nobody(dir.path(), &[]));
    assert_says(&line, &[text(&data), "cannot open", "right to write"]);
}

#[test]
fn a_sqlite_file_that_is_not_there() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("missing.db");
    let line = failure(&mut serve(dir.path(), &format!("sqlite:{}", text(&file)), &[]));
    assert_says(&line, &["database.url", text(&file), "does not exist", "?mode=rwc"]);
    assert!(!file.exists(), "a typing error made a database");
    // As the remedy says.
    let url = format!("sqlite:{}?mode=rwc", text(&file));
    binary::run_ok(dir.path(), &url, &["check"]);
    assert!(file.exists());
}

#[test]
fn a_database_of_a_kind_that_is_not_known() {
    let dir = tempfile::tempdir().expect("dir");
    let line = failure(&mut serve(dir.path(), "mysql://user:secret-word@host/x", &[]));
    assert_says(&line, &["database.url", "sqlite:", "postgres://"]);
    assert!(!line.contains("secret-word"), "{line}");
}

#[test]
fn what_is_no_sqlite_database() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("notes.txt");
    std::fs::write(&file, "These are notes, and more than a hundred bytes of them. ".repeat(40)).expect("file");
    for place in [file.as_path(), dir.path()] {
        let line = failure(&mut serve(dir.path(), &format!("sqlite:{}", text(place)), &[]));
        assert_says(&line, &[text(place), "must be", "write"]);
    }
}

/// Found at the start, not at the first click.
#[test]
fn a_sqlite_database_that_may_only_be_read() {
    let dir = tempfile::tempdir().expect("dir");
    set_mode(dir.path(), 0o755);
    let (data, files) = (dir.path().join("data"), dir.path().join("files"));
    for place in [&data, &files] {
        std::fs::create_dir(place).expect("directory");
        set_mode(place, 0o777);
    }
    let file = files.join("headwater.db");
    binary::run_ok(dir.path(), &format!("sqlite:{}?mode=rwc", text(&file)), &["check"]);
    set_mode(&data.join("secret.key"), 0o644);
    set_mode(&file, 0o444);
    for mode in [0o777, 0o555] {
        set_mode(&files, mode);
        let line = failure(&mut as_nobody(dir.path(), &[&format!("database.url=sqlite:{}", text(&file))]));
        assert_says(&line, &[text(&file), "write"]);
    }
    set_mode(&files, 0o755);
}

#[test]
fn a_database_made_with_another_key() {
    let dir = tempfile::tempdir().expect("dir");
    binary::run_ok(dir.path(), "", &["check"]);
    std::fs::remove_file(dir.path().join("data/secret.key")).expect("key");
    let line = failure(&mut serve(dir.path(), "", &[]));
    assert_says(&line, &["another secret key", "secret.key", "HEADWATER_SECRET"]);
    let line = failure(serve(dir.path(), "", &[]).env("HEADWATER_SECRET", "bm90IDMyIGJ5dGVz"));
    assert_says(&line, &["HEADWATER_SECRET", "32 bytes in base64", "restore it from backup"]);
    let file = dir.path().join("data/secret.key");
    std::fs::write(&file, "damaged").expect("key");
    let line = failure(&mut serve(dir.path(), "", &[]));
    assert_says(&line, &[text(&file), "32 bytes in base64", "restore it from backup"]);
}

#[test]
fn two_servers_on_one_data_directory() {
    let dir = tempfile::tempdir().expect("dir");
    let first = Process::start(dir.path(), "", &["serve"]);
    let line = failure(&mut serve(dir.path(), "", &[]));
    assert_says(&line, &["data.dir", "journal", "in use by another process", "stop that one"]);
    assert_eq!(first.client("").get("/healthz").status, 200, "the first one goes on");
    first.kill();
    let second = Process::start(dir.path(), "", &["serve"]);
    assert_eq!(second.client("").get("/healthz").status, 200, "the lock went with its holder");
}

#[test]
fn a_configuration_file_that_is_wrong() {
    let dir = tempfile::tempdir().expect("dir");
    let file: PathBuf = dir.path().join("my.toml");
    let with = |content: &str| {
        std::fs::write(&file, content).expect("file");
        failure(&mut binary::command(dir.path(), "", &["check", "--config", text(&file)]))
    };
    let name = text(&file);
    assert_says(&with("[server]\nbind = [\n"), &[name, "line 2", "not TOML"]);
    assert_says(&with("[server]\nbnd = 1\n"), &[name, "server.bnd", "no such key", "bind, public_url"]);
    assert_says(&with("[servr]\nbind = 1\n"), &[name, "servr", "no such section", "server"]);
    assert_says(&with("server = 1\n"), &[name, "server", "write [server]"]);
    assert_says(&with("[server]\nworkers = \"many\"\n"), &["server.workers", "many", "config/default.toml"]);
    assert_says(&with("[reporting]\nzone = \"Mars/Base\"\n"), &["reporting.zone", "Mars/Base"]);
    std::fs::remove_file(&file).expect("file");
    let line = failure(&mut binary::command(dir.path(), "", &["check", "--config", text(&file)]));
    assert_says(&line, &[name, "No such file", "--config"]);
}

#[test]
fn a_setting_that_is_wrong() {
    let dir = tempfile::tempdir().expect("dir");
    let with = |setting: &str| failure(&mut serve(dir.path(), "", &[setting]));
    assert_says(&with("server.bnd=1"), &["server.bnd", "--set", "no such key", "bind, public_url"]);
    assert_says(&with("servr.bind=1"), &["servr", "--set", "no such section", "server"]);
    assert_says(&with("server.workers=many"), &["server.workers", "many"]);
    assert_says(&with("journal.sync=never"), &["journal.sync", "never", "interval"]);
    assert_says(&with("log.level=loud=quiet=x"), &["log.level", "info"]);
    let line = failure(binary::command(dir.path(), "", &["check"]).env("HEADWATER_SERVER_WORKERS", "many"));
    assert_says(&line, &["server.workers", "many"]);
}

/// Whatever the address is, the password in it is told to nobody.
#[test]
fn a_postgres_that_cannot_be_reached() {
    let dir = tempfile::tempdir().expect("dir");
    for (address, says) in [
        ("user:secret-word@127.0.0.1:1/x", "Connection refused"),
        ("user:secret-word@127.0.0.1:port/x", "port"),
        ("user:secret-word%zz@127.0.0.1:1/x", "percent"),
        ("user:secret-word/more@127.0.0.1:1/x", "percent"),
        ("user:secret@secret-word@127.0.0.1:1/x", "percent"),
        ("127.0.0.1:1/x?user=u&password=1&secret-word", "percent"),
        ("127.0.0.1:1/x?user=u&password=secret-word", "Connection refused"),
    ] {
        let line = failure(&mut serve(dir.path(), &format!("postgres://{address}"), &[]));
        assert_says(&line, &["PostgreSQL", says]);
        assert!(!line.contains("secret-word"), "{address}: {line}");
    }
}

/// The first start asks for an administrator, every later one tells where to sign in.
#[test]
fn what_a_start_prints() {
    let dir = tempfile::tempdir().expect("dir");
    let first = launch(binary::command(dir.path(), "", &["serve", "--set", "log.level=error"]));
    let set_up = format!("  {}/app/set-up?token=", first.base);
    let token = first.greeting.lines().find_map(|l| l.strip_prefix(&set_up)).expect("a set-up link");
    assert!(token.len() >= 43 && !first.greeting.contains("Sign in:"), "{}", first.greeting);
    first.kill();
    let added = binary::command(dir.path(), "", &["user", "add", "jane@example.org"])
        .env("HEADWATER_PASSWORD", "correct horse battery")
        .output()
        .expect("the binary runs");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let second = launch(binary::command(dir.path(), "", &["serve", "--set", "log.level=error"]));
    assert!(second.greeting.contains(&format!("Sign in: {}/app/sign-in\n", second.base)), "{}", second.greeting);
    assert!(!second.greeting.contains("set-up"), "{}", second.greeting);
}

/// A fresh machine needs none of these.
#[test]
fn the_binary_brings_its_libraries() {
    let output = Command::new("ldd").arg(env!("CARGO_BIN_EXE_headwater")).output().expect("ldd");
    let libraries = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(libraries.contains("libc"), "{libraries}");
    for foreign in ["libpq", "libsqlite3", "libssl", "libcrypto"] {
        assert!(!libraries.contains(foreign), "{foreign} is not compiled in:\n{libraries}");
    }
}

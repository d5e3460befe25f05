//! PostgreSQL over TLS: the server's certificate is checked, and no error tells the password.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::database::{environment, postgres_server};
use crate::support::{Backend, TestDb, binary};

/// `headwater check` on a database of its own with these parameters of the address.
fn check(dir: &Path, db: &TestDb, host: &str, parameters: &[(&str, &str)]) -> Output {
    let mut url = url::Url::parse(db.url()).expect("url");
    url.set_host(Some(host)).expect("host");
    url.query_pairs_mut().extend_pairs(parameters);
    binary::run(dir, url.as_str(), &["check"])
}

/// A refusal that says why, on one line and without the password.
fn assert_refused(output: &Output, says: &str) {
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "it should have refused: {line}");
    assert!(line.starts_with("error: ") && line.trim_end().lines().count() == 1, "{line}");
    assert!(line.contains("cannot reach PostgreSQL") && line.contains(says), "`{says}` is not in: {line}");
    let server = url::Url::parse(&postgres_server()).expect("url");
    let password = server.password().expect("the test server has a password");
    assert!(!line.contains(password), "the password is in the error");
}

fn other_authority(dir: &Path) -> String {
    let file = dir.join("other-ca.pem");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Somebody else", "-days", "2", "-keyout"])
        .arg(dir.join("other-ca.key"))
        .arg("-out")
        .arg(&file)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file.display().to_string()
}

#[test]
fn the_right_authority_is_accepted() {
    let (dir, db) = (tempfile::tempdir().expect("dir"), TestDb::new(Backend::Postgres));
    let authority = environment("HEADWATER_TEST_PG_CA");
    for mode in ["verify-full", "verify-ca", "require"] {
        let output = check(dir.path(), &db, "localhost", &[("sslmode", mode), ("sslrootcert", &authority)]);
        assert!(output.status.success(), "{mode}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn another_authority_is_refused() {
    let (dir, db) = (tempfile::tempdir().expect("dir"), TestDb::new(Backend::Postgres));
    let authority = other_authority(dir.path());
    for mode in ["verify-full", "verify-ca"] {
        let output = check(dir.path(), &db, "localhost", &[("sslmode", mode), ("sslrootcert", &authority)]);
        assert_refused(&output, "certificate verify failed");
    }
}

/// Without `sslrootcert` the system's authorities count, and none of them signed the test server. libpq alone
/// would look for a file in the home directory and say that it is not there.
#[test]
fn without_an_authority_the_system_decides() {
    let (dir, db) = (tempfile::tempdir().expect("dir"), TestDb::new(Backend::Postgres));
    for mode in ["verify-full", "verify-ca"] {
        assert_refused(&check(dir.path(), &db, "localhost", &[("sslmode", mode)]), "certificate verify failed");
    }
}

/// The certificate names localhost and 127.0.0.1; who answers under another name may be anybody.
#[test]
fn another_name_is_refused() {
    let (dir, db) = (tempfile::tempdir().expect("dir"), TestDb::new(Backend::Postgres));
    let authority = environment("HEADWATER_TEST_PG_CA");
    let parameters = [("hostaddr", "127.0.0.1"), ("sslmode", "verify-full"), ("sslrootcert", &authority)];
    assert_refused(&check(dir.path(), &db, "elsewhere.example", &parameters), "does not match host name");
}

#[test]
fn a_wrong_password_is_refused_and_not_repeated() {
    let (dir, db) = (tempfile::tempdir().expect("dir"), TestDb::new(Backend::Postgres));
    let mut url = url::Url::parse(db.url()).expect("url");
    url.set_password(Some("guessed-password")).expect("password");
    let output = binary::run(dir.path(), url.as_str(), &["check"]);
    assert_refused(&output, "password authentication failed");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("guessed-password"));
}

//! The installation's secret key, and everything that is done with it.
//!
//! One master key (`data/secret.key`, mode 0600, or `HEADWATER_SECRET`) gives a
//! derived key for each purpose. It is never in the database; a database
//! remembers only the fingerprint of the key that made it, and start-up refuses
//! another (invariant 8). Lose the key and hashes of addresses no longer join:
//! it belongs to every backup.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::domain::fault::Fault;
use crate::store::{Conn, StoreError, ledger};

const NONCE_LEN: usize = 24;
const KEY_LEN: usize = 32;

/// Name of the database's value that tells which key made it.
const FINGERPRINT: &str = "secret_fingerprint";

/// A database that needs a key which is not here.
pub fn wrong_key() -> StoreError {
    StoreError::refused(Fault::new(
        "secret.key",
        "secret-other",
        "this database was made with another secret key; put that one's secret.key back into the data directory, or set HEADWATER_SECRET to it",
    ))
}

/// The master key.
#[derive(Clone)]
pub struct SecretKey([u8; KEY_LEN]);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// Takes the key from the environment's text, else from the data directory; `None` where there is none yet.
    pub fn load(data_dir: &Path, from_environment: Option<&str>) -> Result<Option<Self>, Fault> {
        if let Some(text) = from_environment {
            return Self::parse(text, "HEADWATER_SECRET").map(Some);
        }
        let path = data_dir.join("secret.key");
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path.display().to_string()).map(Some),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Fault::new(
                "data.dir",
                "secret-unreadable",
                format!(
                    "cannot read {}: {e}; give this user the right to read it, or restore it from backup",
                    path.display()
                ),
            )),
        }
    }

    /// Makes the key of a new installation and keeps it in the data directory.
    pub fn create(data_dir: &Path) -> Result<Self, Fault> {
        let path = data_dir.join("secret.key");
        let key = Self(rand::random());
        write_private(&path, &STANDARD.encode(key.0)).map_err(|e| {
            Fault::new(
                "data.dir",
                "secret-unwritable",
                format!(
                    "cannot write {}: {e}; give this user the right to write there, or set data.dir",
                    path.display()
                ),
            )
        })?;
        Ok(key)
    }

    fn parse(text: &str, whence: &str) -> Result<Self, Fault> {
        STANDARD.decode(text.trim()).ok().and_then(|b| b.try_into().ok()).map(Self).ok_or_else(|| Fault::new(
            whence, "secret-malformed", "the secret key is not 32 bytes in base64; restore it from backup, or make one with `head -c 32 /dev/urandom | base64`"))
    }

    /// The keyed hash under which an address joins: HMAC-SHA-256 in hex of the trimmed, lower-cased address.
    pub fn email_hash(&self, normalised: &str) -> String {
        hex(&self.mac("email", normalised.as_bytes()))
    }

    /// The keyed hash that tells a repeated telling of an event from a changed one.
    pub fn content_hash(&self, content: &str) -> Vec<u8> {
        self.mac("content", content.as_bytes()).to_vec()
    }

    /// The keyed hash by which an erased id is known when it comes back. `kind` says what of, so that two kinds never meet.
    pub fn erased_hash(&self, kind: &str, value: &str) -> Vec<u8> {
        self.mac("erased", format!("{kind}\n{value}").as_bytes()).to_vec()
    }

    /// Encrypts with XChaCha20-Poly1305 under a random nonce, which is put in front.
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), plain)
            .map_err(|_opaque| StoreError::Other("encryption failed".into()))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`Self::seal`] made.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let broken = || StoreError::Corrupt("an encrypted value does not open with this secret key".into());
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or_else(broken)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_length| broken())?;
        self.cipher().decrypt(&XNonce::from(nonce), body).map_err(|_opaque| broken())
    }

    /// Whether some key has made this database already.
    pub fn is_claimed(conn: &mut Conn) -> Result<bool, StoreError> {
        Ok(ledger::meta_value(conn, FINGERPRINT)?.is_some())
    }

    /// Ties a new database to this key, or refuses one that another key made.
    pub fn claim(&self, conn: &mut Conn) -> Result<(), StoreError> {
        let own = hex(&self.mac("fingerprint", b"headwater"))[..16].to_owned();
        match ledger::meta_value(conn, FINGERPRINT)? {
            None => ledger::set_meta_value(conn, FINGERPRINT, &own),
            Some(known) if known == own => Ok(()),
            Some(_) => Err(wrong_key()),
        }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.mac("seal", b"delivery").into())
    }

    /// HMAC-SHA-256 of a value under the key of one purpose.
    fn mac(&self, purpose: &str, value: &[u8]) -> [u8; 32] {
        let derived = hmac(&self.0, purpose.as_bytes());
        hmac(&derived, value)
    }
}

fn hmac(key: &[u8; KEY_LEN], value: &[u8]) -> [u8; 32] {
    // An HMAC key may have any length, so this cannot fail; the digest of nothing is never reached.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mut mac| {
        mac.update(value);
        mac.finalize().into_bytes().into()
    })
}

/// SHA-256, for tokens that are random enough to need no key.
pub fn sha256(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

/// 256 random bits as URL-safe text.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// A new signing secret in the form of Standard Webhooks.
pub fn random_webhook_secret() -> String {
    format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        // Writing to a String cannot fail.
        let _written = write!(out, "{b:02x}");
        out
    })
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_only() {
        let (key, other) = (SecretKey([1; 32]), SecretKey([2; 32]));
        let mut sealed = key.seal(b"body").expect("seal");
        assert_eq!(key.open(&sealed).expect("open"), b"body");
        assert!(other.open(&sealed).is_err());
        sealed[30] ^= 1;
        assert!(key.open(&sealed).is_err());
        assert!(key.open(&[1, 2, 3]).is_err());
        assert_ne!(key.email_hash("a@b.co"), other.email_hash("a@b.co"));
    }

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().expect("dir");
        assert!(SecretKey::load(dir.path(), None).expect("none").is_none());
        let key = SecretKey::create(dir.path()).expect("new");
        assert_eq!(SecretKey::load(dir.path(), None).expect("again").expect("key").0, key.0);
        assert!(SecretKey::create(dir.path()).is_err(), "a key is never overwritten");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(dir.path().join("secret.key")).expect("file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(SecretKey::load(dir.path(), Some("short")).expect_err("short").code, "secret-malformed");
    }
}

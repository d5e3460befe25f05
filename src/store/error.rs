//! What can go wrong with the store, in the words its callers act on.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::domain::fault::Fault;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was asked for does not exist.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The caller's values cannot be stored as they are; nothing was.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Fault>),
    /// A unique constraint said no.
    #[error("it exists already ({0})")]
    Duplicate(String),
    /// Too much work is waiting, or another process holds the lock; try again.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The database cannot be reached or cannot be written.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A stored value is not what this program writes.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
    /// A rule of the schema forbids the row, whoever sends it and however often.
    #[error("the database's rules forbid it: {0}")]
    Forbidden(String),
    /// Anything else the database said.
    #[error("the database refused: {0}")]
    Other(String),
}

impl StoreError {
    /// One fault of one field.
    pub fn refused(fault: Fault) -> Self {
        Self::Refused(vec![fault])
    }

    /// What the database said, without the words around it.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Busy(why) | Self::Unavailable(why) | Self::Corrupt(why) | Self::Forbidden(why) | Self::Other(why) => {
                why.clone()
            }
            other => other.to_string(),
        }
    }

    /// Whether the same call may work later, without change.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable(_))
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::InvalidCString(_) => Self::refused(zero_byte()),
            DieselError::NotFound => Self::NotFound("the row".into()),
            DieselError::DatabaseError(kind, info) => {
                let text = info.message().trim().to_owned();
                let lower = text.to_lowercase();
                if lower.contains("invalid byte sequence") || lower.contains("unsupported unicode escape") {
                    return Self::refused(zero_byte());
                }
                match kind {
                    DatabaseErrorKind::UniqueViolation => Self::Duplicate(text),
                    DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                        Self::Unavailable(text)
                    }
                    DatabaseErrorKind::ForeignKeyViolation
                    | DatabaseErrorKind::NotNullViolation
                    | DatabaseErrorKind::CheckViolation => Self::Forbidden(text),
                    DatabaseErrorKind::SerializationFailure => Self::Busy(text),
                    _ if PASSING.iter().any(|words| lower.contains(words)) => Self::Busy(text),
                    _ if lower.contains("readonly")
                        || lower.contains("read-only")
                        || lower.contains("disk")
                        || lower.contains("connection")
                        || lower.contains("shutting down") =>
                    {
                        Self::Unavailable(text)
                    }
                    _ => Self::Other(text),
                }
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// What both databases say, in small letters, of work that may be done later: PostgreSQL has no kind of its own for its
/// timeouts and deadlocks here.
const PASSING: &[&str] = &["database is locked", "deadlock", "due to lock timeout", "due to statement timeout"];

fn zero_byte() -> Fault {
    Fault::new("text", "text-zero-byte", "a text holds a zero byte, which no database keeps; remove it")
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::refused(fault)
    }
}

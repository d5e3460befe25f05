//! Errors as RFC 9457 problems: one table of kinds, and every inner error mapped to one of them.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::domain::fault::Fault;
use crate::reports::ReportError;
use crate::store::StoreError;

/// Seconds after which a database that was away is asked again.
const UNAVAILABLE_RETRY_S: u64 = 2;

/// Every kind of problem. Its URI is `urn:headwater:problem:` and the slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request cannot be read.
    Malformed,
    /// Values are at fault; `errors` names them.
    Invalid,
    /// No credentials, or none that are valid.
    Unauthenticated,
    /// The key may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It contradicts what is stored.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// Too many requests.
    TooMany,
    /// The database is busy or away; try again.
    Unavailable,
    /// A fault of the server.
    Internal,
}

impl ProblemKind {
    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Malformed => ("malformed", 400, "The request cannot be read"),
            Self::Invalid => ("invalid", 422, "Some values are not valid"),
            Self::Unauthenticated => ("unauthenticated", 401, "The sender did not prove who it is"),
            Self::Forbidden => ("forbidden", 403, "This key may not do this"),
            Self::NotFound => ("not-found", 404, "There is no such thing"),
            Self::Conflict => ("conflict", 409, "It contradicts what is stored"),
            Self::TooLarge => ("too-large", 413, "The body is too large"),
            Self::TooMany => ("too-many", 429, "Too many requests"),
            Self::Unavailable => ("unavailable", 503, "The database is not available at the moment"),
            Self::Internal => ("internal", 500, "The server made a mistake"),
        }
    }
}

/// A problem, ready to be sent.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind:?}: {detail}")]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<Fault>,
    retry_after_s: Option<u64>,
}

/// A problem on the wire (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemBody {
    /// A URI that names the kind.
    #[serde(rename = "type")]
    #[schema(example = "urn:headwater:problem:invalid")]
    kind: String,
    /// The kind in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    detail: String,
    /// The faults, by field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FaultView>,
}

/// One fault of one field.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct FaultView {
    /// The field.
    pub field: String,
    /// A stable code.
    pub code: String,
    /// What is wrong and what to do about it.
    pub detail: String,
}

impl From<Fault> for FaultView {
    fn from(f: Fault) -> Self {
        Self { field: f.field, code: f.code, detail: f.detail }
    }
}

impl Problem {
    /// A problem without named fields.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after_s: None }
    }

    /// A problem of values.
    pub fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.to_string(),
            many => format!("{} values are at fault", many.len()),
        };
        Self { kind: ProblemKind::Invalid, detail, errors, retry_after_s: None }
    }

    /// The database is away, and nothing was kept: the sender should try again.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after_s: Some(UNAVAILABLE_RETRY_S), ..Self::new(ProblemKind::Unavailable, detail) }
    }

    /// Too many requests, with the seconds to wait.
    pub fn too_many(retry_after_s: u64) -> Self {
        let detail = format!("wait {retry_after_s} s and try again");
        Self { kind: ProblemKind::TooMany, detail, errors: Vec::new(), retry_after_s: Some(retry_after_s) }
    }

    /// The kind, in words.
    pub fn title(&self) -> &'static str {
        self.kind.row().2
    }

    /// The seconds after which to try again, where that may help.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// What happened, in words.
    pub fn detail(&self) -> String {
        if self.errors.is_empty() {
            self.detail.clone()
        } else {
            self.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let (slug, status, title) = self.kind.row();
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.kind == ProblemKind::Unauthenticated {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"headwater\""));
        }
        response.json(ProblemBody {
            kind: format!("urn:headwater:problem:{slug}"),
            title: title.to_owned(),
            status,
            detail: self.detail.clone(),
            errors: self.errors.iter().cloned().map(Into::into).collect(),
        })
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::new(ProblemKind::NotFound, format!("{what} does not exist")),
            StoreError::Refused(faults) => {
                let is_clash = faults
                    .iter()
                    .any(|f| matches!(f.code.as_str(), "slug-taken" | "code-taken" | "channel-exists" | "name-taken"));
                let kind = if is_clash { ProblemKind::Conflict } else { ProblemKind::Invalid };
                Self { kind, ..Self::invalid(faults) }
            }
            StoreError::Duplicate(_) => {
                Self::new(ProblemKind::Conflict, "somebody else stored the same just now; look, then try again")
            }
            StoreError::Busy(_) | StoreError::Unavailable(_) => {
                tracing::warn!(error = %error, "store unavailable");
                Self::unavailable("nothing was stored; try again in a moment")
            }
            StoreError::Corrupt(_) | StoreError::Forbidden(_) | StoreError::Other(_) => {
                tracing::error!(error = %error, "store failed");
                Self::new(ProblemKind::Internal, "the cause is in the server's log")
            }
        }
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Refused(faults) => Self::invalid(faults),
            ReportError::Store(error) => error.into(),
            ReportError::DoesNotAddUp(_) => {
                tracing::error!(error = %error, "a report does not add up");
                Self::new(
                    ProblemKind::Internal,
                    "the report's sums do not agree, so it is not shown; the cause is in the server's log",
                )
            }
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::invalid(vec![fault])
    }
}

//! The 16-byte keys of touches, read without an allocation each: a report reads hundreds of thousands.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::Binary;
use diesel::sqlite::{Sqlite, SqliteValue};
use uuid::Uuid;

/// A key as it is stored: of a touch or of a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromSqlRow)]
pub(in crate::store) struct Key(pub(in crate::store) [u8; 16]);

impl Key {
    /// Of an id.
    pub(in crate::store) fn of(id: Uuid) -> Self {
        Self(*id.as_bytes())
    }

    /// The id.
    pub(in crate::store) fn id(self) -> Uuid {
        Uuid::from_bytes(self.0)
    }

    fn read(column: &[u8]) -> deserialize::Result<Self> {
        Ok(Self(column.try_into()?))
    }
}

impl FromSql<Binary, Sqlite> for Key {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Self::read(value.read_blob())
    }
}

impl FromSql<Binary, Pg> for Key {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Self::read(value.as_bytes())
    }
}

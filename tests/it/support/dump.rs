//! Every value of every table, in hex: what a search for a name goes through, tables of the future included.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use super::{Backend, TestApp};

/// The rows of each table; a row is its values, `column=hex`, of texts the hex of their UTF-8.
pub(crate) type Dump = BTreeMap<String, Vec<String>>;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Nullable<Text>)]
    line: Option<String>,
}

const SQLITE_COLUMNS: &str = "SELECT t.name AS table_name, c.name AS column_name FROM sqlite_master t, \
    pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1, c.cid";
const POSTGRES_COLUMNS: &str = "SELECT c.table_name::text AS table_name, c.column_name::text AS column_name \
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) \
    WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' ORDER BY 1, c.ordinal_position";

macro_rules! dump {
    ($conn:expr, $columns:expr, $hex:expr) => {{
        let conn = $conn;
        let columns: Vec<Column> = diesel::sql_query($columns).load(conn).expect("columns");
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for column in columns {
            tables.entry(column.table_name).or_default().push(column.column_name);
        }
        let rows = |(table, columns): (String, Vec<String>)| {
            let parts: Vec<String> =
                columns.iter().map(|c| format!("'{c}=' || COALESCE({}, '-')", $hex(&format!("\"{c}\"")))).collect();
            let query = format!("SELECT {} AS line FROM \"{table}\"", parts.join(" || ' ' || "));
            let lines: Vec<Line> = diesel::sql_query(query).load(conn).expect("rows");
            let mut lines: Vec<String> = lines.into_iter().filter_map(|l| l.line).collect();
            lines.sort();
            (table, lines)
        };
        tables.into_iter().map(rows).collect()
    }};
}

/// Reads the whole database.
pub(crate) fn dump(app: &TestApp) -> Dump {
    match app.db.backend() {
        Backend::Sqlite => {
            let file = app.dir.path().join("headwater.db");
            let conn = &mut SqliteConnection::establish(file.to_str().expect("utf-8")).expect("sqlite");
            dump!(conn, SQLITE_COLUMNS, |c: &str| format!("lower(hex(CAST({c} AS BLOB)))"))
        }
        Backend::Postgres => {
            let conn = &mut PgConnection::establish(app.db.url()).expect("postgres");
            // The output function of bytea writes hex; any other value is a text first.
            dump!(conn, POSTGRES_COLUMNS, |c: &str| format!(
                "CASE WHEN pg_typeof({c}) = 'bytea'::regtype THEN substr({c}::text, 3) \
                 ELSE encode(convert_to({c}::text, 'UTF8'), 'hex') END"
            ))
        }
    }
}

/// The columns that hold a needle, of which the hex is given.
pub(crate) fn holding(dump: &Dump, hex: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (table, rows) in dump {
        for value in rows.iter().flat_map(|row| row.split(' ')) {
            let (column, value) = value.split_once('=').expect("column");
            if value.contains(hex) {
                found.push(format!("{table}.{column}"));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A text's UTF-8 in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

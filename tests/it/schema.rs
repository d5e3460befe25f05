//! The migrations make the same tables on both databases, and `src/store/schema.rs` describes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use diesel::migration::Migration;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

use crate::support::{Backend, TestDb};

/// (table, column) → (nullable, class of type).
type Columns = BTreeMap<(String, String), (bool, &'static str)>;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    type_name: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

const SQLITE_COLUMNS: &str = "SELECT t.name AS table_name, c.name AS column_name, c.type AS type_name, \
    c.\"notnull\" = 0 AS nullable FROM sqlite_master t, pragma_table_info(t.name) c \
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name <> '__diesel_schema_migrations'";
const POSTGRES_COLUMNS: &str = "SELECT table_name::text AS table_name, column_name::text AS column_name, \
    data_type::text AS type_name, is_nullable = 'YES' AS nullable FROM information_schema.columns \
    WHERE table_schema = 'public' AND table_name <> '__diesel_schema_migrations' AND table_name IN \
    (SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE')";

fn class(type_name: &str) -> &'static str {
    match type_name.to_lowercase().as_str() {
        "smallint" | "integer" | "bigint" | "int8" => "integer",
        "text" => "text",
        "blob" | "bytea" | "binary" => "blob",
        "boolean" | "bool" => "bool",
        other => panic!("a type that is not portable: {other}"),
    }
}

fn columns(rows: Vec<Row>) -> Columns {
    let entry = |r: Row| ((r.table_name, r.column_name), (r.nullable, class(&r.type_name)));
    rows.into_iter().map(entry).collect()
}

/// What the `diesel::table!` blocks say.
fn described() -> Columns {
    let text = std::fs::read_to_string(format!("{}/src/store/schema.rs", env!("CARGO_MANIFEST_DIR"))).expect("schema");
    let (mut list, mut table) = (Columns::new(), String::new());
    for line in text.lines().map(str::trim) {
        if let Some((name, _)) = line.strip_suffix(") {").and_then(|l| l.split_once(" (")) {
            name.clone_into(&mut table);
        } else if let Some((name, kind)) = line.trim_end_matches(',').split_once(" -> ") {
            let inner = kind.strip_prefix("Nullable<").and_then(|k| k.strip_suffix('>'));
            list.insert((table.clone(), name.to_owned()), (inner.is_some(), class(inner.unwrap_or(kind))));
        }
    }
    list
}

fn migrations(backend: &str) -> FileBasedMigrations {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations").join(backend);
    FileBasedMigrations::from_path(folder).expect("migrations")
}

/// Migrates, reads the columns, takes everything back, looks that nothing is left, and migrates again.
macro_rules! up_down_up {
    ($conn:expr, $backend:expr, $query:expr) => {{
        let conn = $conn;
        let read = |conn: &mut _| columns(diesel::sql_query($query).load(conn).expect("columns"));
        assert!(!conn.run_pending_migrations(migrations($backend)).expect("up").is_empty());
        let first = read(conn);
        conn.revert_all_migrations(migrations($backend)).expect("down");
        assert_eq!(read(conn), Columns::new(), "the down migrations leave tables behind");
        conn.run_pending_migrations(migrations($backend)).expect("up again");
        assert_eq!(read(conn), first, "a second migration makes other tables");
        first
    }};
}

fn on_sqlite() -> Columns {
    let conn = &mut SqliteConnection::establish(":memory:").expect("sqlite");
    up_down_up!(conn, "sqlite", SQLITE_COLUMNS)
}

fn on_postgres(db: &TestDb) -> Columns {
    let conn = &mut PgConnection::establish(db.url()).expect("postgres");
    up_down_up!(conn, "postgres", POSTGRES_COLUMNS)
}

/// What only one side has, or both have differently.
fn difference(left: &Columns, right: &Columns) -> Vec<String> {
    let keys = left.keys().chain(right.keys()).collect::<std::collections::BTreeSet<_>>();
    keys.into_iter()
        .filter(|k| left.get(k) != right.get(k))
        .map(|k| format!("{}.{}: {:?} ≠ {:?}", k.0, k.1, left.get(k), right.get(k)))
        .collect()
}

#[test]
fn sqlite_is_as_described() {
    let described = described();
    assert!(described.len() > 100, "schema.rs has {} columns", described.len());
    assert_eq!(difference(&on_sqlite(), &described), Vec::<String>::new(), "SQLite ≠ src/store/schema.rs");
}

#[test]
fn postgres_is_as_described_and_as_sqlite() {
    let db = TestDb::new(Backend::Postgres);
    let postgres = on_postgres(&db);
    assert_eq!(difference(&postgres, &described()), Vec::<String>::new(), "PostgreSQL ≠ src/store/schema.rs");
    assert_eq!(difference(&postgres, &on_sqlite()), Vec::<String>::new(), "PostgreSQL ≠ SQLite");
}

/// The migrations on disk are those that the program carries.
#[test]
fn what_the_program_makes_is_what_the_files_say() {
    let dir = tempfile::tempdir().expect("dir");
    crate::support::binary::run_ok(dir.path(), "", &["check"]);
    let file = dir.path().join("data/headwater.db");
    let conn = &mut SqliteConnection::establish(file.to_str().expect("utf-8")).expect("sqlite");
    assert_eq!(columns(diesel::sql_query(SQLITE_COLUMNS).load(conn).expect("columns")), on_sqlite());
    let mut applied: Vec<String> =
        conn.applied_migrations().expect("applied").into_iter().map(|v| v.to_string()).collect();
    applied.sort();
    let source: Vec<Box<dyn Migration<diesel::sqlite::Sqlite>>> =
        diesel::migration::MigrationSource::migrations(&migrations("sqlite")).expect("list");
    let mut names: Vec<String> = source.iter().map(|m| m.name().version().to_string()).collect();
    names.sort();
    assert_eq!(applied, names);
}

/// Two touches of the first schema: a click of a link, and an imported landing that was undone.
const OLD_TOUCHES: &str = "INSERT INTO dictionary (entry) VALUES ('agent');
    INSERT INTO touches (id, recorded_at, voided_at, occurred_at, kind, class, class_rule, link_id, visitor_id, private,
        source, external_id, batch_id, user_agent_id) SELECT
        ID1, 5, NULL, 1, 'click', 'repeat', 'repeat', 7, ID2, true, NULL, NULL, NULL, id FROM dictionary;
    INSERT INTO touches (id, recorded_at, voided_at, occurred_at, kind, class, class_rule, private, source, external_id,
        batch_id) VALUES (ID2, 6, 8, 2, 'landing', 'human', 'imported', false, 'tool', 'x1', ID1)";
const NEW_TOUCHES: &str = "SELECT kind || ' ' || class || ' ' || class_rule || ' ' || recorded_at || ' ' || occurred_at \
    || ' ' || COALESCE(voided_at, 0) || ' ' || COALESCE(link_id, 0) || ' ' || COALESCE(external_id, '') || ' ' \
    || COALESCE(user_agent, '') || ' ' || device AS line FROM readable_touches ORDER BY id";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Fills the first schema, brings it up to date, looks, and takes it back.
macro_rules! with_old_touches {
    ($conn:expr, $backend:expr, $id:expr) => {{
        let conn = $conn;
        conn.run_next_migration(migrations($backend)).expect("the first schema");
        let fill = OLD_TOUCHES.replace("ID1", &$id("01")).replace("ID2", &$id("02"));
        diesel::connection::SimpleConnection::batch_execute(conn, &fill).expect("old touches");
        let applied = conn.run_pending_migrations(migrations($backend)).expect("up").len();
        let lines: Vec<Line> = diesel::sql_query(NEW_TOUCHES).load(conn).expect("new touches");
        let lines: Vec<&str> = lines.iter().map(|l| l.line.as_str()).collect();
        assert_eq!(lines, ["click repeat repeat 5 1 0 7  agent unknown", "landing human imported 6 2 8 0 x1  unknown"]);
        for _ in 0..applied {
            conn.revert_last_migration(migrations($backend)).expect("down");
        }
        let old = "SELECT kind || ' ' || class || ' ' || class_rule AS line FROM touches ORDER BY id";
        let lines: Vec<Line> = diesel::sql_query(old).load(conn).expect("old touches again");
        assert_eq!(lines[0].line, "click repeat repeat");
    }};
}

#[test]
fn touches_of_the_first_schema_keep_what_they_say() {
    let conn = &mut SqliteConnection::establish(":memory:").expect("sqlite");
    with_old_touches!(conn, "sqlite", |byte: &str| format!("x'{}'", byte.repeat(16)));
    let db = TestDb::new(Backend::Postgres);
    let conn = &mut PgConnection::establish(db.url()).expect("postgres");
    with_old_touches!(conn, "postgres", |byte: &str| format!("'\\x{}'::bytea", byte.repeat(16)));
}

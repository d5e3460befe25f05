//! Data directories with many links.
//!
//! One link is made as a person makes it; its copies come from one statement each, as a million links made one by
//! one would take longer than everything that is measured on them.

use std::fs;
use std::path::{Path, PathBuf};

use diesel::RunQueryDsl as _;
use headwater::config::Config;
use headwater::store::{Conn, Db, DbOptions, StoreError};

use super::Outcome;
use super::process::{headwater, run_to_end};
use super::requests::slug;

/// Makes a data directory with `count` links, `post-1` onwards, that carry UTM tags.
pub(super) fn make(parent: &Path, name: &str, count: u64) -> Outcome<PathBuf> {
    let dir = parent.join(name);
    fs::create_dir_all(&dir)?;
    let command = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        run_to_end(&mut headwater(&dir, &words)?)
    };
    command("channel create linkedin-organic --source linkedin --medium social")?;
    command("campaign create spring-2025")?;
    let first = slug(1);
    command(&format!(
        "link create https://www.example.com/products/spring/offer-1?ref=post --channel linkedin-organic --campaign spring-2025 --slug {first}"
    ))?;
    open(&dir)?.write_now(|conn| copy(conn, count))?;
    Ok(dir)
}

/// Opens the directory's database.
pub(super) fn open(dir: &Path) -> Outcome<Db> {
    let set = [("data.dir".to_owned(), dir.display().to_string())];
    let config = Config::load(None, &set)?;
    let options = DbOptions {
        url: String::new(),
        data_dir: config.data.dir,
        connections: 1,
        wait: std::time::Duration::from_millis(config.database.wait_ms),
    };
    Ok(Db::open(&options)?)
}

fn copy(conn: &mut Conn, count: u64) -> Result<(), StoreError> {
    let Conn::Sqlite(c) = conn else { return Err(StoreError::Other("the benchmarks use SQLite".into())) };
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    let links = format!(
        "INSERT INTO links (slug, created_at) {numbers} \
         SELECT 'post-' || i, (SELECT created_at FROM links WHERE slug = 'post-1') FROM n WHERE i <= {count}"
    );
    let revisions = "INSERT INTO link_revisions (link_id, recorded_at, effective_from, destination, title, channel_id, \
         campaign_id, post_id, tags, passes_query, archived, expires_at, recorded_by) \
         SELECT l.id, r.recorded_at, r.effective_from, 'https://www.example.com/products/spring/offer-' || l.id || '?ref=post', \
         r.title, r.channel_id, r.campaign_id, r.post_id, r.tags, r.passes_query, r.archived, r.expires_at, r.recorded_by \
         FROM links l JOIN link_revisions r ON r.link_id = (SELECT id FROM links WHERE slug = 'post-1') \
         WHERE l.slug <> 'post-1'";
    diesel::sql_query(links).execute(c)?;
    diesel::sql_query(revisions).execute(c)?;
    Ok(())
}

/// History for reports: `touches` of people, of whom every tenth became a lead. Each call needs its own `source`.
pub(super) fn touches_csv(dir: &Path, source: &str, touches: u64) -> Outcome<PathBuf> {
    let mut text = String::from("external_id,occurred_at,channel,person\n");
    for i in 0..touches {
        let (month, day, minute) = (i % 12 + 1, i / 12 % 28 + 1, i / 336 % 60);
        let person = i % (touches / 4).max(1);
        text.push_str(&format!("t{i},2025-{month:02}-{day:02}T08:{minute:02}:00Z,linkedin-organic,p{person}\n"));
    }
    let path = dir.join(format!("{source}.csv"));
    fs::write(&path, text)?;
    Ok(path)
}

/// A lead of every tenth person of [`touches_csv`].
pub(super) fn leads_csv(dir: &Path, touches: u64) -> Outcome<PathBuf> {
    let mut text = String::from("event_id,stage,occurred_at,person\n");
    for person in (0..touches / 4).step_by(10) {
        text.push_str(&format!("l{person},lead,2025-12-{:02}T12:00:00Z,p{person}\n", person % 28 + 1));
    }
    let path = dir.join("leads.csv");
    fs::write(&path, text)?;
    Ok(path)
}

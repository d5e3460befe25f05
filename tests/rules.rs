//! The rules of the code's shape, read from its sources: who may use whom, and what stands where.
//!
//! Comments and the contents of strings are blanked first, and `use` trees are
//! spelled out, so that a rule meets paths and nothing else. A broken rule names
//! every file and line that breaks it.

#[cfg(test)]
mod rules {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Modules of the crate that a ring may use, beside itself.
    const RINGS: &[(&str, &[&str])] = &[
        ("domain", &[]),
        ("tracking", &["domain"]),
        ("connectors", &["domain"]),
        ("imports", &["domain"]),
        ("store", &["domain"]),
        ("reports", &["store", "domain"]),
        ("export", &["domain", "reports"]),
        ("jobs", &["reports", "store", "domain", "tracking", "connectors", "imports", "secret"]),
        ("config", &["domain"]),
        ("telemetry", &["config", "domain"]),
        ("secret", &["store", "domain"]),
        (
            "http",
            &[
                "jobs",
                "reports",
                "export",
                "store",
                "domain",
                "tracking",
                "connectors",
                "imports",
                "secret",
                "config",
                "telemetry",
            ],
        ),
        ("main", &["cli"]),
    ];
    const LINES_MAX: usize = 700;

    struct Source {
        /// Below the package, such as `src/domain/money.rs`.
        name: String,
        /// Without comments and the contents of strings, line by line as in the file.
        code: String,
        lines: usize,
    }

    /// A path as it stands in the code, with the line on which it begins.
    struct Named {
        line: usize,
        path: String,
    }

    fn package() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn files(dir: &Path, list: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                files(&path, list);
            } else {
                list.push(path);
            }
        }
    }

    fn sources(dir: &str) -> Vec<Source> {
        let mut list = Vec::new();
        files(&package().join(dir), &mut list);
        list.sort();
        list.iter()
            .filter(|p| p.extension().is_some_and(|e| e == "rs"))
            .map(|path| {
                let text = fs::read_to_string(path).expect("source");
                let name = path.strip_prefix(package()).expect("in the package").display().to_string();
                Source { name, lines: text.lines().count(), code: blanked(&text) }
            })
            .collect()
    }

    /// The code with comments and the contents of strings replaced by spaces.
    fn blanked(text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
        let mut out = chars.clone();
        let mut blank = |from: usize, to: usize| {
            for c in &mut out[from.min(chars.len())..to.min(chars.len())] {
                if *c != '\n' {
                    *c = ' ';
                }
            }
        };
        let mut i = 0;
        while i < chars.len() {
            let end = match (at(i), at(i + 1)) {
                ('/', '/') => (i..chars.len()).find(|&j| chars[j] == '\n').unwrap_or(chars.len()),
                ('/', '*') => (i + 2..chars.len()).find(|&j| at(j) == '*' && at(j + 1) == '/').map_or(i + 2, |j| j + 2),
                ('r', '"' | '#') if i == 0 || !is_word(at(i - 1)) || at(i - 1) == 'b' => raw_string_end(&chars, i),
                ('"', _) => string_end(&chars, i),
                ('\'', '\\') => (i + 3..chars.len()).find(|&j| at(j) == '\'').map_or(i + 1, |j| j + 1),
                ('\'', _) if at(i + 2) == '\'' => i + 3,
                _ => {
                    i += 1;
                    continue;
                }
            };
            blank(i, end);
            i = end.max(i + 1);
        }
        out.into_iter().collect()
    }

    fn string_end(chars: &[char], start: usize) -> usize {
        let mut i = start + 1;
        while i < chars.len() && chars[i] != '"' {
            i += if chars[i] == '\\' { 2 } else { 1 };
        }
        i + 1
    }

    /// The end of `r"…"` or `r#"…"#`; of `r#name` only its first character.
    fn raw_string_end(chars: &[char], start: usize) -> usize {
        let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
        let open = start + 1 + hashes;
        if chars.get(open) != Some(&'"') {
            return start + 1;
        }
        let closes =
            |j: usize| chars[j] == '"' && chars[j + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        (open + 1..chars.len()).find(|&j| closes(j)).map_or(chars.len(), |j| j + 1 + hashes)
    }

    fn is_word(c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }

    /// Every path of the code; `a::{b, c::d}` is told as `a::b` and `a::c::d`.
    fn paths(code: &str) -> Vec<Named> {
        let chars: Vec<char> = code.chars().collect();
        let mut list = Vec::new();
        let (mut i, mut line) = (0, 1);
        while i < chars.len() {
            if is_word(chars[i]) {
                let from = i;
                i = read_path(&chars, i, "", line, &mut list).max(i + 1);
                line += chars[from..i].iter().filter(|c| **c == '\n').count();
            } else {
                line += usize::from(chars[i] == '\n');
                i += 1;
            }
        }
        list
    }

    /// Reads one path or `use` tree that begins at `i`; answers where it ends.
    fn read_path(chars: &[char], mut i: usize, prefix: &str, line: usize, list: &mut Vec<Named>) -> usize {
        let mut path = prefix.to_owned();
        loop {
            while i < chars.len() && is_word(chars[i]) {
                path.push(chars[i]);
                i += 1;
            }
            if chars.get(i) != Some(&':') || chars.get(i + 1) != Some(&':') {
                break;
            }
            i += 2;
            path.push_str("::");
            if chars.get(i) == Some(&'{') {
                return read_group(chars, i + 1, &path, line, list);
            }
        }
        list.push(Named { line, path });
        i
    }

    fn read_group(chars: &[char], mut i: usize, prefix: &str, mut line: usize, list: &mut Vec<Named>) -> usize {
        while i < chars.len() && chars[i] != '}' {
            if is_word(chars[i]) {
                let from = i;
                i = read_path(chars, i, prefix, line, list);
                line += chars[from..i].iter().filter(|c| **c == '\n').count();
                // What follows `as` is a name, not a path.
                while i < chars.len() && !matches!(chars[i], ',' | '}') {
                    line += usize::from(chars[i] == '\n');
                    i += 1;
                }
            } else {
                line += usize::from(chars[i] == '\n');
                i += 1;
            }
        }
        i + 1
    }

    fn segments(path: &str) -> impl Iterator<Item = &str> {
        path.split("::").filter(|s| !s.is_empty())
    }

    /// The top-level module to which a source file belongs.
    fn ring_of(name: &str) -> &str {
        let below = name.strip_prefix("src/").expect("in src");
        below.split(['/', '.']).next().expect("a name")
    }

    /// How many modules deep a file's own module lies below the crate.
    fn depth_of(name: &str) -> usize {
        let below = name.strip_prefix("src/").expect("in src").trim_end_matches(".rs");
        below.split('/').filter(|part| *part != "mod").count()
    }

    /// The top-level module that a path names through `crate::` or enough `super::`.
    fn used_ring<'a>(source: &Source, path: &'a str, modules: &BTreeSet<String>) -> Option<&'a str> {
        let parts: Vec<&str> = segments(path).collect();
        let supers = parts.iter().take_while(|p| **p == "super").count();
        let named = match parts.first() {
            Some(&"crate" | &"headwater") => parts.get(1),
            Some(&"super") if supers >= depth_of(&source.name) => parts.get(supers),
            _ => None,
        }?;
        modules.contains(*named).then_some(*named)
    }

    fn top_level_modules() -> BTreeSet<String> {
        let lib = blanked(&fs::read_to_string(package().join("src/lib.rs")).expect("lib.rs"));
        let words: Vec<&str> = lib.split(|c: char| !is_word(c)).filter(|w| !w.is_empty()).collect();
        words.windows(2).filter(|w| w[0] == "mod").map(|w| w[1].to_owned()).collect()
    }

    /// Where sources outside the allowed places use a path that `is_meant`.
    fn uses_outside(allowed: &[&str], is_meant: impl Fn(&[&str]) -> bool) -> Vec<String> {
        let mut broken = Vec::new();
        for source in sources("src") {
            if allowed.iter().any(|place| source.name.starts_with(place)) {
                continue;
            }
            for named in paths(&source.code) {
                if is_meant(&segments(&named.path).collect::<Vec<_>>()) {
                    broken.push(format!("{}:{} names {}", source.name, named.line, named.path));
                }
            }
        }
        broken
    }

    fn none(rule: &str, broken: &[String]) {
        assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
    }

    #[test]
    fn rings_use_inner_rings_only() {
        let modules = top_level_modules();
        assert!(modules.len() >= 13, "lib.rs names {modules:?}");
        let mut broken = Vec::new();
        for source in sources("src") {
            let ring = ring_of(&source.name);
            let Some((_, allowed)) = RINGS.iter().find(|(name, _)| *name == ring) else { continue };
            for named in paths(&source.code) {
                if let Some(used) = used_ring(&source, &named.path, &modules)
                    && used != ring
                    && !allowed.contains(&used)
                {
                    broken.push(format!("{}:{} uses {used} ({})", source.name, named.line, named.path));
                }
            }
        }
        none("a ring may use the rings that `RINGS` lists for it", &broken);
    }

    #[test]
    fn every_module_has_its_place_in_the_rings() {
        let known: BTreeSet<&str> = RINGS.iter().map(|(name, _)| *name).chain(["app", "cli"]).collect();
        let unknown: Vec<String> = top_level_modules().into_iter().filter(|m| !known.contains(m.as_str())).collect();
        none("src/lib.rs: say in `RINGS` what a new module may use", &unknown);
    }

    #[test]
    fn only_the_command_line_uses_app_and_only_main_uses_the_command_line() {
        let names = |part: &'static str| move |p: &[&str]| p.len() > 1 && p[0] == "crate" && p[1] == part;
        none("`app` is used by cli only", &uses_outside(&["src/cli/", "src/app.rs"], names("app")));
        none("`cli` is used by main.rs only", &uses_outside(&["src/cli/", "src/main.rs"], names("cli")));
    }

    #[test]
    fn actix_is_named_in_http_and_app_only() {
        let broken = uses_outside(&["src/http/", "src/app.rs"], |p| p[0].starts_with("actix"));
        none("actix_web and actix_http belong to src/http and src/app.rs", &broken);
    }

    #[test]
    fn diesel_is_named_in_store_only() {
        let broken = uses_outside(&["src/store/"], |p| p[0].starts_with("diesel"));
        none("diesel belongs to src/store", &broken);
    }

    #[test]
    fn the_environment_is_read_in_config_only() {
        let is_env =
            |p: &[&str]| p.windows(2).any(|w| w[0] == "std" && w[1] == "env") || (p.len() > 1 && p[0] == "env");
        none("std::env belongs to src/config.rs", &uses_outside(&["src/config.rs"], is_env));
    }

    #[test]
    fn the_clock_is_read_in_domain_time_only() {
        let is_clock = |p: &[&str]| {
            p.contains(&"SystemTime") || p.windows(2).any(|w| matches!(w[0], "Timestamp" | "Zoned") && w[1] == "now")
        };
        none("the system clock belongs to src/domain/time.rs", &uses_outside(&["src/domain/time.rs"], is_clock));
    }

    #[test]
    fn the_domain_is_pure() {
        let mut broken = Vec::new();
        for source in sources("src/domain") {
            for named in paths(&source.code) {
                let parts: Vec<&str> = segments(&named.path).collect();
                let is_outside = matches!(parts[0], "tokio" | "rand" | "ureq" | "tempfile" | "tracing")
                    || (parts.len() > 1
                        && parts[0] == "std"
                        && matches!(parts[1], "fs" | "net" | "process" | "thread" | "io"));
                if is_outside {
                    broken.push(format!("{}:{} names {}", source.name, named.line, named.path));
                }
            }
        }
        none("src/domain has no runtime, randomness, files, network or log", &broken);
    }

    #[test]
    fn no_float_holds_money_or_credit() {
        let mut broken = Vec::new();
        let all = sources("src/domain");
        for name in ["money.rs", "cost.rs", "fx.rs", "labour.rs", "attribution/credit.rs", "attribution/purchases.rs"] {
            let name = format!("src/domain/{name}");
            let source = all.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("{name} is gone"));
            for named in paths(&source.code) {
                if segments(&named.path).any(|s| s == "f32" || s == "f64" || s.ends_with("_f32") || s.ends_with("_f64"))
                {
                    broken.push(format!("{name}:{} names {}", named.line, named.path));
                }
            }
        }
        none("money and credit are integers (invariant 6)", &broken);
    }

    #[test]
    fn migrations_come_in_pairs() {
        let versions = |backend: &str| -> BTreeSet<String> {
            let mut list = Vec::new();
            files(&package().join("migrations").join(backend), &mut list);
            list.iter()
                .map(|p| {
                    let below = p.strip_prefix(package().join("migrations").join(backend)).expect("below");
                    assert!(fs::metadata(p).expect("metadata").len() > 0, "{} is empty", p.display());
                    below.display().to_string()
                })
                .collect()
        };
        let (sqlite, postgres) = (versions("sqlite"), versions("postgres"));
        assert_eq!(sqlite, postgres, "migrations/sqlite and migrations/postgres have different files");
        let folders: BTreeSet<&str> = sqlite.iter().filter_map(|f| f.split('/').next()).collect();
        let expected: BTreeSet<String> =
            folders.iter().flat_map(|v| [format!("{v}/up.sql"), format!("{v}/down.sql")]).collect();
        assert_eq!(sqlite, expected, "each migration has up.sql and down.sql and nothing else");
        assert!(!folders.is_empty());
    }

    #[test]
    fn every_key_of_the_configuration_is_explained() {
        let text = fs::read_to_string(package().join("config/default.toml")).expect("default.toml");
        let (mut broken, mut keys, mut is_explained) = (Vec::new(), 0, false);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with('#') {
                is_explained = line.len() > 10;
            } else if line.is_empty() || line.starts_with('[') {
                is_explained = false;
            } else {
                keys += 1;
                // A comment may speak of a run of keys, such as from and to.
                if !is_explained {
                    broken.push(format!("config/default.toml:{}: {line}", number + 1));
                }
            }
        }
        assert!(keys > 20, "only {keys} keys were found");
        none("a key has a comment line above it", &broken);
    }

    #[test]
    fn no_file_is_too_long_to_read() {
        let long: Vec<String> = ["src", "tests"]
            .iter()
            .flat_map(|dir| sources(dir))
            .filter(|s| s.lines > LINES_MAX)
            .map(|s| format!("{}:{} has {} lines", s.name, LINES_MAX + 1, s.lines))
            .collect();
        none("a file has 700 lines at most; divide it by what it is about", &long);
    }

    #[test]
    fn the_reader_of_these_rules_sees_paths_and_nothing_else() {
        let code = blanked(
            "use a::{b, c::{d as e, f}};\n// x::y\nlet s = \"q::r\"; let t = r#\"u::v\"#; let c = '\"'; let l: &'static str;\ng::h(i::j);",
        );
        let found: Vec<(usize, String)> =
            paths(&code).into_iter().filter(|n| n.path.contains("::")).map(|n| (n.line, n.path)).collect();
        let expected = [(1, "a::b"), (1, "a::c::d"), (1, "a::c::f"), (4, "g::h"), (4, "i::j")];
        assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
    }
}

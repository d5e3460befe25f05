//! Every fixture of a platform's export is read as its sidecar says, and so are variants that people bring.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::platform::{Body, PlatformFile, read};
use super::preset::{Preset, built_in};
use super::table::Asked;
use crate::domain::fault::Fault;

fn read_with(bytes: &[u8], asked: &Asked) -> Result<PlatformFile, Vec<Fault>> {
    let presets: Vec<&Preset> = built_in().iter().collect();
    read(bytes, &presets, None, asked)
}

fn asked(currency: Option<&str>) -> Asked {
    let exported_on = "2026-11-20".parse().ok();
    Asked { currency: currency.map(|c| c.parse().expect(c)), exported_on, ..Asked::default() }
}

fn codes(result: Result<PlatformFile, Vec<Fault>>) -> Vec<String> {
    result.expect_err("a fault").into_iter().map(|f| f.code).collect()
}

/// `(preset, rows, sum in minor units, currency)` of a file of spend without errors.
fn spend(bytes: &[u8], asked: &Asked) -> (String, usize, i64, String) {
    let file = read_with(bytes, asked).unwrap_or_else(|f| panic!("{f:?}"));
    assert!(file.all_errors().is_empty(), "{:?}", file.all_errors());
    let part = &file.parts[0];
    let Body::Spend(spend) = &part.body else { panic!("no spend: {part:?}") };
    let sum = spend.entries.iter().map(|e| e.amount.minor).sum();
    let currency = spend.entries[0].amount.currency.code().to_owned();
    (part.bound.preset.name.clone(), spend.rows, sum, currency)
}

fn fixtures(folder: &str) -> Vec<(PathBuf, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exports").join(folder);
    let mut list = Vec::new();
    for vendor in std::fs::read_dir(&root).expect("fixtures").map(|e| e.expect("entry").path()) {
        for path in std::fs::read_dir(&vendor).expect("vendor").map(|e| e.expect("entry").path()) {
            if path.to_string_lossy().ends_with(".meta.json") {
                let meta: Value = serde_json::from_slice(&std::fs::read(&path).expect("meta")).expect("json");
                list.push((vendor.join(meta["file"].as_str().expect("file")), meta));
            }
        }
    }
    list.sort_by(|a, b| a.0.cmp(&b.0));
    list
}

#[test]
fn every_spend_fixture_is_read_to_the_cent() {
    let list = fixtures("spend");
    assert_eq!(list.len(), 8);
    for (path, meta) in list {
        let bytes = std::fs::read(&path).expect("file");
        let expect = &meta["expect"];
        let asked = if expect["currency"].is_null() {
            assert_eq!(codes(read_with(&bytes, &asked(None))), ["currency-missing"], "{path:?}");
            asked(Some("GBP"))
        } else {
            asked(None)
        };
        let (preset, rows, sum, currency) = spend(&bytes, &asked);
        assert_eq!(
            preset.replace("-ads", "_ads"),
            path.parent().expect("vendor").file_name().expect("name").to_string_lossy()
        );
        assert_eq!(rows, expect["rows"].as_u64().expect("rows") as usize, "{path:?}");
        assert_eq!(sum, expect["spend_minor_total"].as_i64().expect("total"), "{path:?}");
        assert_eq!(currency, expect["currency"].as_str().unwrap_or("GBP"), "{path:?}");
        let file = read_with(&bytes, &asked).expect("file");
        let part = &file.parts[0];
        if let Some(line) = meta["header_row"].as_u64() {
            assert_eq!(part.header_line, line, "{path:?}");
        }
        assert_eq!(part.body.totals().len(), meta["totals_rows"].as_u64().unwrap_or(0) as usize, "{path:?}");
        assert!(part.body.totals().iter().all(|t| t.agrees), "{path:?}: {:?}", part.body.totals());
        assert_eq!(part.body.footers(), meta["footer_rows"].as_u64().unwrap_or(0) as usize, "{path:?}");
        let Body::Spend(spend) = &part.body else { panic!() };
        for (day, minor) in expect["by_day"].as_object().into_iter().flatten() {
            let of_day = spend.entries.iter().filter(|e| e.days.from.to_string() == *day);
            assert_eq!(of_day.map(|e| e.amount.minor).sum::<i64>(), minor.as_i64().expect("minor"), "{path:?} {day}");
        }
        if let Some(leads) = expect["leads"].as_i64() {
            let counts =
                spend.entries.iter().filter_map(|e| e.counts.get("leads_micro").or(e.counts.get("conversions_micro")));
            assert_eq!(counts.sum::<i64>(), leads * 1_000_000, "{path:?}");
        }
    }
}

/// Sums of a file's counts by metric, over all its tables.
fn sums(file: &PlatformFile) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for part in &file.parts {
        match &part.body {
            Body::Posts(f) => {
                for (metric, value) in f.items.iter().flat_map(|p| &p.counts) {
                    *sums.entry(metric.clone()).or_default() += value;
                }
            }
            Body::Days(f) => {
                for count in &f.items {
                    *sums.entry(count.metric.clone()).or_default() += count.value;
                }
            }
            Body::Spend(_) => panic!("spend among counts"),
        }
    }
    sums
}

#[test]
fn every_social_fixture_is_read_as_its_sidecar_says() {
    let list = fixtures("social");
    assert_eq!(list.len(), 13);
    for (path, meta) in list {
        let bytes = std::fs::read(&path).expect("file");
        let expect = meta["expect"].as_object().expect("expect");
        let file = read_with(&bytes, &asked(None)).unwrap_or_else(|f| panic!("{path:?}: {f:?}"));
        assert!(file.all_errors().is_empty(), "{path:?}: {:?}", file.all_errors());
        assert!(file.parts.iter().all(|p| p.body.totals().iter().all(|t| t.agrees)), "{path:?}");
        let sums = sums(&file);
        let rows: usize = file.parts.iter().map(|p| p.body.rows()).sum();
        for (name, value) in expect {
            let metric = match name.as_str() {
                "posts" | "rows" | "videos" => {
                    assert_eq!(rows, value.as_u64().expect("count") as usize, "{path:?}");
                    continue;
                }
                "sheets" => {
                    assert_eq!(file.parts.len(), value.as_array().expect("list").len(), "{path:?}");
                    continue;
                }
                "metrics_rows" => {
                    assert_eq!(file.parts[0].body.rows(), value.as_u64().expect("count") as usize, "{path:?}");
                    continue;
                }
                "posts_rows" => {
                    assert_eq!(file.parts[1].body.rows(), value.as_u64().expect("count") as usize, "{path:?}");
                    continue;
                }
                "total" => "views",
                "impressions_total" => "impressions",
                "clicks_total" => "clicks",
                "reactions_total" => "reactions",
                "comments_total" => "comments",
                "reposts_total" => "reposts",
                "profile_views" => "profile_visits",
                "url_clicks" => "link_clicks",
                "note" | "metric" | "with_export_date" => continue,
                other => other,
            };
            assert_eq!(sums.get(metric).copied(), value.as_i64(), "{path:?}: {name}");
        }
        for (exported, days) in expect.get("with_export_date").and_then(Value::as_object).into_iter().flatten() {
            let asked = Asked { exported_on: Some(exported.parse().expect("day")), ..Asked::default() };
            let file = read_with(&bytes, &asked).expect("file");
            let Body::Days(f) = &file.parts[0].body else { panic!() };
            let mut read: Vec<String> = f.items.iter().map(|c| c.day.to_string()).collect();
            read.dedup();
            read.sort();
            read.dedup();
            assert_eq!(serde_json::json!(read), *days);
        }
    }
}

#[test]
fn variants_that_people_bring_are_read() {
    let utf16 = |text: &str| -> Vec<u8> {
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    let french = "\u{feff}Jour;Nom de la campagne;Montant dépensé (EUR);Impressions;Clics sur un lien\r\n\
        01/10/2026;Été;1\u{202f}234,50;10 000;20\r\n02/10/2026;Été;12,5;5;1\r\n";
    assert_eq!(spend(french.as_bytes(), &asked(None)), ("meta-ads".into(), 2, 124_700, "EUR".into()));
    let spanish = "\u{feff}Fecha;Nombre de la campaña;Importe gastado;Impresiones;Clics en el enlace;Conversiones\n\
        01/10/2026;Otoño;12,50 €;1.000;10;1\n02/10/2026;Otoño;1.020,00 €;2.000;20;2\n";
    assert_eq!(spend(spanish.as_bytes(), &asked(None)), ("x-ads".into(), 2, 103_250, "EUR".into()));
    let linkedin = "Start Date (in UTC),Account Name,Currency,Campaign Name,Campaign ID,Total Spent,Impressions,Clicks\n\
        10/01/2026,Acme,EUR,Brand,367,\"1,234.50\",10,1\n10/02/2026,Acme,EUR,Brand,367,0.50,10,1\nTotal,,,,,\"1,235.00\",20,2\n";
    assert_eq!(spend(linkedin.as_bytes(), &asked(None)), ("linkedin-ads".into(), 2, 123_500, "EUR".into()));
    let google = "Campaign report\nOctober 1, 2026 - October 3, 2026\nDay\tCampaign\tCurrency code\tCost\tImpr.\tClicks\n\
        2026-10-01\tBrand\tEUR\t1,016.50\t1,204\t40\n2026-10-02\tBrand\tEUR\t --\t0\t0\nTotal: Account\t \tEUR\t1,016.50\t1,204\t40\n";
    assert_eq!(spend(&utf16(google), &asked(None)), ("google-ads".into(), 2, 101_650, "EUR".into()));
    let tiktok = "Campaign name,Campaign ID,Date,Cost (EUR),Impression,Clicks (Destination)\nA,1790000000000001,2026-10-01,12.50,400,8\n";
    assert_eq!(spend(tiktok.as_bytes(), &asked(None)), ("tiktok-ads".into(), 1, 1_250, "EUR".into()));
    let snap = "Start Time,End Time,Campaign Name,Paid Impressions,Swipe Ups,Spend\n\
        2026-10-01 00:00,2026-10-02 00:00,S,10,1,3.00\n2026-10-02 00:00,2026-10-03 00:00,S,10,1,4.00\n";
    assert_eq!(spend(snap.as_bytes(), &asked(Some("USD"))), ("snapchat-ads".into(), 2, 700, "USD".into()));
    let microsoft =
        "TimePeriod,AccountName,CampaignName,CurrencyCode,Impressions,Clicks,Spend\n10/1/2026,Acme,B,USD,1,1,1.00\n";
    assert_eq!(spend(microsoft.as_bytes(), &asked(None)), ("microsoft-ads".into(), 1, 100, "USD".into()));
    let german = "Tag;Kampagne;Währungscode;Kosten;Impr.;Klicks\n01.10.2026;Marke;EUR;1.016,50;1.204;40\n";
    assert_eq!(spend(german.as_bytes(), &asked(None)), ("google-ads".into(), 1, 101_650, "EUR".into()));
    let two_accounts =
        "Day,Account name,Campaign name,Link clicks,Amount spent (EUR)\n2026-10-01,A,X,1,1.00\n2026-10-01,B,X,1,2.00\n";
    let file = read_with(two_accounts.as_bytes(), &asked(None)).expect("file");
    let Body::Spend(f) = &file.parts[0].body else { panic!() };
    assert_eq!(f.entries.iter().map(|e| e.account.as_deref().unwrap_or("")).collect::<Vec<_>>(), ["A", "B"]);
}

const PERIOD: &str = "Reporting starts,Reporting ends,Campaign name,Campaign delivery,Attribution setting,Results,Reach,Frequency,Amount spent (EGP),Impressions\n\
    2026-10-01,2026-10-31,Leads,active,7-day,5,100,1.2,310.00,500\n";

#[test]
fn a_period_is_spread_only_on_request() {
    assert_eq!(codes(read_with(PERIOD.as_bytes(), &asked(None))), ["period-total"]);
    let spread = Asked { spread: true, ..asked(None) };
    assert_eq!(spend(PERIOD.as_bytes(), &spread), ("meta-ads".into(), 1, 31_000, "EGP".into()));
    let with_totals = format!("{PERIOD}2026-10-01,2026-10-31,,,,,,,310.00,500\n");
    let file = read_with(with_totals.as_bytes(), &spread).expect("file");
    assert!(file.parts[0].body.totals()[0].agrees, "{:?}", file.parts[0].body.totals());
}

#[test]
fn what_cannot_be_known_is_asked_and_what_is_wrong_is_named() {
    let meta = |rows: &str| format!("Day,Campaign name,Campaign ID,Link clicks,Amount spent (EUR)\n{rows}");
    for (rows, code) in [
        ("2026-10-01,A,1.2021E+17,1,1.00\n", "id-damaged"),
        ("2026-10-01,A,1,1,1.50\n2026-10-01,A,1,1,\"1,50\"\n", "decimal-mixed"),
        ("13/01/2026,A,1,1,1.50\n01/13/2026,A,1,1,1.50\n", "date-order-mixed"),
        ("10/01/2026,A,1,1,1.50\n", "date-order-ambiguous"),
        ("2026-10-01,A,1,1,$1.50\n", "currency-mismatch"),
    ] {
        assert_eq!(codes(read_with(meta(rows).as_bytes(), &asked(None))), [code], "{rows}");
    }
    assert_eq!(
        codes(read_with(meta("2026-10-01,A,1,1,1.50\n").as_bytes(), &asked(Some("USD")))),
        ["currency-mismatch"]
    );
    let errors = |rows: &str| -> Vec<String> {
        let file = read_with(meta(rows).as_bytes(), &asked(None)).expect("file");
        file.all_errors().iter().map(|e| format!("{} {}", e.line, e.faults[0].code)).collect()
    };
    assert_eq!(errors("2026-10-01,A,1,1,1.50\n2026-13-01,A,1,1,1.50\n"), ["3 day-malformed"]);
    assert_eq!(errors("2026-10-01,A,1,1,1.50\n2026-10-01,A,1,1,free\n"), ["3 amount-malformed"]);
    assert_eq!(errors("2026-10-01,A,1,1,1.50\n2026-10-01,A, B,1,1,1.50\n"), ["3 cell-count"]);
    let wrong = meta("2026-10-01,A,1,1,1.50\nTotal,,,1,9.99\n");
    let file = read_with(wrong.as_bytes(), &asked(None)).expect("file");
    assert!(!file.parts[0].body.totals()[0].agrees);
    let reddit = "Community,Amount Spent (USD),Impressions,Clicks,Conversions\nr/rust,\"$1,500.50\",10,1,1\n";
    assert_eq!(codes(read_with(reddit.as_bytes(), &asked(None))), ["column-missing"]);
    assert_eq!(codes(read_with(b"a,b\n1,2\n", &asked(None))), ["preset-unknown-file"]);
    assert_eq!(codes(read_with(b"", &asked(None))), ["file-empty"]);
}

mod any_input {
    use proptest::prelude::*;

    use super::*;
    use crate::imports::{decode::Sheet, numbers, workbook};

    /// Cells that files are made of, and what breaks readers.
    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("Day".to_owned()),
            Just("Campaign name".to_owned()),
            Just("Amount spent (EUR)".to_owned()),
            Just("Post ID".to_owned()),
            Just("Page ID".to_owned()),
            Just("Impressions".to_owned()),
            Just("2026-10-01".to_owned()),
            Just("December 31".to_owned()),
            Just("Total".to_owned()),
            Just("1.234".to_owned()),
            Just("-1.234,5 €".to_owned()),
            Just("99999999999999999999999999999".to_owned()),
            Just("\"".to_owned()),
            Just("9999-12-31".to_owned()),
            "[0-9]{1,4}[-/.][0-9]{1,4}[-/.][0-9]{1,4}",
            "\\PC{0,12}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_text_panics(rows in prop::collection::vec(prop::collection::vec(cell(), 0..8), 0..12), delimiter in "[,;\t]", spread: bool) {
            let text = rows.iter().map(|r| r.join(&delimiter)).collect::<Vec<_>>().join("\n");
            let asked = Asked { spread, ..asked(Some("EUR")) };
            let _read = read_with(text.as_bytes(), &asked);
            let _sheet = Sheet::read(text.as_bytes()).map(|s| s.row_count());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), mark in 0..5_usize) {
            let marks: [&[u8]; 5] = [b"", b"\xff\xfe", b"\xef\xbb\xbf", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"];
            let bytes = [marks[mark], &bytes].concat();
            let _read = read_with(&bytes, &asked(Some("EUR")));
        }

        #[test]
        fn no_damaged_workbook_panics(at in 0..5632_usize, with: u8, cut in 0..5632_usize) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exports/social/linkedin_page/acme_content_1791191700000.xls");
            let mut bytes = std::fs::read(path).expect("fixture");
            bytes[at] = with;
            let _whole = workbook::sheets(&bytes);
            bytes.truncate(cut);
            let _cut = workbook::sheets(&bytes);
        }

        #[test]
        fn no_number_panics(text in "[0-9.,'() -€$KM]{0,40}") {
            let _point = numbers::exact(&text, crate::imports::mapping::DecimalMark::Point);
            let _comma = numbers::exact(&text, crate::imports::mapping::DecimalMark::Comma);
            let mut style = numbers::Style::default();
            style.note(&text);
            style.note_count(&text);
            let _mark = style.mark();
        }
    }
}

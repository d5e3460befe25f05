//! Imports as a whole: mapping files against small files of every shape, and against the demo files.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::{RowError, Sheet};
use super::mapping::{ImportKind, ImportMapping};
use super::touches::ImportedTouch;
use super::{conversions, costs, touches};
use crate::domain::fault::Fault;
use crate::domain::intake::{EventInput, IntakeDefaults};
use crate::domain::stage::{Source, Stage};
use crate::domain::time::UtcMillis;
use crate::domain::touch::TouchKind;

macro_rules! demo {
    ($name:literal) => {
        include_bytes!(concat!("../../examples/demo/", $name))
    };
}

fn mapping(toml: &str) -> ImportMapping {
    ImportMapping::parse(toml).unwrap_or_else(|faults| panic!("{toml}: {faults:?}"))
}

fn builtin(kind: ImportKind) -> ImportMapping {
    ImportMapping::builtin(kind, Source::parse("test").expect("source"))
}

fn demo(bytes: &[u8]) -> ImportMapping {
    mapping(std::str::from_utf8(bytes).expect("utf8"))
}

/// The good rows with their lines, and the bad ones as `line column code`.
fn split<T>(rows: impl Iterator<Item = Result<(u64, T), RowError>>) -> (Vec<(u64, T)>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(row) => good.push(row),
            Err(e) => bad.extend(e.faults.iter().map(|f| format!("{} {} {}", e.line, f.field, f.code))),
        }
    }
    (good, bad)
}

fn read_touches(csv: &[u8], mapping: &ImportMapping) -> (Vec<(u64, ImportedTouch)>, Vec<String>) {
    let sheet = Sheet::read(csv).expect("sheet");
    split(touches::rows(&sheet, mapping).unwrap_or_else(|faults| panic!("{faults:?}")))
}

fn read_events(csv: &str, mapping: &ImportMapping) -> (Vec<(u64, EventInput)>, Vec<String>) {
    let sheet = Sheet::read(csv.as_bytes()).expect("sheet");
    split(conversions::rows(&sheet, mapping).unwrap_or_else(|faults| panic!("{faults:?}")))
}

/// Line, days and amount of each cost.
fn read_costs(csv: &str, mapping: &ImportMapping) -> (Vec<(u64, String, i64)>, Vec<String>) {
    let sheet = Sheet::read(csv.as_bytes()).expect("sheet");
    let (good, bad) = split(costs::rows(&sheet, mapping).unwrap_or_else(|faults| panic!("{faults:?}")));
    (good.into_iter().map(|(line, c)| (line, format!("{} {}", c.days.from, c.days.to), c.amount.minor)).collect(), bad)
}

fn refused<T>(result: Result<T, Vec<Fault>>) -> Vec<String> {
    result.err().expect("refused").into_iter().map(|f| format!("{} {}", f.field, f.code)).collect()
}

#[test]
fn the_demo_touches_are_all_read() {
    let (good, bad) = read_touches(demo!("social_touches.csv"), &demo(demo!("touches.toml")));
    assert_eq!((good.len(), bad), (11_309, vec![]));
    assert_eq!(good.iter().map(|(_, t)| &t.external_id).collect::<BTreeSet<_>>().len(), 11_309);
    assert_eq!((good[0].0, good[11_308].0), (2, 11_310));
    let (_, first) = &good[0];
    assert_eq!(
        (first.external_id.as_str(), first.channel.as_deref(), first.link.as_deref()),
        ("T000001", Some("x"), Some("demo-x"))
    );
    assert_eq!(first.person.as_ref().expect("person").to_string(), "contact=crm:P00000");
    assert_eq!(first.occurred_at, UtcMillis::parse("2025-04-12T13:41:42Z").expect("time"));
    for (line, touch) in &good {
        let is_direct = touch.channel.as_deref() == Some("direct");
        assert_eq!(touch.kind, if is_direct { TouchKind::Landing } else { TouchKind::Click }, "line {line}");
        assert_eq!(touch.link.is_none(), is_direct, "line {line}");
    }
    assert_eq!(good.iter().filter(|(_, t)| t.kind == TouchKind::Landing).count(), 1_822);
}

#[test]
fn the_demo_crm_has_its_stages_and_its_revenue() {
    let csv = std::str::from_utf8(demo!("social_crm.csv")).expect("utf8");
    let (good, bad) = read_events(csv, &demo(demo!("crm.toml")));
    assert_eq!(bad, Vec::<String>::new());
    let mut per_stage: BTreeMap<Stage, (usize, i64)> = BTreeMap::new();
    let defaults = IntakeDefaults { currency: None, namespace: "none".into(), zone: None };
    let now = UtcMillis::parse("2026-01-01T00:00:00Z").expect("now");
    for (line, input) in &good {
        let draft =
            input.check(&defaults, now, &str::to_owned).unwrap_or_else(|faults| panic!("line {line}: {faults:?}"));
        let sum = per_stage.entry(draft.stage).or_default();
        *sum = (sum.0 + 1, sum.1 + draft.value.map_or(0, |m| m.minor));
        assert_eq!(draft.keys.len(), 1);
    }
    assert_eq!(
        per_stage,
        BTreeMap::from([(Stage::Lead, (575, 0)), (Stage::Opportunity, (337, 0)), (Stage::Customer, (132, 74_858_367))])
    );
    assert_eq!(good.iter().map(|(_, e)| &e.event_id).collect::<BTreeSet<_>>().len(), 575 + 337 + 132);
    let (line, first) = &good[0];
    assert_eq!((*line, first.event_id.as_str(), first.person.as_deref()), (3, "P00001:lead", Some("crm:P00001")));
    assert_eq!((first.occurred_at.as_str(), &first.currency), ("2025-05-02T22:08:08.000Z", &None));
}

#[test]
fn the_demo_spend_sums_to_its_column() {
    let csv = std::str::from_utf8(demo!("social_spend.csv")).expect("utf8");
    let column: i64 =
        csv.lines().skip(1).map(|line| line.rsplit(',').next().expect("cell").parse::<i64>().expect(line)).sum();
    let (good, bad) = read_costs(csv, &demo(demo!("spend.toml")));
    assert_eq!((good.len(), bad), (77, vec![]));
    assert_eq!(good.iter().map(|(_, _, minor)| minor).sum::<i64>(), column);
    assert_eq!(column, 10_041_117);
    assert_eq!(good[0], (2, "2025-01-01 2025-01-31".to_owned(), 501_362));
    assert!(good.iter().any(|(_, _, minor)| *minor == 0));
    let sheet = Sheet::read(csv.as_bytes()).expect("sheet");
    let unread = demo(demo!("spend.toml")).unread_columns(&sheet);
    assert!(unread.is_empty(), "{unread:?}");
}

#[test]
fn files_named_as_our_fields_need_no_mapping() {
    let csv = "external_id;occurred_at;channel;note\r\n1;2025-01-01T00:00:00Z;x;\"two\r\nlines\"\r\n2;2025-01-02;x;\r\n3;2025-01-03T00:00:00Z;;\r\n4;2025-01-04T00:00:00Z;y;\r\n";
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(csv.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for bytes in [csv.as_bytes().to_vec(), [b"\xef\xbb\xbf", csv.as_bytes()].concat(), utf16] {
        let (good, bad) = read_touches(&bytes, &builtin(ImportKind::Touches));
        assert_eq!(
            good.iter().map(|(line, t)| (*line, t.external_id.as_str())).collect::<Vec<_>>(),
            [(2, "1"), (6, "4")]
        );
        assert_eq!(bad, ["4 occurred_at time-malformed", "5 channel channel-missing"]);
    }
    let events = "event_id,stage,occurred_at,email,person,subject,value,value_minor,currency,self_reported\n\
        e1,Lead,2025-01-01T00:00:00+01:00,a@b.co,hubspot:5,deal:7,480.00,,eur,a friend\ne2,customer,2025-01-01T00:00:00Z,,null,,,48000,EUR,\n";
    let (good, bad) = read_events(events, &builtin(ImportKind::Conversions));
    assert_eq!(bad, Vec::<String>::new());
    let expected = EventInput {
        event_id: "e1".into(),
        stage: "lead".into(),
        occurred_at: "2024-12-31T23:00:00.000Z".into(),
        email: Some("a@b.co".into()),
        person: Some("hubspot:5".into()),
        subject: Some("deal:7".into()),
        value: Some("480.00".into()),
        currency: Some("EUR".into()),
        self_reported: Some("a friend".into()),
        ..EventInput::default()
    };
    assert_eq!(good[0], (2, expected));
    assert_eq!((good[1].1.value_minor, &good[1].1.person), (Some(48_000), &None));
    let (good, bad) = read_costs(
        "from,to,amount,currency\n2025-01-01,2025-01-31,-0.50,EUR\n2025-02-01,2025-01-31,1,EUR\n",
        &builtin(ImportKind::Costs),
    );
    assert_eq!(
        (good, bad),
        (vec![(2, "2025-01-01 2025-01-31".to_owned(), -50)], vec!["3 from range-reversed".to_owned()])
    );
}

#[test]
fn a_missing_column_is_told_with_what_there_is() {
    let sheet = Sheet::read(b"touch-id,Ts,channel\n").expect("sheet");
    let faults = touches::rows(&sheet, &demo(demo!("touches.toml"))).err().expect("faults");
    assert_eq!(faults.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), ["touch_id", "ts", "person_id"]);
    assert!(faults.iter().all(|f| f.code == "column-missing"));
    assert_eq!(
        faults[0].detail,
        "the file has no column `touch_id`; it has `touch-id`, `Ts`, `channel`; did you mean `touch-id`?"
    );
    assert!(faults[2].detail.ends_with("mend the mapping or the file"), "{}", faults[2]);
    assert_eq!(
        refused(touches::rows(&sheet, &builtin(ImportKind::Touches))),
        ["external_id column-missing", "occurred_at column-missing"]
    );
    assert_eq!(
        refused(costs::rows(&sheet, &builtin(ImportKind::Costs))),
        ["day column-missing", "amount column-missing", "currency currency-missing"]
    );
    assert_eq!(
        refused(costs::rows(&sheet, &demo(demo!("spend.toml")))),
        ["month column-missing", "spend_minor column-missing"]
    );
    assert_eq!(refused(costs::rows(&sheet, &demo(demo!("touches.toml")))).first().expect("kind"), "kind mapping-kind");
    let crm = Sheet::read(b"person_id,lead_ts,opp_ts,revenue_minor\n").expect("sheet");
    assert_eq!(refused(conversions::rows(&crm, &demo(demo!("crm.toml")))), ["won_ts column-missing"]);
    let both = Sheet::read(b"day,month,from,amount,amount_minor,currency\n").expect("sheet");
    assert_eq!(refused(costs::rows(&both, &builtin(ImportKind::Costs))), ["day days-twice", "amount value-twice"]);
    let half = Sheet::read(b"from,amount,currency\n").expect("sheet");
    assert_eq!(refused(costs::rows(&half, &builtin(ImportKind::Costs))), ["to column-missing"]);
}

#[test]
fn bad_cells_are_faults_of_their_line_and_column() {
    let long_form = mapping(
        "kind='conversions'\nsource='crm'\ncurrency='EUR'\nperson_namespace='crm'\n[columns]\nperson='Who'\n\
        stage={column='Stage',map={Won='customer',Open='opportunity'}}\noccurred_at='When'\nevent_id={template='{Who}:{Stage}'}\nvalue='Sum'",
    );
    let (good, bad) = read_events(
        "Who,Stage,When,Sum\n1,won,2025-01-01T00:00:00Z,5.00\n2,Lost,2025-01-01T00:00:00Z,\n\
        3,Open,2025-01-01 00:00:00,1.234\n,Open,2025-01-01T00:00:00Z,\n5,ana@example.com,ana@example.com,\"1,5\"\n6,OPEN,2025-01-01T00:00:00Z,\n",
        &long_form,
    );
    assert_eq!(
        good.iter().map(|(line, e)| (*line, e.event_id.as_str(), e.stage.as_str())).collect::<Vec<_>>(),
        [(2, "1:won", "customer"), (7, "6:OPEN", "opportunity")]
    );
    assert_eq!(
        bad,
        [
            "3 Stage value-unmapped",
            "4 When time-malformed",
            "4 Sum amount-too-precise",
            "5 event_id missing",
            "6 Stage value-unmapped",
            "6 When time-malformed",
            "6 Sum amount-malformed",
        ]
    );
    let (_, bad) = read_events(
        "event_id,stage,occurred_at,person,value,currency,value_minor\ne,winner,2025-01-01T00:00:00Z,51,1,ABC,\n\
        e,lead,2025-01-01T00:00:00Z,a:1,,,4.5\n",
        &builtin(ImportKind::Conversions),
    );
    assert_eq!(
        bad,
        [
            "2 stage stage-unknown",
            "2 currency currency-unknown",
            "2 person namespace-missing",
            "3 value_minor amount-malformed"
        ]
    );
    let spend = mapping(
        "kind='costs'\nsource='ads'\n[columns]\nday='D'\namount='A'\ncurrency={column='C',default='EUR'}\nkind='K'",
    );
    let (good, bad) = read_costs(
        "D,A,C,K\n2025-01-31,1.50,,\n2025-02-30,1,EUR,\n2025-01-31,,EUR,\n2025-01-31,1.5,JPY,\n2025-01-31,1,EUR,rent\n\
        Total,1,EUR,\n",
        &spend,
    );
    assert_eq!(good, [(2, "2025-01-31 2025-01-31".to_owned(), 150)]);
    assert_eq!(
        bad,
        ["3 D day-malformed", "4 A missing", "5 A amount-too-precise", "6 K cost-kind-unknown", "7 D day-malformed"]
    );
}

#[test]
fn ids_are_bounded_and_plain() {
    let long = "x".repeat(201);
    let csv = format!(
        "external_id,occurred_at,channel,person\n{long},2025-01-01T00:00:00Z,x,\n\"a\nb\",2025-01-01T00:00:00Z,x,\n\
        c,2025-01-01T00:00:00Z,x,crm:{long}\nd,2025-01-01T00:00:00Z,x,51\ne,2025-01-01T00:00:00Z,x,crm:null\n"
    );
    let (good, bad) = read_touches(csv.as_bytes(), &builtin(ImportKind::Touches));
    assert_eq!(good.iter().map(|(line, t)| (*line, &t.person)).collect::<Vec<_>>(), [(7, &None)]);
    assert_eq!(
        bad,
        [
            "2 external_id id-too-long",
            "3 external_id text-control",
            "5 person id-too-long",
            "6 person namespace-missing"
        ]
    );
}

#[test]
fn faults_hold_no_address() {
    let columns = "external_id='a'\noccurred_at='a'\nkind='a'\nchannel={column='a',map={x='x'}}\nperson='a'";
    let all = mapping(&format!("kind='touches'\nsource='s'\n[columns]\n{columns}"));
    let address = "ana.lopez@example.com";
    let sheet_text = format!("a\n{address}\n");
    let sheet = Sheet::read(sheet_text.as_bytes()).expect("sheet");
    let error = touches::rows(&sheet, &all).expect("rows").next().expect("row").expect_err("faults");
    assert_eq!(error.faults.len(), 4);
    assert!(!error.to_string().contains("ana"), "{error}");
    let all = mapping("kind='costs'\nsource='s'\ndecimal=','\n[columns]\nday='a'\namount='a'\ncurrency='a'\nkind='a'");
    let error = costs::rows(&sheet, &all).expect("rows").next().expect("row").expect_err("faults");
    assert!(error.faults.len() == 3 && !error.to_string().contains("ana"), "{error}");
}

#[test]
fn amounts_follow_the_stated_decimal_mark() {
    let outcome = |mark: &str, amount: &str| {
        let mapping =
            mapping(&format!("kind='costs'\nsource='s'\ncurrency='EUR'\n{mark}\n[columns]\nday='d'\namount='a'"));
        let (good, bad) = read_costs(&format!("d;a\n2025-01-01;{amount}\n"), &mapping);
        good.first().map(|(_, _, minor)| *minor).ok_or_else(|| bad.join(" "))
    };
    for (amount, minor) in [
        ("1.234,50", 123_450),
        ("1.234", 123_400),
        ("-1.234.567,8", -123_456_780),
        ("12,5", 1_250),
        ("1\u{202f}234,50", 123_450),
        ("1 234", 123_400),
        ("\u{2212}3", -300),
        ("+3", 300),
        ("0,00", 0),
    ] {
        assert_eq!(outcome("decimal=','", amount), Ok(minor), "{amount}");
    }
    assert_eq!(outcome("decimal='.'", "1,234.50"), Ok(123_450));
    for (mark, amount) in [
        ("decimal=','", "1.5"),
        ("decimal=','", "1.23,4"),
        ("decimal=','", "1234.567,00"),
        ("decimal=','", "1.234 567"),
        ("decimal=','", ",5"),
        ("decimal=','", "5,"),
        ("decimal=','", "1.234,5,0"),
        ("decimal=','", "12 EUR"),
        ("decimal='.'", "1.234,50"),
        ("decimal='.'", "--1"),
        ("", "1,234.50"),
        ("", "12,5"),
        ("", "1e3"),
    ] {
        assert_eq!(outcome(mark, amount), Err("2 a amount-malformed".to_owned()), "{mark} {amount}");
    }
    assert_eq!(outcome("decimal=','", "1,234"), Err("2 a amount-too-precise".to_owned()));
}

#[test]
fn the_wide_form_gives_an_event_per_date() {
    let wide = mapping(
        "kind='conversions'\nsource='crm'\nzone='Europe/Berlin'\ncurrency='EUR'\nsubject_namespace='deal'\n[columns]\nemail='Mail'\nvalue='Planned'\n\
        [[events]]\nstage='opportunity'\noccurred_at='Opened'\nevent_id='{Deal}:o'\nsubject='Deal'\n\
        [[events]]\nstage='customer'\noccurred_at='Won'\nevent_id='{Deal}:w'\nsubject='Deal'\nvalue_minor='Cents'\n",
    );
    let (good, bad) = read_events(
        "Mail,Deal,Opened,Won,Planned,Cents\na@b.co,7,2025-07-01 10:00:00,2025-08-01T10:00:00Z,9.50,1000\n\
        a@b.co,8,,,9.50,1000\na@b.co,9,2025-07-01 10:00:00,soon,,\n",
        &wide,
    );
    let told: Vec<_> = good
        .iter()
        .map(|(line, e)| (*line, e.event_id.as_str(), e.occurred_at.as_str(), e.value.as_deref(), e.value_minor))
        .collect();
    assert_eq!(
        told,
        [
            (2, "7:o", "2025-07-01T08:00:00.000Z", Some("9.50"), None),
            (2, "7:w", "2025-08-01T10:00:00.000Z", None, Some(1_000)),
            (4, "9:o", "2025-07-01T08:00:00.000Z", None, None),
        ]
    );
    assert_eq!(good[0].1.subject.as_deref(), Some("deal:7"));
    assert_eq!(bad, ["4 Won time-malformed"]);
}

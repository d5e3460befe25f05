//! Databases are made here, by a writer of the MMDB format's smallest part: a binary tree of IPv4 prefixes, 24-bit
//! records, and maps of texts (<https://maxmind.github.io/MaxMind-DB/>).

use super::*;

/// A value of the format, as far as it is needed here.
pub(in crate::tracking::classify) enum Value {
    Text(&'static str),
    Map(Vec<(&'static str, Value)>),
    Short(u16),
    Number(u32),
    Long(u64),
    NoList,
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            out.push(2 << 5 | u8::try_from(text.len()).ok().filter(|n| *n < 29).expect("a short text"));
            out.extend_from_slice(text.as_bytes());
        }
        Value::Number(number) => {
            out.push(6 << 5 | 4);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Short(number) => {
            out.push(5 << 5 | 2);
            out.extend_from_slice(&number.to_be_bytes());
        }
        // Types past 7 stand in a byte of their own, less 7.
        Value::Long(number) => {
            out.extend_from_slice(&[8, 2]);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::NoList => out.extend_from_slice(&[0, 4]),
        Value::Map(entries) => {
            out.push(7 << 5 | u8::try_from(entries.len()).expect("a small map"));
            for (key, value) in entries {
                encode(&Value::Text(key), out);
                encode(value, out);
            }
        }
    }
}

/// The bytes of a database of networks (address, prefix length) and their values.
pub(in crate::tracking::classify) fn database(kind: &'static str, networks: &[([u8; 4], u32, Value)]) -> Vec<u8> {
    // A node's two sides: nothing, another node, or a place in the data.
    #[derive(Clone, Copy)]
    enum Side {
        Nothing,
        Node(usize),
        Data(usize),
    }
    let mut nodes = vec![[Side::Nothing; 2]];
    let mut data = Vec::new();
    for (address, prefix, value) in networks {
        let bits = u32::from_be_bytes(*address);
        let mut at = 0;
        for depth in 0..*prefix {
            let side = usize::from(bits >> (31 - depth) & 1 == 1);
            if depth + 1 == *prefix {
                nodes[at][side] = Side::Data(data.len());
            } else if let Side::Node(next) = nodes[at][side] {
                at = next;
            } else {
                nodes.push([Side::Nothing; 2]);
                nodes[at][side] = Side::Node(nodes.len() - 1);
                at = nodes.len() - 1;
            }
        }
        encode(value, &mut data);
    }
    let mut bytes = Vec::new();
    for side in nodes.iter().flatten() {
        let record = match side {
            Side::Nothing => nodes.len(),
            Side::Node(node) => *node,
            Side::Data(place) => nodes.len() + 16 + place,
        };
        bytes.extend_from_slice(&u32::try_from(record).expect("small").to_be_bytes()[1..]);
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let node_count = u32::try_from(nodes.len()).expect("small");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1)),
        ("database_type", Value::Text(kind)),
        ("description", Value::Map(vec![])),
        ("ip_version", Value::Short(4)),
        ("languages", Value::NoList),
        ("node_count", Value::Number(node_count)),
        ("record_size", Value::Short(24)),
    ]);
    encode(&metadata, &mut bytes);
    bytes
}

/// A record as `GeoLite2` has it.
pub(in crate::tracking::classify) fn geolite(code: &'static str) -> Value {
    Value::Map(vec![("country", Value::Map(vec![("iso_code", Value::Text(code))]))])
}

fn code(countries: &Countries, address: &str) -> Option<String> {
    countries.find(address.parse().expect("address")).map(|c| c.to_string())
}

#[test]
fn countries_are_found_in_each_makers_form() {
    let forms: [fn(&'static str) -> Value; 3] = [
        geolite,
        |code| Value::Map(vec![("country_code", Value::Text(code))]),
        |code| Value::Map(vec![("country", Value::Text(code))]),
    ];
    for form in forms {
        let networks = [([192, 0, 2, 0], 24, form("DE")), ([198, 51, 100, 0], 25, form("FR"))];
        let countries = Countries::read(database("Country", &networks)).expect("database");
        for (address, expected) in [
            ("192.0.2.9", Some("DE")),
            ("::ffff:192.0.2.9", Some("DE")),
            ("198.51.100.127", Some("FR")),
            ("198.51.100.128", None),
            ("2001:db8::1", None),
        ] {
            assert_eq!(code(&countries, address).as_deref(), expected, "{address}");
        }
    }
}

#[test]
fn a_record_without_a_country_has_none() {
    let networks = [([192, 0, 2, 0], 24, Value::Map(vec![])), ([198, 51, 100, 0], 24, geolite("FR"))];
    let countries = Countries::read(database("Country", &networks)).expect("database");
    assert_eq!(code(&countries, "192.0.2.1"), None);
}

#[test]
fn a_file_that_is_none_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("countries.mmdb");
    let fault = || Countries::open(&path).expect_err("no database");
    assert!(fault().detail.contains("cannot read") && fault().detail.contains("countries.mmdb"), "{}", fault());
    std::fs::write(&path, b"not one").expect("write");
    assert!(fault().detail.contains("countries.mmdb is no MMDB"), "{}", fault());
    let asn = Value::Map(vec![("autonomous_system_number", Value::Number(64_496))]);
    std::fs::write(&path, database("GeoLite2-ASN", &[([192, 0, 2, 0], 24, asn)])).expect("write");
    assert!(fault().detail.contains("has no countries (its type is GeoLite2-ASN)"), "{}", fault());
    assert_eq!(fault().field, "classification.country_database");
}

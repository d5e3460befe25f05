use super::*;

fn parse(entries: &[&str]) -> Result<Ranges, Fault> {
    Ranges::parse(entries.iter().enumerate().map(|(i, entry)| (format!("ranges[{i}]"), *entry)))
}

fn find(ranges: &Ranges, address: &str) -> Option<(Option<TouchClass>, String)> {
    let place = ranges.find(number_of(address.parse().expect("address")))?;
    Some((place.class.as_ref().map(|(class, _)| *class), place.labels.to_string()))
}

#[test]
fn the_longest_prefix_decides_and_all_labels_are_kept() {
    let ranges = parse(&[
        "192.0.2.0/24 scanner mimecast",
        "192.0.2.64/26 human office",
        "192.0.2.100 - printer",
        "192.0.0.0/16 - datacentre-x",
        "2001:db8::/32 - datacentre-x",
        "2001:db8:0:1::/64 bot lab",
        "0.0.0.0/0 - v4",
    ])
    .expect("ranges");
    let (human, scanner, bot) = (Some(TouchClass::Human), Some(TouchClass::Scanner), Some(TouchClass::Bot));
    for (address, class, labels) in [
        ("192.0.2.0", scanner, "mimecast,datacentre-x,v4"),
        ("192.0.2.63", scanner, "mimecast,datacentre-x,v4"),
        ("192.0.2.64", human, "office,mimecast,datacentre-x,v4"),
        ("192.0.2.100", human, "printer,office,mimecast,datacentre-x,v4"),
        ("::ffff:192.0.2.100", human, "printer,office,mimecast,datacentre-x,v4"),
        ("192.0.2.101", human, "office,mimecast,datacentre-x,v4"),
        ("192.0.2.128", scanner, "mimecast,datacentre-x,v4"),
        ("192.0.3.0", None, "datacentre-x,v4"),
        ("255.255.255.255", None, "v4"),
        ("2001:db8::1", None, "datacentre-x"),
        ("2001:db8:0:1:ffff::1", bot, "lab,datacentre-x"),
        ("2001:db8:0:2::", None, "datacentre-x"),
    ] {
        assert_eq!(find(&ranges, address), Some((class, labels.to_owned())), "{address}");
    }
    assert_eq!(find(&ranges, "2001:db9::"), None);
    assert_eq!(find(&ranges, "::"), None);
    let stored = |labels| ranges.by_labels(labels).map(|(class, label)| (class, label.to_owned()));
    assert_eq!(stored("printer,office,mimecast"), Some((TouchClass::Human, "office".to_owned())));
    assert_eq!(stored("printer,of-old"), None);
}

#[test]
fn the_ends_of_the_address_space_are_ranges_too() {
    let ranges = parse(&["::/0 bot all", "ffff::/16 human end", "255.255.255.255 scanner last"]).expect("ranges");
    assert_eq!(find(&ranges, "::"), Some((Some(TouchClass::Bot), "all".to_owned())));
    assert_eq!(find(&ranges, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").map(|(_, l)| l).as_deref(), Some("end,all"));
    assert_eq!(find(&ranges, "255.255.255.255").map(|(_, l)| l).as_deref(), Some("last,all"));
    assert_eq!(find(&ranges, "::1:0:0:0").map(|(_, l)| l).as_deref(), Some("all"));
}

#[test]
fn a_wrong_entry_is_named_with_its_fault_and_its_remedy() {
    for (entry, why) in [
        ("192.0.2.0/24 scanner", "has 2 words, not three; write a network"),
        ("192.0.2.0/24 scanner a b", "has 4 words"),
        ("192.0.2.0/33 scanner x", "`33` is no prefix length from 0 to 32"),
        ("2001:db8::/129 scanner x", "from 0 to 128"),
        ("192.0.2/24 scanner x", "`192.0.2` is no IP address"),
        ("192.0.2.5/24 scanner x", "is inside its network; write 192.0.2.0/24"),
        ("2001:db8::1/32 scanner x", "write 2001:db8::/32"),
        ("192.0.2.0/24 repeat x", "`repeat` is no class for it"),
        ("192.0.2.0/24 scanner a,b", "the label `a,b` may have letters"),
        ("198.51.100.0/24 bot office", "stands for human elsewhere and for bot here"),
        ("203.0.113.0/24 bot other", "this network is human already, by the label office"),
    ] {
        let fault = parse(&["203.0.113.0/24 human office", entry]).expect_err(entry);
        assert_eq!(fault.field, "ranges[1]", "{entry}");
        assert!(fault.detail.contains(why), "{entry}: {}", fault.detail);
    }
}

#[test]
fn a_file_has_one_entry_a_line_and_comments() {
    let text = "# gateways\n\n192.0.2.0/24 scanner a # by hand\n  198.51.100.1 - b\r\n";
    let lines: Vec<_> = lines_of(text).collect();
    assert_eq!(lines, [(3, "192.0.2.0/24 scanner a"), (4, "198.51.100.1 - b")]);
}

proptest::proptest! {
    /// Against the plain definition: every range asked in turn.
    #[test]
    fn intervals_say_what_the_ranges_say(
        raw in proptest::collection::vec((0u8..=8, 0u8..=255, 0usize..4), 0..24),
        asked in proptest::collection::vec(0u8..=255, 32),
    ) {
        let names = ["- l0", "bot l1", "human l2", "scanner l3"];
        let mut seen = std::collections::BTreeSet::new();
        let mut list: Vec<(u8, u8, usize)> = Vec::new();
        for (length, byte, label) in raw {
            let byte = u8::try_from(u16::from(byte) >> (8 - length) << (8 - length)).unwrap();
            if seen.insert((length, byte)) {
                list.push((length, byte, label));
            }
        }
        let entries: Vec<String> =
            list.iter().map(|(length, byte, label)| format!("192.0.2.{byte}/{} {}", 24 + length, names[*label])).collect();
        let ranges = parse(&entries.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        for last in asked {
            let mut hits: Vec<_> = list.iter().filter(|(length, byte, _)| {
                u16::from(last) >> (8 - length) == u16::from(*byte) >> (8 - length)
            }).collect();
            hits.sort_by_key(|(length, ..)| std::cmp::Reverse(*length));
            let mut labels: Vec<String> = Vec::new();
            for (_, _, label) in &hits {
                let name = format!("l{label}");
                if !labels.contains(&name) { labels.push(name); }
            }
            let class = hits.iter().find_map(|(_, _, label)| {
                [None, Some(TouchClass::Bot), Some(TouchClass::Human), Some(TouchClass::Scanner)][*label]
            });
            let expected = (!hits.is_empty()).then(|| (class, labels.join(",")));
            proptest::prop_assert_eq!(find(&ranges, &format!("192.0.2.{last}")), expected);
        }
    }
}

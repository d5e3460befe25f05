use super::*;
use crate::domain::client::Device;
use crate::tracking::classify::device;

/// Examples of the maintained list that are people's browsers.
const PEOPLE_IN_THE_LIST: &[(&str, &str)] =
    &[("MetaIAB Facebook", "the in-app browser of Facebook"), ("Fluid", "a wrapper around Safari for one web site")];

#[test]
fn every_example_of_the_list_is_found_and_only_people_are_not() {
    let (mut found, mut missed) = (0, Vec::new());
    for (pattern, example) in crawlers::tests::instances() {
        match program(example) {
            Some(verdict) => {
                assert!(
                    matches!(verdict.class, TouchClass::Bot | TouchClass::Preview | TouchClass::Scanner),
                    "{example}"
                );
                found += 1;
            }
            None => missed.push((pattern, example)),
        }
    }
    assert!(found > 2_000, "only {found} examples");
    let patterns: Vec<&str> = missed.iter().map(|(pattern, _)| *pattern).collect();
    assert_eq!(patterns, PEOPLE_IN_THE_LIST.iter().map(|(pattern, _)| *pattern).collect::<Vec<_>>(), "{missed:?}");
}

#[test]
fn every_example_is_found_by_the_list_itself_too() {
    let list = crawlers::Crawlers::build().expect("list");
    let corrected =
        |pattern| crawlers::CORRECTIONS.iter().any(|(wrong, right, _)| *wrong == pattern && right.is_empty());
    for (pattern, example) in crawlers::tests::instances().filter(|(pattern, _)| !corrected(*pattern)) {
        assert!(list.find(example).is_some(), "{pattern} misses its example {example}");
    }
}

#[test]
fn a_regular_expression_becomes_a_text_only_if_it_is_one() {
    let text = |pattern: &str| Needle::of_regex(pattern).map(|n| (n.text, n.at_start, n.at_end));
    assert_eq!(text("Googlebot\\/"), Some(("Googlebot/".to_owned(), false, false)));
    assert_eq!(text("^LCC "), Some(("LCC ".to_owned(), true, false)));
    assert_eq!(text("SSL Labs$"), Some(("SSL Labs".to_owned(), false, true)));
    assert_eq!(text("archive\\.org_bot"), Some(("archive.org_bot".to_owned(), false, false)));
    for real in ["[wW]get", "a|b", "x\\d", "a.b", "(a)", "a+", "^", "a\\"] {
        assert_eq!(text(real), None, "{real}");
    }
}

#[test]
fn needles_are_lower_case_and_reachable() {
    let all = [curated::PREVIEWS, curated::SCANNERS, curated::BOTS, curated::GENERIC, curated::IMAGE_PROXIES].concat();
    for (i, needle) in all.iter().enumerate() {
        assert_eq!(*needle, needle.to_ascii_lowercase(), "the list is written in lower case");
        assert!(needle.trim_start_matches('^').len() >= 3, "{needle} is too short to be safe");
        assert!(!all[..i].contains(needle), "{needle} stands twice");
    }
}

#[test]
fn the_first_needle_of_the_list_counts_wherever_it_stands() {
    let set = |list: &[&str]| {
        let needles: Vec<_> = list.iter().map(|text| Needle::plain(text)).collect();
        Needles::build(&needles, true).expect("needles")
    };
    let needles = set(&["later", "^start", "ear"]);
    for (text, expected) in [
        ("EAR and Later", Some(0)),
        ("start", Some(1)),
        ("a start", None),
        ("a start with an ear", Some(2)),
        ("", None),
    ] {
        assert_eq!(needles.first(text), expected, "{text}");
    }
}

#[test]
fn an_operators_list_comes_first_and_may_name_people() {
    let own = OwnAgents::parse(&["scanner ^AcmeCheck".into(), "human Kiosk/3 crawler".into()]).expect("entries");
    let rule = |ua: &str| own.find(ua).map(|v| (v.class, v.rule.to_string()));
    assert_eq!(rule("acmecheck 2"), Some((TouchClass::Scanner, "ua-own:AcmeCheck".into())));
    assert_eq!(rule("Mozilla/5.0 KIOSK/3 crawler"), Some((TouchClass::Human, "ua-own:Kiosk/3 crawler".into())));
    assert_eq!(rule("not AcmeCheck"), None);
    for (entry, why) in [
        ("AcmeCheck", "no class or no text"),
        ("repeat Acme", "`repeat` is no class"),
        ("bot ab", "too short"),
        ("", "no class"),
    ] {
        let fault = OwnAgents::parse(&["bot fine".into(), entry.into()]).expect_err(entry);
        assert_eq!(fault.field, "classification.agents[1]");
        assert!(fault.detail.contains(why) && fault.detail.contains("write a class"), "{}", fault.detail);
    }
}

#[test]
fn devices_are_told_by_what_browser_makers_promise() {
    for (expected, ua) in [
        (
            Device::Desktop,
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        ),
        (
            Device::Desktop,
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
        ),
        (Device::Desktop, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        (
            Device::Desktop,
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        ),
        (
            Device::Desktop,
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; WOW64; Trident/4.0; SLCC2; Tablet PC 2.0; InfoPath.3)",
        ),
        (
            Device::Phone,
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        ),
        (
            Device::Phone,
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
        ),
        (Device::Phone, "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0"),
        (Device::Phone, "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16"),
        (Device::Phone, "Mozilla/5.0 (Mobile; Nokia 6300 4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/3.0"),
        (
            Device::Phone,
            "Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; Trident/6.0; IEMobile/10.0; ARM; Touch; NOKIA; Lumia 920)",
        ),
        (
            Device::Tablet,
            "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBDV/iPad13,1]",
        ),
        (
            Device::Tablet,
            "Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        ),
        (Device::Tablet, "Mozilla/5.0 (Android 13; Tablet; rv:127.0) Gecko/127.0 Firefox/127.0"),
        (
            Device::Tablet,
            "Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/126.2.3 like Chrome/126.0.6478.71 Safari/537.36",
        ),
        (
            Device::Tv,
            "Mozilla/5.0 (Linux; Android 9; AFTKA) AppleWebKit/537.36 (KHTML, like Gecko) Silk/126.2.3 like Chrome/126.0.6478.71 Safari/537.36",
        ),
        (
            Device::Tv,
            "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36",
        ),
        (
            Device::Tv,
            "Mozilla/5.0 (PlayStation; PlayStation 5/8.20) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.4 Safari/605.1.15",
        ),
        (Device::Other, "Something else"),
    ] {
        assert_eq!(device::of(ua), expected, "{ua}");
    }
}

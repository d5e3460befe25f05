use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { burst_links: 5, burst_window_ms: 5_000, head_then_get_ms: 5_000, crowd_agents: 8 };

fn id(number: u128) -> TouchId {
    TouchId(uuid::Uuid::from_u128(number))
}

/// The click of a program that has a browser's name.
fn click(touch: u128, at: i64, link: i64) -> Sighting {
    Sighting {
        touch: id(touch),
        at: UtcMillis(at),
        address: 1,
        agent: 1,
        link: LinkId(link),
        is_head: false,
        is_navigation: false,
        is_known_browser: false,
    }
}

/// What every touch is in the end, once all revisions have been applied.
fn outcome(behaviour: &mut Behaviour, clicks: &[Sighting]) -> BTreeMap<TouchId, bool> {
    let mut classes = BTreeMap::new();
    for click in clicks {
        let finding = behaviour.judge(click);
        classes.insert(click.touch, finding.rule.is_some());
        classes.extend(finding.revised.into_iter().map(|(touch, _)| (touch, true)));
    }
    classes
}

fn scanned(limits: Limits, clicks: &[Sighting]) -> usize {
    outcome(&mut Behaviour::new(limits), clicks).values().filter(|is_scanner| **is_scanner).count()
}

#[test]
fn five_links_in_five_seconds_are_a_burst_from_the_first_to_the_last() {
    let mut behaviour = Behaviour::new(LIMITS);
    for i in 0..4 {
        assert_eq!(behaviour.judge(&click(i, 1_000 * i as i64, i as i64)), Finding::default(), "{i}");
    }
    let fifth = behaviour.judge(&click(4, 5_000, 4));
    let all = (0..4).map(|i| (id(i), "burst")).collect::<Vec<_>>();
    assert_eq!(fifth, Finding { rule: Some("burst"), revised: all });
    // The sixth belongs to it, and nobody is named twice.
    assert_eq!(behaviour.judge(&click(5, 5_001, 9)), Finding { rule: Some("burst"), revised: vec![] });
    assert_eq!(behaviour.judge(&click(6, 60_000, 9)), Finding::default(), "a minute later it is over");
}

#[test]
fn what_people_do_is_no_burst() {
    let five = |change: &dyn Fn(&mut Sighting, u128)| -> Vec<Sighting> {
        let with = |i: u128| {
            let mut one = click(i, i as i64, i as i64);
            change(&mut one, i);
            one
        };
        (0..5).map(with).collect()
    };
    assert_eq!(scanned(LIMITS, &five(&|_, _| {})), 5);
    assert_eq!(scanned(LIMITS, &five(&|c, _| c.link = LinkId(c.link.0 % 4))), 0, "four links");
    assert_eq!(scanned(LIMITS, &five(&|c, i| c.agent = i as u64 % 2)), 0, "two browsers of one office");
    assert_eq!(scanned(LIMITS, &five(&|c, i| c.address = i as u64 % 2)), 0, "two addresses");
    assert_eq!(scanned(LIMITS, &five(&|c, i| c.at = UtcMillis(1_251 * i as i64))), 0, "slower");
    assert_eq!(scanned(LIMITS, &five(&|c, i| c.is_known_browser = i == 2)), 0, "one of them has been here before");
    assert_eq!(scanned(Limits { burst_links: 0, ..LIMITS }, &five(&|_, _| {})), 0, "turned off");
    assert_eq!(scanned(Limits { burst_links: 4, ..LIMITS }, &five(&|c, _| c.link = LinkId(c.link.0 % 4))), 5);
}

#[test]
fn an_address_with_many_user_agents_is_a_crowd() {
    let mut clicks: Vec<Sighting> =
        (0..8).map(|i| Sighting { agent: 100 + i as u64, ..click(i, i as i64, 1) }).collect();
    clicks.extend((10..20).map(|i| click(i, i as i64, i as i64)));
    assert_eq!(scanned(LIMITS, &clicks), 0);
    assert_eq!(scanned(Limits { crowd_agents: 0, ..LIMITS }, &clicks), 10);
    // Two minutes after the others it is a crowd no more.
    let later =
        clicks.iter().map(|c| Sighting { at: UtcMillis(c.at.0 + if c.agent == 1 { 130_000 } else { 0 }), ..*c });
    assert_eq!(scanned(LIMITS, &later.collect::<Vec<_>>()), 10);
}

/// A dozen user agents behind one address, and others after two minutes; every second click is from the commonest.
#[test]
fn a_crowd_stays_one_while_its_rare_members_come_and_go() {
    let clicks: Vec<Sighting> = (0..960_u32)
        .map(|n| {
            let agent = if n % 2 == 0 { 999 } else { u64::from(n / 2 % 12 + n / 240 * 12) };
            Sighting { agent, ..click(u128::from(n), i64::from(n) * 500, i64::from(n)) }
        })
        .collect();
    let mut behaviour = Behaviour::new(LIMITS);
    // The first moments are told apart from nothing yet.
    let (first, later) = clicks.split_at(60);
    outcome(&mut behaviour, first);
    assert_eq!(outcome(&mut behaviour, later).values().filter(|is_scanner| **is_scanner).count(), 0);
}

#[test]
fn a_head_and_the_get_after_it_are_a_scanner() {
    let head = Sighting { is_head: true, ..click(1, 0, 7) };
    let mut behaviour = Behaviour::new(LIMITS);
    assert_eq!(behaviour.judge(&head), Finding::default());
    let both = Finding { rule: Some("head-then-get"), revised: vec![(id(1), "head-then-get")] };
    assert_eq!(behaviour.judge(&click(2, 5_000, 7)), both);
    // In the journal the GET may stand first.
    assert_eq!(scanned(LIMITS, &[click(2, 5_000, 7), head]), 2);
    for (get, why) in [
        (click(2, 5_001, 7), "too late"),
        (click(2, -1, 7), "the GET was first"),
        (click(2, 10, 8), "another link"),
        (Sighting { agent: 2, ..click(2, 10, 7) }, "another user agent"),
        (Sighting { is_navigation: true, ..click(2, 10, 7) }, "a person opens what a checker has checked"),
        (Sighting { is_known_browser: true, ..click(2, 10, 7) }, "a browser that has been here before"),
    ] {
        assert_eq!(scanned(LIMITS, &[head, get]), 0, "{why}");
        assert_eq!(scanned(LIMITS, &[get, head]), 0, "{why}");
    }
    assert_eq!(scanned(Limits { head_then_get_ms: 0, ..LIMITS }, &[head, click(2, 10, 7)]), 0, "turned off");
}

#[test]
fn a_clock_that_steps_empties_the_memory_and_breaks_nothing() {
    for step in [-86_400_000, -600_000, 600_000, 86_400_000] {
        let mut behaviour = Behaviour::new(LIMITS);
        let before: Vec<_> = (0..200).map(|i| click(i, i as i64 * 100, 1)).collect();
        outcome(&mut behaviour, &before);
        let after: Vec<_> = (1_000..1_005).map(|i| click(i, step + i as i64, i as i64)).collect();
        assert_eq!(outcome(&mut behaviour, &after).values().filter(|s| **s).count(), 5, "{step}");
        assert!(behaviour.arrivals.len() <= 5, "{step}: {} remembered", behaviour.arrivals.len());
    }
    // A small step back leaves the memory as it is, and new bursts are still seen.
    let mut behaviour = Behaviour::new(LIMITS);
    outcome(&mut behaviour, &(0..200).map(|i| click(i, i as i64 * 100, 1)).collect::<Vec<_>>());
    let after: Vec<_> = (1_000..1_005).map(|i| click(i, i as i64 - 60_000, i as i64)).collect();
    assert_eq!(outcome(&mut behaviour, &after).values().filter(|s| **s).count(), 5);
}

#[test]
fn memory_is_bounded() {
    let mut behaviour = Behaviour::new(LIMITS);
    for i in 0..200_000_u128 {
        let address = if i % 2 == 0 { 1 } else { i as u64 };
        behaviour.judge(&Sighting { address, ..click(i, 0, i as i64) });
    }
    let remembered: usize = behaviour.addresses.values().map(|a| a.seen.len()).sum();
    assert!(behaviour.arrivals.len() <= TOUCHES_MAX && remembered <= TOUCHES_MAX);
    assert!(behaviour.addresses[&1].seen.len() <= TOUCHES_PER_ADDRESS);
    behaviour.judge(&click(300_000, 200_000, 1));
    assert_eq!((behaviour.arrivals.len(), behaviour.addresses.len()), (1, 1), "and empties with time");
}

/// Clicks of a few sources on a few links within half a minute.
fn traffic() -> impl Strategy<Value = Vec<Sighting>> {
    let one =
        (0i64..30_000, 0u64..2, 0u64..2, 0i64..9, any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    prop::collection::vec(one, 1..50).prop_map(|raw| {
        let with = |(i, (at, address, agent, link, is_navigation, is_head, is_known_browser))| Sighting {
            address,
            agent,
            is_head,
            is_navigation,
            is_known_browser,
            ..click(i as u128, at, link)
        };
        raw.into_iter().enumerate().map(with).collect()
    })
}

/// The definition, without memory or order.
fn by_definition(clicks: &[Sighting]) -> BTreeMap<TouchId, bool> {
    let same = |a: &Sighting, b: &Sighting| (a.address, a.agent) == (b.address, b.agent);
    let is_get = |c: &Sighting| !c.is_head && !c.is_navigation && !c.is_known_browser;
    let pairs = |head: &Sighting, get: &Sighting| {
        let after = get.at.0 - head.at.0;
        same(head, get)
            && head.link == get.link
            && head.is_head
            && !head.is_known_browser
            && is_get(get)
            && (0..=5_000).contains(&after)
    };
    let in_burst = |click: &Sighting| {
        clicks.iter().any(|start| {
            let window: Vec<_> = clicks
                .iter()
                .filter(|c| {
                    same(c, click) && !c.is_known_browser && (start.at.0..=start.at.0 + 5_000).contains(&c.at.0)
                })
                .collect();
            let links: std::collections::BTreeSet<_> = window.iter().map(|c| c.link).collect();
            links.len() >= 5 && window.iter().any(|c| c.touch == click.touch)
        })
    };
    let is_scanner = |c: &Sighting| {
        !c.is_known_browser && (in_burst(c) || clicks.iter().any(|other| pairs(c, other) || pairs(other, c)))
    };
    clicks.iter().map(|c| (c.touch, is_scanner(c))).collect()
}

/// Crowds depend on who came first, so they are left out.
const NO_CROWDS: Limits = Limits { crowd_agents: 0, ..LIMITS };

proptest! {
    #[test]
    fn any_order_comes_to_the_definition((clicks, shuffled) in traffic().prop_flat_map(|clicks| {
        (Just(clicks.clone()), Just(clicks).prop_shuffle())
    })) {
        let expected = by_definition(&clicks);
        prop_assert_eq!(&outcome(&mut Behaviour::new(NO_CROWDS), &clicks), &expected);
        prop_assert_eq!(&outcome(&mut Behaviour::new(NO_CROWDS), &shuffled), &expected);
    }

    /// A batch that is refused comes again, whole and then in halves.
    #[test]
    fn asked_again_it_answers_the_same(clicks in traffic(), from in 0usize..50, more in traffic()) {
        let mut behaviour = Behaviour::new(LIMITS);
        let first: Vec<Finding> = clicks.iter().map(|c| behaviour.judge(c)).collect();
        let from = from.min(clicks.len());
        let again: Vec<Finding> = clicks[from..].iter().map(|c| behaviour.judge(c)).collect();
        prop_assert_eq!(&again, &first[from..]);
        // What comes later does not change the answers of before.
        for (i, c) in more.iter().enumerate() {
            behaviour.judge(&Sighting { touch: id(1_000 + i as u128), agent: 5, ..*c });
        }
        if clicks.len() + more.len() < TOUCHES_PER_ADDRESS {
            let last: Vec<Finding> = clicks.iter().map(|c| behaviour.judge(c)).collect();
            prop_assert_eq!(last, first);
        }
    }
}

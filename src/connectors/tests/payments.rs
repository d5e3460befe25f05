//! The traps of payments: one payment told twice, cumulative refunds, currencies, orders that are not paid.

use super::*;
use crate::domain::intake::IntakeDefaults;
use crate::domain::stage::StageEventDraft;

fn draft(input: &EventInput) -> StageEventDraft {
    let defaults = IntakeDefaults { currency: None, namespace: "crm".into(), zone: None };
    input.check(&defaults, NOW, &str::to_owned).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn minor(input: &EventInput) -> (i64, String) {
    let money = draft(input).value.expect("money");
    (money.minor, money.currency.code().to_owned())
}

fn fixture(path: &str) -> String {
    String::from_utf8(Fixture::load(path).body).expect("text")
}

const PAID: &[(&str, &str)] = &[
    ("x-shopify-topic", "orders/paid"),
    ("x-shopify-shop-domain", "acme.myshopify.com"),
    ("x-shopify-event-id", "e-2"),
];
const REFUND: &[(&str, &str)] = &[("x-shopify-topic", "refunds/create")];

#[test]
fn a_session_and_its_invoice_are_one_payment_in_either_order() {
    let session = event_of("stripe", &[], &fixture("stripe/checkout-session-completed"));
    let invoice = event_of("stripe", &[], &fixture("stripe/invoice-paid"));
    assert_eq!(session.event_id, invoice.event_id);
    assert_ne!(session.occurred_at, invoice.occurred_at, "so that their content differs");
    for (first, second) in [(&session, &invoice), (&invoice, &session)] {
        let (first, second) = (draft(first), draft(second));
        assert!(second.is_retelling_of(first.stage, first.value));
    }
    let dearer = event_of("stripe", &[], &fixture("stripe/invoice-paid").replace("48000", "48001"));
    assert!(!draft(&dearer).is_retelling_of(draft(&session).stage, draft(&session).value), "other money is a conflict");
    // Both names of a paid invoice are sent.
    let succeeded =
        event_of("stripe", &[], &fixture("stripe/invoice-paid").replace("invoice.paid", "invoice.payment_succeeded"));
    assert_eq!(succeeded.event_id, invoice.event_id);
}

#[test]
fn payments_that_are_pending_free_or_told_elsewhere_are_no_sales() {
    let session = fixture("stripe/checkout-session-completed");
    let (rule, names) =
        ignored("stripe", &[], &session.replace(r#""payment_status": "paid""#, r#""payment_status": "unpaid""#));
    assert_eq!(rule, "payment-pending");
    let names = names.expect("who it is stays known");
    assert_eq!(
        (names.persons, names.email),
        (vec!["stripe.customer:cus_QXg1o8vcGmoR32".into()], some("ana.lopez@example.com"))
    );
    assert!(names.click_id.is_some());
    let late = session.replace("checkout.session.completed", "checkout.session.async_payment_succeeded");
    assert_eq!(event_of("stripe", &[], &late).stage, "customer");
    let free = session.replace(r#""payment_status": "paid""#, r#""payment_status": "no_payment_required""#);
    assert_eq!(ignored("stripe", &[], &free).0, "nothing-to-pay");
    let trial = fixture("stripe/invoice-paid").replace(r#""amount_paid": 48000"#, r#""amount_paid": 0"#);
    assert_eq!(ignored("stripe", &[], &trial).0, "invoice-of-nothing");
    let renewal = fixture("stripe/invoice-paid").replace("subscription_create", "subscription_cycle");
    assert_eq!(event_of("stripe", &[], &renewal).stage, "sale");
    for told in ["payment_intent.succeeded", "charge.succeeded", "refund.created"] {
        assert_eq!(ignored("stripe", &[], &session.replace("checkout.session.completed", told)).0, "told-elsewhere");
    }
}

#[test]
fn a_cumulative_refund_is_what_it_grew_by() {
    let first = fixture("stripe/charge-refunded-partial");
    let one = event_of("stripe", &[], &first);
    assert_eq!((one.stage.as_str(), minor(&one)), ("refund", (12_000, "EUR".into())));
    assert_eq!(one.parent, None, "a customer's charge names no invoice: their latest sale is taken");
    let second = first
        .replace(r#""amount_refunded": 12000"#, r#""amount_refunded": 48000"#)
        .replace(r#""amount_refunded": 0"#, r#""amount_refunded": 12000"#)
        .replace("refund01", "refund02");
    let two = event_of("stripe", &[], &second);
    assert_eq!(minor(&two).0, 36_000);
    assert_ne!(one.event_id, two.event_id);
    assert_eq!(minor(&one).0 + minor(&two).0, 48_000, "the parts make the whole in either order");
    let blind = first.replace(
        r#""previous_attributes": {
      "amount_refunded": 0,"#,
        r#""previous_attributes": {"#,
    );
    assert_eq!(faults("stripe", &[], &blind), ["refund-of-unknown-size"]);
    let guest = first.replace(r#""customer": "cus_QXg1o8vcGmoR32""#, r#""customer": null"#);
    assert_eq!(event_of("stripe", &[], &guest).parent, some("stripe.payment:pi_1PgafyB7WZ01zgkWSjxsAJo3"));
    let charged_back = r#"{"id":"evt_d","created":1791191660,"type":"charge.dispute.closed","data":{"object":{"id":"dp_1","status":"lost","amount":4800,"currency":"usd","payment_intent":"pi_1"}}}"#;
    let dispute = event_of("stripe", &[], charged_back);
    assert_eq!(
        (dispute.stage.as_str(), dispute.parent.as_deref(), minor(&dispute).0),
        ("refund", Some("stripe.payment:pi_1"), 4_800)
    );
}

#[test]
fn minor_units_are_the_currencys_own() {
    let session = fixture("stripe/checkout-session-completed");
    for (currency, expected) in [("jpy", 48_000), ("kwd", 48_000), ("isk", 480), ("ugx", 480), ("mga", 4_800_000)] {
        let body = session.replace(r#""currency": "eur""#, &format!(r#""currency": "{currency}""#));
        assert_eq!(minor(&event_of("stripe", &[], &body)), (expected, currency.to_uppercase()), "{currency}");
    }
    let order = fixture("shopify/orders-create");
    for (amount, currency, expected) in
        [("5000", "JPY", 5_000), ("5000.00", "JPY", 5_000), ("12.345", "KWD", 12_345), ("12.340", "EUR", 1_234)]
    {
        let body = order.replace(
            r#""total_price_set":{"shop_money":{"amount":"428.40","currency_code":"USD"}"#,
            &format!(r#""total_price_set":{{"shop_money":{{"amount":"{amount}","currency_code":"{currency}"}}"#),
        );
        assert_eq!(minor(&event_of("shopify", PAID, &body)), (expected, currency.to_owned()), "{amount} {currency}");
    }
}

#[test]
fn an_order_is_one_sale_once_it_is_paid() {
    let order = fixture("shopify/orders-create");
    let created = event_of("shopify", &[("x-shopify-topic", "orders/create")], &order);
    let paid = event_of("shopify", PAID, &order);
    assert_eq!(
        (created.event_id.as_str(), &created.subject),
        ("shopify:order:820982911946154508:paid", &some("shopify.order:820982911946154508"))
    );
    assert_eq!(created.event_id, paid.event_id);
    for status in ["pending", "authorized", "partially_paid", "voided"] {
        let body = order.replace(r#""financial_status":"paid""#, &format!(r#""financial_status":"{status}""#));
        let (rule, names) = ignored("shopify", &[("x-shopify-topic", "orders/create")], &body);
        assert_eq!(rule, "order-not-paid", "{status}");
        assert!(names.expect("names").click_id.is_some(), "whose click it was stays known");
    }
    assert_eq!(ignored("shopify", PAID, &order.replace(r#""test":false"#, r#""test":true"#)).0, "test-order");
    assert_eq!(ignored("shopify", &[("x-shopify-topic", "orders/updated")], &order).0, "no-meaning");
    let bare = order.replace(r#"{"name":"click_id","value":"clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"},"#, "");
    assert_eq!(
        event_of("shopify", PAID, &bare).click_id,
        some("clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"),
        "from the landing page"
    );
    let newer =
        [("shopify-topic", "orders/paid"), ("shopify-shop-domain", "acme.myshopify.com"), ("shopify-event-id", "e-3")];
    assert_eq!(read_with("shopify", &newer, &order)[0].dedup_key, some("shopify:acme.myshopify.com:e-3"));
}

#[test]
fn refunds_of_a_shop_are_the_money_that_went_back() {
    let refund = |transactions: &str| {
        format!(
            r#"{{"id":509562969,"order_id":820982911946154508,"created_at":"2026-10-05T04:00:00-04:00","note":"wrong size","transactions":[{transactions}],"refund_line_items":[]}}"#
        )
    };
    let part = |amount: &str, kind: &str, status: &str| {
        format!(r#"{{"id":1,"amount":"{amount}","currency":"USD","kind":"{kind}","status":"{status}"}}"#)
    };
    let body = refund(
        &[
            part("20.10", "refund", "success"),
            part("3.30", "refund", "success"),
            part("99.00", "refund", "failure"),
            part("428.40", "sale", "success"),
        ]
        .join(","),
    );
    let input = event_of("shopify", REFUND, &body);
    assert_eq!((input.stage.as_str(), input.parent.as_deref()), ("refund", Some("shopify.order:820982911946154508")));
    assert_eq!((input.value.as_deref(), minor(&input)), (Some("23.4"), (2_340, "USD".into())));
    assert_eq!(ignored("shopify", REFUND, &refund("")).0, "refund-without-money", "a return without money");
    assert_eq!(
        faults("shopify", REFUND, &refund(&part("5.00", "refund", "pending"))),
        ["missing"],
        "set aside until it is known"
    );
}

#[test]
fn segment_orders_and_refunds_are_told_by_their_order() {
    let track = |event: &str, id: &str| {
        format!(
            r#"{{"type":"track","messageId":"{id}","userId":"u1","event":"{event}","properties":{{"order_id":"O1","total":12.5,"currency":"EUR"}},"timestamp":"2026-10-05T09:14:12.984Z"}}"#
        )
    };
    let order = event_of("segment", &[], &track("Order Completed", "m1"));
    let again = event_of("segment", &[], &track("Order Completed", "m2"));
    assert_eq!((&order.event_id, order.subject.as_deref()), (&again.event_id, Some("segment.order:O1")));
    let refund = event_of("segment", &[], &track("Order Refunded", "m3"));
    assert_eq!(
        (refund.stage.as_str(), refund.parent.as_deref(), minor(&refund).0),
        ("refund", Some("segment.order:O1"), 1_250)
    );
}

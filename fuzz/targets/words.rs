//! Single words of strangers: ids, times, amounts, addresses, slugs.
#![no_main]

use headwater_fuzz::domain::destination::Destination;
use headwater_fuzz::domain::ids::{TouchId, VisitorId};
use headwater_fuzz::domain::money::{Currency, Money};
use headwater_fuzz::domain::person::joinable_email;
use headwater_fuzz::domain::slug::Slug;
use headwater_fuzz::domain::time::{Day, UtcMillis, Zone};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // What is understood is written and read again as the same.
    if let Ok(id) = text.parse::<TouchId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Ok(id) = text.parse::<VisitorId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Ok(at) = UtcMillis::parse(text) {
        assert_eq!(UtcMillis::parse(&at.to_string()), Ok(at));
    }
    if let Ok(day) = text.parse::<Day>() {
        assert_eq!(day.to_string().parse(), Ok(day));
    }
    for currency in ["EUR", "JPY", "KWD"] {
        let currency: Currency = currency.parse().expect("a currency");
        if let Ok(money) = Money::parse(text, currency) {
            assert_eq!(money.currency, currency);
        }
    }
    if let Ok(zone) = text.parse::<Zone>() {
        let _day = zone.day_of(headwater_fuzz::NOW);
    }
    if let Ok(Some(email)) = joinable_email(text) {
        assert_eq!(joinable_email(&email), Ok(Some(email.clone())));
    }
    let _slug = text.parse::<Slug>();
    let _destination = Destination::parse(text, "hw_id");
});

//! Bodies of webhooks at the limit of `intake.body_bytes_max`, each by the preset that it costs most.

use std::time::Instant;

use headwater::connectors::overrides::Overrides;
use headwater::connectors::request::Request;
use headwater::connectors::{Connector, presets};
use headwater::domain::time::UtcMillis;

use super::{Case, case};

/// `intake.body_bytes_max`.
const BODY_MAX: usize = 1 << 20;

pub(super) fn cases() -> Vec<Case> {
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let xml = "text/xml";
    vec![
        case("json-items", "2,000 items of 500 bytes", || list(&item(440), 2_000), read(json)),
        case("json-many-items", "as many items as fit", || list("{}", BODY_MAX), read(json)),
        case("json-members", "one object of as many members as fit", object, read(json)),
        case(
            "json-deep",
            "as deep as JSON is read: 127 lists",
            || [b"[".repeat(127), b"]".repeat(127)].concat(),
            read(json),
        ),
        case(
            "json-too-deep",
            "500,000 lists in each other",
            || [b"[".repeat(BODY_MAX / 2), b"]".repeat(BODY_MAX / 2)].concat(),
            read(json),
        ),
        case("json-numbers", "as many numbers as fit", || list("1", BODY_MAX), read(json)),
        case("json-nested", "what wild places look through", nested, read(json)),
        case(
            "json-escapes",
            "one text of escapes",
            || format!("{{\"a\":\"{}\"}}", "\\u00e9".repeat(BODY_MAX / 6 - 4)).into_bytes(),
            read(json),
        ),
        case("form-fields", "20,000 fields with brackets", || joined("contact[fields][a]=1&", 20_000), read(form)),
        case("form-deep", "fields 32 deep, each of its own", deep_form, read(form)),
        case("form-short", "as many fields as fit", || joined("a&", BODY_MAX), read(form)),
        case("soap-messages", "notifications up to the limit", || soap(&notification(), BODY_MAX), read(xml)),
        case("soap-elements", "20,000 empty elements", || soap("<a/>", 20_000), read(xml)),
        case(
            "soap-deep",
            "elements in each other",
            || [b"<a>".repeat(BODY_MAX / 7), b"</a>".repeat(BODY_MAX / 7)].concat(),
            read(xml),
        ),
        case("soap-attributes", "one element of as many attributes as fit", attributes, read(xml)),
    ]
}

fn list(item: &str, most: usize) -> Vec<u8> {
    let fits = (BODY_MAX - 2) / (item.len() + 1);
    format!("[{}]", vec![item; most.min(fits)].join(",")).into_bytes()
}

fn item(filler: usize) -> String {
    format!(r#"{{"event":"lead.created","email":"a@example.com","note":"{}"}}"#, "n".repeat(filler))
}

fn object() -> Vec<u8> {
    let members: Vec<String> = (0..BODY_MAX / 12).map(|n| format!("\"{n:06x}\":1")).collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

fn nested() -> Vec<u8> {
    let inner =
        format!("{{{}}}", (0..200).map(|n| format!("\"k{n}\":{{\"value\":\"v\"}}")).collect::<Vec<_>>().join(","));
    let part = format!(r#"{{"fields":{inner},"custom":{inner},"properties":{inner}}}"#);
    let one = format!(r#"{{"contact":{part},"deal":{part},"payload":{part},"data":{part},"current":{part}}}"#);
    list(&one, BODY_MAX)
}

fn joined(field: &str, most: usize) -> Vec<u8> {
    field.repeat(most.min(BODY_MAX / field.len())).into_bytes()
}

fn deep_form() -> Vec<u8> {
    let keys = (0..).map(|n| format!("a{n}{}=1&", format!("[b{n}]").repeat(31)));
    let mut text = String::new();
    for key in keys.take_while(|_| true) {
        if text.len() + key.len() > BODY_MAX {
            break;
        }
        text.push_str(&key);
    }
    text.into_bytes()
}

fn notification() -> String {
    "<Notification><Id>04l000000000001AAA</Id><sObject xsi:type=\"sf:Lead\"><sf:Id>00Q000000000001AAA</sf:Id><sf:Email>a@example.com</sf:Email></sObject></Notification>".to_owned()
}

fn soap(inner: &str, most: usize) -> Vec<u8> {
    let head = "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\"><soapenv:Body><notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\"><OrganizationId>00D000000000001EAA</OrganizationId>";
    let tail = "</notifications></soapenv:Body></soapenv:Envelope>";
    let fits = (BODY_MAX - head.len() - tail.len()) / inner.len();
    format!("{head}{}{tail}", inner.repeat(most.min(fits))).into_bytes()
}

fn attributes() -> Vec<u8> {
    let list: Vec<String> = (0..BODY_MAX / 14).map(|n| format!("a{n:06x}=\"1\"")).collect();
    format!("<a {}/>", list.join(" ")).into_bytes()
}

/// Reads a body by every preset; the outcome names the slowest and what it took. Peak and time are those of all of them.
fn read(content_type: &'static str) -> impl Fn(&[u8]) -> String {
    move |body| {
        let headers = [("content-type".to_owned(), content_type.to_owned())];
        let request =
            Request { method: "POST", url: "", headers: &headers, body, received_at: UtcMillis(1_791_191_700_000) };
        let mut worst = (0, "", 0);
        for preset in presets::all() {
            let connector = Connector::new(preset, &Overrides::default(), &[]).expect("built in");
            let begun = Instant::now();
            let kept = connector.kept_body(body).len();
            let readings = connector.read(&request, Some("message")).len();
            worst = worst.max((begun.elapsed().as_millis(), &preset.name, readings + kept - kept));
        }
        format!("worst_{}_{}_ms_{}_readings", worst.1, worst.0, worst.2)
    }
}

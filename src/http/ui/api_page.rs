//! The API's description as a page, made from the OpenAPI document.

use actix_web::HttpRequest;
use actix_web::web::Data;
use askama::Template;
use serde_json::Value;
use utoipa::OpenApi as _;

use super::page::{Marked, PageResult, Shell, marked, ok};
use crate::http::api::openapi::Document;
use crate::http::auth::session_of;
use crate::http::state::State;

struct Group {
    name: String,
    description: Marked,
    calls: Vec<Call>,
}

struct Call {
    id: String,
    method: String,
    path: String,
    summary: Marked,
    description: Marked,
    parameters: Vec<Line>,
    body: Vec<Line>,
    body_note: &'static str,
    responses: Vec<Answer>,
}

/// A parameter or a field.
struct Line {
    name: String,
    kind: String,
    is_required: bool,
    description: Marked,
}

struct Answer {
    status: String,
    description: Marked,
    fields: Vec<Line>,
    schema: String,
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    shell: Shell,
    introduction: Marked,
    groups: Vec<Group>,
    base: String,
}

/// `GET /app/api`
pub(super) async fn show(request: HttpRequest, state: Data<State>) -> PageResult {
    let shell = match session_of(&request, &state).await? {
        Some(session) => Shell::new("api", "API", &session),
        None => Shell::anonymous("API"),
    };
    let document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    ok(&ApiPage {
        shell,
        introduction: marked(&text(&document["info"]["description"])),
        groups: groups(&document),
        base: state.url("/api/v1"),
    })
}

fn groups(document: &Value) -> Vec<Group> {
    let tags = document["tags"].as_array().cloned().unwrap_or_default();
    let calls = calls(document);
    tags.into_iter()
        .map(|tag| {
            let name = text(&tag["name"]);
            let of_tag = calls.iter().filter(|(t, ..)| *t == name);
            Group {
                calls: of_tag.map(|(_, path, method, operation)| call(document, path, method, operation)).collect(),
                description: marked(&text(&tag["description"])),
                name,
            }
        })
        .collect()
}

/// Every call: tag, path, method, operation.
fn calls(document: &Value) -> Vec<(String, String, String, Value)> {
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in ["get", "post", "put", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                calls.push((text(&operation["tags"][0]), path.clone(), method.to_uppercase(), operation.clone()));
            }
        }
    }
    calls
}

fn call(document: &Value, path: &str, method: &str, operation: &Value) -> Call {
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let (_, fields) = fields(document, body);
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(|p| Line {
        name: text(&p["name"]),
        kind: format!("{} {}", text(&p["in"]), kind(&p["schema"])),
        is_required: p["required"] == Value::Bool(true),
        description: marked(&text(&p["description"])),
    });
    let responses = operation["responses"].as_object().into_iter().flatten().map(|(status, r)| {
        let schema = &r["content"]["application/json"]["schema"];
        let (name, fields) = self::fields(document, schema);
        Answer { status: status.clone(), description: marked(&text(&r["description"])), fields, schema: name }
    });
    Call {
        id: format!("{}-{}", method.to_lowercase(), path.trim_matches('/').replace(['/', '{', '}'], "-")),
        method: method.to_owned(),
        path: path.to_owned(),
        summary: marked(&text(&operation["summary"])),
        description: marked(&text(&operation["description"])),
        parameters: parameters.collect(),
        body_note: if !body.is_null() && fields.is_empty() { "Any JSON object." } else { "" },
        body: fields,
        responses: responses.collect(),
    }
}

/// The name of a schema and its fields; nested lists and objects are named by their own schemas.
fn fields(document: &Value, schema: &Value) -> (String, Vec<Line>) {
    let name = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()).unwrap_or("").to_owned();
    let found = if name.is_empty() { schema } else { &document["components"]["schemas"][&name] };
    let mut lines = Vec::new();
    for part in found["allOf"].as_array().into_iter().flatten() {
        lines.extend(fields(document, part).1);
    }
    let required: Vec<&str> = found["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (field, property) in found["properties"].as_object().into_iter().flatten() {
        lines.push(Line {
            name: field.clone(),
            kind: kind(property),
            is_required: required.contains(&field.as_str()),
            description: marked(&described(property)),
        });
        if let Some(of_items) = items(property) {
            let nested = fields(document, of_items).1;
            lines.extend(nested.into_iter().map(|l| Line { name: format!("{field}[].{}", l.name), ..l }));
        }
    }
    (name, lines)
}

/// The schema of a list's items, where they are objects of their own.
fn items(property: &Value) -> Option<&Value> {
    let items = property.get("items")?;
    items.get("$ref").map(|_| items)
}

fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or("").to_owned();
    }
    let names: Vec<String> = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(text).collect(),
        _ => schema["oneOf"].as_array().into_iter().flatten().map(kind).collect(),
    };
    let list = names.join(" or ");
    if list == "array" { format!("list of {}", kind(&schema["items"])) } else { list }
}

fn described(property: &Value) -> String {
    let mut words = text(&property["description"]);
    let example = match &property["example"] {
        Value::Null => return words,
        Value::String(t) => t.clone(),
        other => other.to_string(),
    };
    if !words.is_empty() {
        words.push(' ');
    }
    words.push_str(&format!("Example: {example}"));
    words
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_document_is_on_the_page() {
        let document = serde_json::to_value(Document::openapi()).expect("document");
        let groups = groups(&document);
        let shown: usize = groups.iter().map(|g| g.calls.len()).sum();
        assert_eq!(shown, calls(&document).len());
        assert!(shown > 25 && groups.iter().all(|g| !g.calls.is_empty()));
        let links = groups.iter().flat_map(|g| &g.calls).find(|c| c.method == "POST" && c.path == "/api/v1/links");
        assert!(links.expect("call").body.iter().any(|l| l.name == "destination" && l.is_required));
    }
}

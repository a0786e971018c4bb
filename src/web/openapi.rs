//! `/api/v1/openapi.json`: the API as OpenAPI 3.1 has it, made of the same table that opens its routes, so that
//! none can be missing.

use super::door::{Needs, ROUTES};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

const PAGE: &[&str] = &["limit", "cursor"];

/// What there is to say of a route beside what the table says: summary, query parameters, whether it has a
/// JSON body, and what a success gives.
struct About {
    summary: &'static str,
    parameters: &'static [&'static str],
    paged: bool,
    body: &'static [(&'static str, &'static str, bool)],
    gives: &'static str,
}

const NOTHING: About = About {
    summary: "",
    parameters: &[],
    paged: false,
    body: &[],
    gives: "application/json",
};

fn about(method: &str, path: &str) -> Option<About> {
    Some(match (method, path.strip_prefix("/api/v1/")?) {
        ("GET", "openapi.json") => About {
            summary: "This document",
            ..NOTHING
        },
        ("GET", "alerts") => About {
            summary: "Alerts, newest first",
            parameters: &[
                "kind",
                "minimum_severity",
                "delivery",
                "acknowledged",
                "since",
                "until",
            ],
            paged: true,
            ..NOTHING
        },
        ("GET", "alerts/{id}") => About {
            summary: "An alert with its episode and acknowledgement",
            ..NOTHING
        },
        ("POST", "alerts/{id}/ack") => About {
            summary: "Acknowledge an alert; the comment is required",
            body: &[
                ("comment", "string", true),
                ("informed", "string", false),
                ("known", "boolean", false),
                ("by", "string", false),
            ],
            ..NOTHING
        },
        ("GET", "audit") => About {
            summary: "Who looked at what and did what, newest first",
            parameters: &["by", "act", "subject"],
            paged: true,
            ..NOTHING
        },
        ("GET", "cluster") => About {
            summary: "The instances that share the stream of facts, and how the stream is; 404 without `[cluster]`",
            ..NOTHING
        },
        ("GET", "feeds") => About {
            summary: "Each sending system",
            ..NOTHING
        },
        ("GET", "messages") => About {
            summary: "Messages, newest first",
            parameters: &super::messages::PARAMETERS,
            paged: true,
            ..NOTHING
        },
        ("GET", "messages/{position}") => About {
            summary: "A message segment by segment, with what was made of it",
            ..NOTHING
        },
        ("GET", "messages/{position}/raw") => About {
            summary: "The exact bytes of a message",
            gives: "application/octet-stream",
            ..NOTHING
        },
        ("POST", "messages/{position}/again" | "quarantine/{id}/retry") => About {
            summary: "Read a message once more by the tables in force, and decide about what is new",
            body: &[],
            ..NOTHING
        },
        ("GET", "reassess") => About {
            summary: "What would be told if everybody were decided about anew by the tables in force",
            parameters: &["cursor"],
            ..NOTHING
        },
        ("POST", "reassess") => About {
            summary: "Decide about these patients anew; what is found pages only with `page`",
            body: &[
                ("patients", "array", true),
                ("page", "boolean", false),
                ("comment", "string", true),
                ("by", "string", false),
            ],
            ..NOTHING
        },
        ("POST", "replay") => About {
            summary: "Take in messages of an archive; what is found pages only with `page`",
            body: &[
                ("listener", "string", true),
                ("messages", "array", true),
                ("page", "boolean", false),
                ("by", "string", false),
            ],
            ..NOTHING
        },
        ("GET", "mutes") => About {
            summary: "Mutes that are not lifted",
            ..NOTHING
        },
        ("POST", "mutes") => About {
            summary: "Mute a patient or a rule until a time",
            body: &[
                ("patient", "string", false),
                ("rule", "string", false),
                ("until", "string", true),
                ("reason", "string", true),
                ("by", "string", false),
            ],
            ..NOTHING
        },
        ("POST", "mutes/{id}/lift") => About {
            summary: "Lift a mute",
            body: &[("by", "string", false)],
            ..NOTHING
        },
        ("GET", "notices") => About {
            summary: "What an operator must act on",
            ..NOTHING
        },
        ("GET", "patients/{key}") => About {
            summary: "A patient: identities, episodes, every result, the trend",
            ..NOTHING
        },
        ("POST", "patients/{key}/unmerge") => About {
            summary: "Take back the merge that joins two ids",
            body: &[
                ("from", "string", true),
                ("comment", "string", true),
                ("by", "string", false),
            ],
            ..NOTHING
        },
        ("GET", "quarantine") => About {
            summary: "What was not understood, newest first",
            parameters: &["reason", "listener", "feed", "since", "until"],
            paged: true,
            ..NOTHING
        },
        ("GET", "queue") => About {
            summary: "Each sink: what waits, what was refused, how it fares",
            ..NOTHING
        },
        ("GET", "queue/{sink}") => About {
            summary: "What waits at a sink, in order",
            paged: true,
            ..NOTHING
        },
        ("GET", "queue/{sink}/dead") => About {
            summary: "What a sink refused for good",
            paged: true,
            ..NOTHING
        },
        ("POST", "queue/{sink}/requeue") => About {
            summary: "Give alerts to a sink again",
            body: &[
                ("alert_ids", "array", false),
                ("all", "boolean", false),
                ("reason", "string", false),
                ("by", "string", false),
            ],
            ..NOTHING
        },
        ("POST", "queue/{sink}/replay") => About {
            summary: "Give a sink everything since a time again",
            body: &[("since", "string", true), ("by", "string", false)],
            ..NOTHING
        },
        ("POST", "queue/{sink}/test") => About {
            summary: "Send a marked test alert now",
            ..NOTHING
        },
        ("GET", "review") => About {
            summary: "Patients to review, with the reason",
            paged: true,
            ..NOTHING
        },
        ("GET", "stream") => About {
            summary: "Alerts as server-sent events; resumes behind `after` or `Last-Event-ID`",
            parameters: &["after"],
            gives: "text/event-stream",
            ..NOTHING
        },
        ("GET", "worklist") => About {
            summary: "Episodes that stand, the most pressing first",
            parameters: &["show"],
            paged: true,
            ..NOTHING
        },
        _ => return None,
    })
}

fn parameter(name: &str, place: &str) -> Value {
    let number = matches!(name, "limit" | "position" | "after");
    let mut schema = json!({"type": if number { "integer" } else { "string" }});
    if number && let Some(schema) = schema.as_object_mut() {
        schema.insert("minimum".to_owned(), json!(i32::from(name == "limit")));
        let most = if name == "limit" {
            json!(1_000)
        } else {
            json!(i64::MAX)
        };
        schema.insert("maximum".to_owned(), most);
    }
    json!({"name": name, "in": place, "required": place == "path", "schema": schema})
}

fn operation(method: &str, path: &str, needs: Needs) -> Value {
    let about = about(method, path).unwrap_or(NOTHING);
    let in_path = path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(parameter(name, "path"))
    });
    let pages: &[&str] = if about.paged { PAGE } else { &[] };
    let in_query = about.parameters.iter().chain(pages);
    let parameters: Vec<Value> = in_path
        .chain(in_query.map(|name| parameter(name, "query")))
        .collect();
    let role = match needs {
        Needs::Role(role) => role.word(),
        Needs::Nobody | Needs::Open => "nobody",
    };
    let mut responses = Map::new();
    let schema = if about.gives == "application/json" {
        json!({"type": "object"})
    } else {
        json!({"type": "string"})
    };
    responses.insert(
        "200".to_owned(),
        json!({"description": "done", "content": {about.gives: {"schema": schema}}}),
    );
    let others: &[(&str, &str)] = &[
        ("201", "done and new"),
        ("202", "durable, and the state does not know of it yet"),
        ("304", "not changed"),
        ("400", "the request cannot be read"),
        ("401", "say who you are"),
        (
            "403",
            "your roles do not allow this, or the request comes from another site",
        ),
        ("404", "there is no such thing"),
        ("405", "not by this method"),
        ("413", "the body is too large"),
        ("415", "the body is not said to be JSON"),
        ("422", "the body lacks something"),
        ("502", "the sink did not take the test"),
        ("503", "not ready: try again"),
    ];
    for (code, says) in others {
        let mut response = json!({"description": says});
        if code.starts_with(['4', '5'])
            && let Some(response) = response.as_object_mut()
        {
            let problem = json!({"schema": {"$ref": "#/components/schemas/Problem"}});
            let any = json!({"schema": {"type": "object"}});
            response.insert(
                "content".to_owned(),
                json!({"application/problem+json": problem, "application/json": any}),
            );
        } else if code.starts_with('2')
            && let Some(response) = response.as_object_mut()
        {
            let any = json!({"application/json": {"schema": {"type": "object"}}});
            response.insert("content".to_owned(), any);
        }
        responses.insert((*code).to_owned(), response);
    }
    let mut operation = json!({
        "summary": about.summary,
        "description": format!("Role: {role}."),
        "parameters": parameters,
        "responses": responses,
        "security": [{"token": []}, {"session": []}, {}],
    });
    if method == "POST"
        && let Some(operation) = operation.as_object_mut()
    {
        let properties: Map<String, Value> = about
            .body
            .iter()
            .map(|(name, kind, _)| {
                let schema = match *kind {
                    "array" => json!({"type": "array", "items": {"type": "string"}}),
                    other => json!({"type": other}),
                };
                ((*name).to_owned(), schema)
            })
            .collect();
        let required: Vec<&str> = about
            .body
            .iter()
            .filter(|(_, _, required)| *required)
            .map(|(name, _, _)| *name)
            .collect();
        let schema = json!({"type": "object", "properties": properties, "required": required});
        operation.insert(
            "requestBody".to_owned(),
            json!({"required": true, "content": {"application/json": {"schema": schema}}}),
        );
    }
    operation
}

/// The document.
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (method, path, needs) in ROUTES {
        if !path.starts_with("/api/") {
            continue;
        }
        let entry = paths.entry((*path).to_owned()).or_insert_with(|| json!({}));
        if let Some(entry) = entry.as_object_mut() {
            let operation = operation(method, path, *needs);
            entry.insert(method.to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pentamer",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Lists are `{\"items\": […], \"next\": cursor or null}`. Errors are problem+json. Writes take `Content-Type: application/json`, and with a session the header `X-CSRF-Token`.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": {
                "type": "object",
                "required": ["type", "title", "status", "detail"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                },
            }},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "pentamer"},
            },
        },
    })
}

/// `GET /api/v1/openapi.json`.
pub(super) async fn show(headers: HeaderMap) -> Response {
    let body = document().to_string();
    let etag = super::statics::etag(body.as_bytes());
    let mut response = if super::statics::is_known(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::Role;

    #[test]
    fn every_route_of_the_api_is_told_of() {
        for (method, path, _) in ROUTES {
            if path.starts_with("/api/") {
                let about = about(method, path);
                assert!(
                    about.is_some_and(|it| !it.summary.is_empty()),
                    "{method} {path}"
                );
            }
        }
        let document = document();
        let routes = ROUTES
            .iter()
            .filter(|(_, path, _)| path.starts_with("/api/"));
        let told: usize = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .map(|path| path.as_object().unwrap().len())
            .sum();
        assert_eq!(told, routes.count());
        let ack = &document["paths"]["/api/v1/alerts/{id}/ack"]["post"];
        assert!(
            ack["description"]
                .as_str()
                .unwrap()
                .contains(Role::Clinician.word())
        );
    }
}

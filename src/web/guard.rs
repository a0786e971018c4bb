//! From where may be asked: while there are no users from this machine, and never by a page of another
//! site that a browser shows (DESIGN.md, "small print").

use super::problem::Problem;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use std::net::IpAddr;

const FOREIGN: Problem = Problem::new(
    StatusCode::FORBIDDEN,
    "without users only this machine's own names and pages are answered: ask 127.0.0.1 or localhost",
);
const OTHER_PAGE: Problem = Problem::new(
    StatusCode::FORBIDDEN,
    "a page of another site may not ask here: `Origin` and `Host` are not the same",
);

/// Turns foreign `Origin` away, and while there are no users foreign `Host` too.
pub(super) fn check(headers: &HeaderMap, is_local: bool) -> Result<(), Problem> {
    if is_local && !is_ours(headers) {
        return Err(FOREIGN);
    }
    if is_local || is_own_page(headers) {
        Ok(())
    } else {
        Err(OTHER_PAGE)
    }
}

/// `Host` names this machine: so no name that somebody else's DNS points here. `Origin`, where a
/// browser sends it, is that of the same host and port.
fn is_ours(headers: &HeaderMap) -> bool {
    let Some(host) = only(headers, header::HOST) else {
        return false;
    };
    is_this_machine(host) && is_own_page(headers)
}

fn is_own_page(headers: &HeaderMap) -> bool {
    let Some(host) = only(headers, header::HOST) else {
        return false;
    };
    if !headers.contains_key(header::ORIGIN) {
        return true;
    }
    only(headers, header::ORIGIN).is_some_and(|origin| {
        let origin = origin.to_ascii_lowercase();
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        rest == Some(host.to_ascii_lowercase().as_str())
    })
}

/// The value of a header that is there exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// True where the body is said to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    only(headers, header::CONTENT_TYPE).is_some_and(|kind| {
        let essence = kind.split_once(';').map_or(kind, |(essence, _)| essence);
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn only_names_of_this_machine_are_ours() {
        for host in [
            "127.0.0.1:8025",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8025",
            "127.0.0.2:80",
        ] {
            assert!(is_ours(&headers(&[(header::HOST, host)])), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8025",
            "192.0.2.1:8025",
            "[::1",
            "[2001:db8::1]:8025",
            "0.0.0.0",
        ] {
            assert!(!is_ours(&headers(&[(header::HOST, host)])), "{host}");
        }
        assert!(!is_ours(&HeaderMap::new()));
        let mut twice = headers(&[(header::HOST, "localhost")]);
        twice.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!is_ours(&twice));
    }

    #[test]
    fn only_pages_of_the_same_host_and_port_are_ours() {
        let asked = |origin| {
            is_ours(&headers(&[
                (header::HOST, "localhost:8025"),
                (header::ORIGIN, origin),
            ]))
        };
        assert!(asked("http://localhost:8025"));
        assert!(asked("https://LOCALHOST:8025"));
        for origin in [
            "null",
            "",
            "http://localhost:3000",
            "http://localhost",
            "http://127.0.0.1:8025",
            "http://evil.example",
            "http://localhost:8025.evil.example",
            "localhost:8025",
        ] {
            assert!(!asked(origin), "{origin}");
        }
    }

    #[test]
    fn json_is_what_says_so() {
        let said = |kind| is_json(&headers(&[(header::CONTENT_TYPE, kind)]));
        assert!(said("application/json"));
        assert!(said("Application/JSON; charset=utf-8"));
        assert!(!said("text/plain"));
        assert!(!said("application/json-patch"));
        assert!(!is_json(&HeaderMap::new()));
    }
}

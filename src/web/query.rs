//! Query parameters: those that there are, each as what it means, and an error for all others.

use super::problem::Problem;
use crate::core::time::Timestamp;
use axum::http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Items of a page where nothing is asked, and at most.
const LIMIT: usize = 50;
const MOST: usize = 1_000;

const UNKNOWN: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "a query parameter is unknown or given twice: see docs/operating.md for those that there are",
);
const WORD: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "a query parameter has a word that is not one of those that it may have",
);
const TIME: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "times are written as 2026-01-31T10:00:00Z or as 2026-01-31",
);
const PAGE: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "`limit` is a number from 1 to 1000, `cursor` what `next` of the page before said",
);

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<String, String>);

/// Where a page begins and how long it is.
#[derive(Debug)]
pub(super) struct Paging {
    pub(super) limit: usize,
    pub(super) cursor: Option<u64>,
}

/// Reads a query; `limit` and `cursor` are always known.
pub(super) fn read(query: &str, known: &[&str]) -> Result<Query, Problem> {
    let mut found = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8().map_err(|_| WORD)?;
        let is_known = known.contains(&name) || matches!(name, "limit" | "cursor");
        if !is_known || found.insert(name.to_owned(), value.into_owned()).is_some() {
            return Err(UNKNOWN);
        }
    }
    Ok(Query(found))
}

/// RFC 3339, or a day (UTC).
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let day: jiff::civil::Date = text.parse().ok()?;
        let zone = jiff::tz::TimeZone::UTC;
        let midnight = zone.to_ambiguous_timestamp(day.to_datetime(jiff::civil::Time::midnight()));
        midnight.compatible().ok()
    });
    at.map(Timestamp::from_jiff)
}

impl Query {
    /// A word that a type of ours knows.
    pub(super) fn word<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.0.get(name) else {
            return Ok(None);
        };
        let value = match text.as_str() {
            "true" => serde_json::Value::Bool(true),
            "false" => serde_json::Value::Bool(false),
            other => serde_json::Value::from(other),
        };
        serde_json::from_value(value).map(Some).map_err(|_| WORD)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A time.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let found = self.0.get(name);
        found.map(|text| instant(text).ok_or(TIME)).transpose()
    }

    /// `limit` and `cursor`.
    pub(super) fn paging(&self) -> Result<Paging, Problem> {
        let number = |name: &str| {
            let found = self.0.get(name);
            found
                .map(|text| text.parse::<u64>().map_err(|_| PAGE))
                .transpose()
        };
        let limit = number("limit")?.map_or(Ok(LIMIT), |limit| {
            usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=MOST).contains(limit))
                .ok_or(PAGE)
        })?;
        Ok(Paging {
            limit,
            cursor: number("cursor")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::episode::Severity;

    #[test]
    fn what_is_known_is_read_and_the_rest_is_refused() {
        let query = read(
            "minimum_severity=urgent&since=2026-01-31&limit=7",
            &["minimum_severity", "since"],
        );
        let query = query.expect("right");
        let severity: Option<Severity> = query.word("minimum_severity").ok().flatten();
        assert_eq!(severity, Some(Severity::Urgent));
        let since = query.time("since").ok().flatten().expect("a time");
        assert_eq!(since.to_rfc3339(), "2026-01-31T00:00:00Z");
        assert_eq!(query.paging().expect("right").limit, 7);
        assert!(read("severty=urgent", &["severity"]).is_err());
        assert!(read("limit=1&limit=2", &[]).is_err());
        let wrong = read("severity=loud&limit=0", &["severity"]).expect("read");
        assert!(wrong.word::<Severity>("severity").is_err() && wrong.paging().is_err());
    }
}

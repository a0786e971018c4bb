//! Reading one section: each key by the type it has, each fault reported with its place and remedy.
//!
//! Every reader yields `None` for a key that is absent and for one that is wrong; the caller then
//! takes the default and goes on, so that all problems come out at once.

mod lists;

use super::keys::{self, Shape};
use super::layer::Row;
use super::origin::Origin;
use super::problem::{Problem, Wrong};
use super::quantity;
use ::config::{Map, Value, ValueKind};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A section while it is read.
pub(super) struct Section<'a> {
    shape: &'static Shape,
    path: String,
    origin: Origin,
    table: Option<&'a Map<String, Value>>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Section<'a> {
    /// A `[section]`; unknown keys are reported at once.
    pub fn open(
        shape: &'static Shape,
        table: Option<&'a Map<String, Value>>,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self::new(
            shape,
            shape.name.to_owned(),
            Origin::BuiltIn,
            table,
            problems,
        )
    }

    /// A `[[section]]`; unknown keys are reported at once.
    pub fn row(shape: &'static Shape, row: &'a Row, problems: &'a mut Vec<Problem>) -> Self {
        let path = format!("{}[{}]", shape.name, row.number);
        Self::new(shape, path, row.origin.clone(), Some(&row.table), problems)
    }

    /// Any table, with the path and origin that messages show.
    pub fn new(
        shape: &'static Shape,
        path: String,
        origin: Origin,
        table: Option<&'a Map<String, Value>>,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        let sorted: BTreeMap<_, _> = table.into_iter().flatten().collect();
        for (key, value) in sorted {
            if !shape.keys.contains(&key.as_str()) {
                problems.push(keys::unknown(shape, &path, key, value));
            }
        }
        Self {
            shape,
            path,
            origin,
            table,
            problems,
        }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        debug_assert!(
            self.shape.keys.contains(&key),
            "key `{key}` is not in the shape"
        );
        self.table?.get(key)
    }

    /// Where a key stands; where it is absent, where its section begins.
    pub fn origin(&self, key: &str) -> Origin {
        self.table
            .and_then(|table| table.get(key))
            .map_or_else(|| self.origin.clone(), |value| Origin::kept(value.origin()))
    }

    /// The path of a key, e.g. `listener[0].bind`.
    pub fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Reports something about a key.
    pub fn report(&mut self, key: &str, wrong: Wrong, help: impl Into<String>) {
        self.problems.push(Problem {
            wrong,
            origin: self.origin(key),
            key: self.path(key),
            help: help.into(),
        });
    }

    fn wrong_value(&mut self, key: &str, value: &Value, expected: &str, help: &str) {
        let wrong = Wrong::Value {
            expected: expected.to_owned(),
            found: written(value),
        };
        self.report(key, wrong, help);
    }

    /// Text.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        match &value.kind {
            ValueKind::String(text) => Some(text.clone()),
            _ => {
                self.wrong_value(key, value, "text", "put the value in quotes");
                None
            }
        }
    }

    /// Text, a number or a flag as it was written, understood by `parse`.
    pub fn parsed<T>(
        &mut self,
        key: &str,
        expected: &str,
        help: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let parsed = match &value.kind {
            ValueKind::String(text) => parse(text),
            ValueKind::I64(number) => parse(&number.to_string()),
            _ => None,
        };
        if parsed.is_none() {
            self.wrong_value(key, value, expected, help);
        }
        parsed
    }

    /// A value as it was written; empty where the key is absent.
    pub fn as_written(&self, key: &str) -> String {
        self.value(key).map(written).unwrap_or_default()
    }

    /// Which of some words a value may mean, as a remedy; else `otherwise`.
    pub fn meant(&self, key: &str, words: &[&'static str], otherwise: &str) -> String {
        match keys::nearest(&self.as_written(key), words.iter().copied()) {
            Some(near) if near.meant => format!("did you mean `{}`?", near.key),
            _ => otherwise.to_owned(),
        }
    }

    /// One of some words.
    pub fn choice<T: Copy>(&mut self, key: &str, choices: &[(&'static str, T)]) -> Option<T> {
        let expected = one_of(choices.iter().map(|(word, _)| *word));
        let value = self.value(key)?;
        let found = match &value.kind {
            ValueKind::String(text) => choices.iter().find(|(word, _)| word == text),
            _ => None,
        };
        if found.is_none() {
            let near = keys::nearest(&written(value), choices.iter().map(|(word, _)| *word));
            let help = match near {
                Some(near) if near.meant => format!("did you mean `{}`?", near.key),
                _ => "choose one of these".to_owned(),
            };
            self.wrong_value(key, value, &expected, &help);
        }
        found.map(|(_, choice)| *choice)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        let variable = Origin::kept(value.origin()).is_variable();
        let flag = match &value.kind {
            ValueKind::Boolean(flag) => Some(*flag),
            ValueKind::String(text) if variable => text.trim().parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            self.wrong_value(key, value, "`true` or `false`", "write it without quotes");
        }
        flag
    }

    /// A whole number within bounds.
    pub fn number(&mut self, key: &str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let value = self.value(key)?;
        let variable = Origin::kept(value.origin()).is_variable();
        let number = match &value.kind {
            ValueKind::I64(number) => Some(*number),
            ValueKind::String(text) if variable => text.trim().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            self.wrong_value(key, value, "a whole number", "write it without quotes");
            return None;
        };
        let bounds = i64::from(*bounds.start())..=i64::from(*bounds.end());
        let number = self.bounded(key, number, bounds, |number| number.to_string())?;
        u32::try_from(number).ok()
    }

    /// A size within bounds.
    pub fn size(&mut self, key: &str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let size = self.parsed(
            key,
            "a size such as `16 MiB`",
            "units are B, KiB, MiB, GiB, TiB (or KB, MB, … of 1000)",
            quantity::size,
        )?;
        self.bounded(key, size, bounds, |size| quantity::show_size(*size))
    }

    /// A duration within bounds.
    pub fn duration(&mut self, key: &str, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let duration = self.any_duration(key)?;
        self.bounded(key, duration, bounds, |duration| {
            quantity::show_duration(*duration)
        })
    }

    /// A duration within bounds, or `0` for off; the inner `None` is off.
    pub fn duration_or_off(
        &mut self,
        key: &str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Option<Duration>> {
        let duration = self.any_duration(key)?;
        if duration.is_zero() {
            return Some(None);
        }
        self.bounded(key, duration, bounds, |duration| {
            quantity::show_duration(*duration)
        })
        .map(Some)
    }

    fn any_duration(&mut self, key: &str) -> Option<Duration> {
        self.parsed(
            key,
            "a duration such as `30s`",
            "units are ms, s, m, h, d",
            quantity::duration,
        )
    }

    fn bounded<T: PartialOrd>(
        &mut self,
        key: &str,
        value: T,
        bounds: RangeInclusive<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let (side, bound, limit) = if value < *bounds.start() {
            ("below", "minimum", bounds.start())
        } else if value > *bounds.end() {
            ("above", "maximum", bounds.end())
        } else {
            return Some(value);
        };
        let limit = show(limit);
        let help = format!(
            "choose {limit} or {}",
            if side == "below" { "more" } else { "less" }
        );
        let wrong = Wrong::Bound {
            found: self.value(key).map(written).unwrap_or_default(),
            side,
            bound,
            limit,
        };
        self.report(key, wrong, help);
        None
    }

    /// `true` or `false`, where a table may stand instead; that is true.
    pub fn flag_or_table(&mut self, key: &str) -> bool {
        match self.value(key).map(|value| &value.kind) {
            Some(ValueKind::Table(_)) => true,
            Some(_) => self.flag(key).unwrap_or(false),
            None => false,
        }
    }

    /// Reports a key that must be there and is not.
    pub fn require(&mut self, key: &str, help: &str) {
        if self.value(key).is_none() {
            self.report(key, Wrong::Missing(key.to_owned()), help);
        }
    }

    /// Whether the key is written at all.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }
}

/// Rows of a `[[section]]` that have a unique `name`; a repeated one is reported.
pub(super) fn unique_names(rows: &[Row], heading: &str, problems: &mut Vec<Problem>) {
    let mut first: BTreeMap<&str, Origin> = BTreeMap::new();
    for row in rows {
        let Some(value) = row.table.get("name") else {
            continue;
        };
        let ValueKind::String(name) = &value.kind else {
            continue;
        };
        let origin = Origin::kept(value.origin());
        match first.get(name.as_str()) {
            Some(earlier) => problems.push(Problem {
                wrong: Wrong::Repeated {
                    name: name.clone(),
                    first: earlier.clone(),
                },
                origin,
                key: format!("{}[{}].name", heading, row.number),
                help: "give each its own name; a later file adds to an earlier one and cannot change it"
                    .to_owned(),
            }),
            None => {
                first.insert(name, origin);
            }
        }
    }
}

/// `` `a`, `b` or `c` ``.
pub(super) fn one_of<D: Display>(words: impl IntoIterator<Item = D>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

/// A value as it was written, on one line.
pub(super) fn written(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) if text.is_empty() => "\"\"".to_owned(),
        ValueKind::String(text) => text.clone(),
        ValueKind::Boolean(flag) => flag.to_string(),
        ValueKind::I64(number) => number.to_string(),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(written).collect();
            format!("[{}]", items.join(", "))
        }
        ValueKind::Table(_) => "{ … }".to_owned(),
        _ => String::new(),
    }
}

/// A name that can stand in a metric's label, in a path and in a URI.
pub(super) fn plain_name(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!text.is_empty() && text.len() <= 64 && text.chars().all(plain)).then(|| text.to_owned())
}

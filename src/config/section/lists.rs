//! Values of a section that hold others: lists, tables, lists of tables.

use super::{Section, written};
use crate::config::keys::Shape;
use crate::config::origin::Origin;
use crate::config::problem::{Problem, Wrong};
use ::config::{Value, ValueKind};
use std::collections::BTreeMap;

impl Section<'_> {
    /// A list of texts, each understood by `parse`; in an environment variable they stand between commas.
    pub fn list<T>(
        &mut self,
        key: &str,
        expected: &str,
        help: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        let variable = Origin::kept(value.origin()).is_variable();
        let texts: Option<Vec<(&str, Origin)>> = match &value.kind {
            ValueKind::Array(items) => items
                .iter()
                .map(|item| match &item.kind {
                    ValueKind::String(text) => Some((text.as_str(), Origin::kept(item.origin()))),
                    _ => None,
                })
                .collect(),
            ValueKind::String(text) if variable => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|text| !text.is_empty())
                    .map(|text| (text, self.origin(key)))
                    .collect(),
            ),
            _ => None,
        };
        let Some(texts) = texts else {
            let expected = format!("a list, each {expected}");
            self.wrong_value(key, value, &expected, "write `[\"…\", \"…\"]`");
            return None;
        };
        let mut parsed = Vec::with_capacity(texts.len());
        for (number, (text, origin)) in texts.into_iter().enumerate() {
            match parse(text) {
                Some(item) => parsed.push(item),
                None => self.problems.push(Problem {
                    wrong: Wrong::Value {
                        expected: expected.to_owned(),
                        found: text.to_owned(),
                    },
                    origin,
                    key: format!("{}[{number}]", self.path(key)),
                    help: help.to_owned(),
                }),
            }
        }
        Some(parsed)
    }

    /// A list of tables, each read by `read`.
    pub fn tables<T>(
        &mut self,
        key: &str,
        shape: &'static Shape,
        example: &str,
        mut read: impl FnMut(&mut Section<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        let ValueKind::Array(items) = &value.kind else {
            self.wrong_value(
                key,
                value,
                "a list of tables",
                &format!("write `{example}`"),
            );
            return None;
        };
        let mut all = Vec::with_capacity(items.len());
        for (number, item) in items.iter().enumerate() {
            let path = format!("{}[{number}]", self.path(key));
            let origin = Origin::kept(item.origin());
            let ValueKind::Table(table) = &item.kind else {
                self.problems.push(Problem {
                    wrong: Wrong::Value {
                        expected: "a table".to_owned(),
                        found: written(item),
                    },
                    origin,
                    key: path,
                    help: format!("write `{example}`"),
                });
                continue;
            };
            let mut section = Section::new(shape, path, origin, Some(table), self.problems);
            all.extend(read(&mut section));
        }
        Some(all)
    }

    /// One table, read by `read`.
    pub fn table<T>(
        &mut self,
        key: &str,
        shape: &'static Shape,
        example: &str,
        read: impl FnOnce(&mut Section<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let ValueKind::Table(table) = &value.kind else {
            self.wrong_value(key, value, "a table", &format!("write `{example}`"));
            return None;
        };
        // A table of a row has no origin of its own once it was layered; its first key has.
        let origin = table
            .values()
            .filter_map(|inner| inner.origin())
            .map(|origin| Origin::kept(Some(origin)))
            .min()
            .unwrap_or_else(|| self.origin(key));
        let mut section = Section::new(shape, self.path(key), origin, Some(table), self.problems);
        read(&mut section)
    }

    /// A table of texts under names of the site's own, in the order of the names.
    pub fn pairs(&mut self, key: &str, example: &str) -> Option<Vec<(String, String)>> {
        let value = self.value(key)?;
        let pairs: Option<Vec<(String, String)>> = match &value.kind {
            ValueKind::Table(table) => {
                let sorted: BTreeMap<_, _> = table.iter().collect();
                let pair = |(name, value): (&String, &Value)| match &value.kind {
                    ValueKind::String(text) => Some((name.clone(), text.clone())),
                    _ => None,
                };
                sorted.into_iter().map(pair).collect()
            }
            _ => None,
        };
        if pairs.is_none() {
            let help = format!("write `{example}`");
            self.wrong_value(key, value, "a table of texts", &help);
        }
        pairs
    }

    /// A text, or a list of texts.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        if let ValueKind::String(text) = &self.value(key)?.kind {
            return Some(vec![text.clone()]);
        }
        self.list(key, "a text", "put it in quotes", |text| {
            Some(text.to_owned())
        })
    }
}

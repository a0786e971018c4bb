//! Layers: files and environment, each value with its place, stacked by the `config` crate.

use super::credentials;
use super::keys::SECTIONS;
use super::origin::Origin;
use super::problem::{Problem, Wrong};
use ::config::{Map, Value, ValueKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Beginning of the environment variables that are looked at.
const PREFIX: &str = "PENTAMER__";

/// The configuration as it was written, each value with its origin.
#[derive(Debug, Default)]
pub(super) struct Raw {
    sections: Map<String, Value>,
    rows: BTreeMap<&'static str, Vec<Row>>,
}

/// One `[[…]]` table.
#[derive(Debug)]
pub(super) struct Row {
    /// Its number within its file, from 0.
    pub number: usize,
    /// Where it begins.
    pub origin: Origin,
    /// Its keys.
    pub table: Map<String, Value>,
}

impl Raw {
    /// A `[section]`, where there is one.
    pub fn section(&self, name: &str) -> Option<&Map<String, Value>> {
        match self.sections.get(name).map(|value| &value.kind) {
            Some(ValueKind::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The `[[section]]` tables, lowest layer first.
    pub fn rows(&self, name: &str) -> &[Row] {
        self.rows.get(name).map_or(&[], Vec::as_slice)
    }

    /// All that is not a `[[…]]` table that we know, in the order of names.
    pub fn top_level(&self) -> BTreeMap<&String, &Value> {
        self.sections.iter().collect()
    }
}

/// Reads all layers. What cannot be read is reported and left out.
pub(super) fn stack(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> (Raw, Vec<String>) {
    let environment: Vec<(String, String)> = environment.into_iter().collect();
    let credentials = credentials::directory(&environment);
    let place = |table: &mut Map<String, Value>| {
        if let Some(directory) = &credentials {
            credentials::place(table, directory);
        }
    };
    let mut sources = vec!["built-in defaults".to_owned()];
    let mut rows: BTreeMap<&'static str, Vec<Row>> = BTreeMap::new();
    let mut builder = ::config::Config::builder();
    if let Some(file) = file {
        for path in std::iter::once(file.to_owned()).chain(beside(file, problems)) {
            if let Some(mut table) = read_file(&path, problems) {
                place(&mut table);
                take_rows(&mut table, &mut rows, problems);
                builder = builder.add_source(Layer(table));
                sources.push(path.display().to_string());
            }
        }
    }
    let (mut variables, names) = from_environment(environment, problems);
    place(&mut variables);
    builder = builder.add_source(Layer(variables));
    sources.extend(names);
    let sections = match builder.build().map(|layered| layered.cache.kind) {
        Ok(ValueKind::Table(sections)) => sections,
        Ok(_) => Map::new(),
        Err(error) => {
            problems.push(Problem {
                wrong: Wrong::Unreadable(error.to_string()),
                origin: Origin::BuiltIn,
                key: String::new(),
                help: "check the file".to_owned(),
            });
            Map::new()
        }
    };
    (Raw { sections, rows }, sources)
}

/// One source of the stack.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl ::config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn ::config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// `conf.d/*.toml` beside a file, in the order of their names.
fn beside(file: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let folder = file.with_file_name("conf.d");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(unreadable(&folder, &error));
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    paths
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let help = match error.kind() {
        std::io::ErrorKind::NotFound => {
            "name a file that is there, or leave out `--config` for the defaults"
        }
        std::io::ErrorKind::PermissionDenied => "make it readable for the user that runs pentamer",
        std::io::ErrorKind::InvalidData => "save the file as UTF-8 text",
        _ => "make it a readable file",
    };
    Problem {
        wrong: Wrong::Unreadable(error.to_string()),
        origin: Origin::path(path),
        key: String::new(),
        help: help.to_owned(),
    }
}

/// A file's tables; broken places are reported and what could be read beside them is kept.
fn read_file(path: &Path, problems: &mut Vec<Problem>) -> Option<Map<String, Value>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(unreadable(path, &error));
            return None;
        }
    };
    let lines = Lines::new(path, &text);
    let (document, errors) = DeTable::parse_recoverable(&text);
    problems.extend(errors.into_iter().map(|error| Problem {
        origin: lines.origin(error.span().map_or(0, |span| span.start)),
        wrong: Wrong::Syntax(error.message().lines().collect::<Vec<_>>().join("; ")),
        key: String::new(),
        help: "see toml.io; text stands in quotes, lists in `[…]`".to_owned(),
    }));
    Some(table(document.get_ref(), &lines))
}

/// Byte offsets of a file as lines.
struct Lines<'a> {
    path: &'a Path,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(path: &'a Path, text: &str) -> Self {
        Self {
            path,
            starts: memchr::memchr_iter(b'\n', text.as_bytes()).collect(),
        }
    }

    fn origin(&self, offset: usize) -> Origin {
        let before = self.starts.partition_point(|end| *end < offset);
        Origin::line(self.path, before + 1)
    }
}

fn table(from: &DeTable<'_>, lines: &Lines<'_>) -> Map<String, Value> {
    from.iter()
        .map(|(key, value)| {
            let origin = lines.origin(key.span().start);
            (
                key.get_ref().to_string(),
                convert(value.get_ref(), origin, lines),
            )
        })
        .collect()
}

fn convert(value: &DeValue<'_>, origin: Origin, lines: &Lines<'_>) -> Value {
    let kind = match value {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(
                |_| ValueKind::String(number.as_str().to_owned()),
                ValueKind::I64,
            ),
        // Kept as written: 0.07 is a decimal, not the nearest binary fraction.
        DeValue::Float(number) => ValueKind::String(number.as_str().to_owned()),
        DeValue::Boolean(flag) => ValueKind::Boolean(*flag),
        DeValue::Datetime(time) => ValueKind::String(time.to_string()),
        DeValue::Array(items) => ValueKind::Array(
            items
                .iter()
                .map(|item| convert(item.get_ref(), lines.origin(item.span().start), lines))
                .collect(),
        ),
        DeValue::Table(inner) => ValueKind::Table(table(inner, lines)),
    };
    Value::new(Some(&origin.to_string()), kind)
}

/// Takes the `[[…]]` tables out of a layer, since the `config` crate would let one layer's replace another's.
fn take_rows(
    table: &mut Map<String, Value>,
    rows: &mut BTreeMap<&'static str, Vec<Row>>,
    problems: &mut Vec<Problem>,
) {
    for shape in SECTIONS.iter().filter(|shape| shape.repeated) {
        let Some(ValueKind::Array(_)) = table.get(shape.name).map(|value| &value.kind) else {
            continue;
        };
        let Some(ValueKind::Array(items)) = table.remove(shape.name).map(|value| value.kind) else {
            continue;
        };
        for (number, item) in items.into_iter().enumerate() {
            let origin = Origin::kept(item.origin());
            match item.kind {
                ValueKind::Table(table) => rows.entry(shape.name).or_default().push(Row {
                    number,
                    origin,
                    table,
                }),
                _ => problems.push(Problem {
                    wrong: Wrong::Shape {
                        name: shape.name.to_owned(),
                        right: shape.heading(),
                    },
                    origin,
                    key: format!("{}[{number}]", shape.name),
                    help: format!("write a table under `{}`", shape.heading()),
                }),
            }
        }
    }
}

/// `PENTAMER__SECTION__KEY=value` as a layer of texts, and the names that were used.
fn from_environment(
    environment: impl IntoIterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> (Map<String, Value>, Vec<String>) {
    let variables: BTreeMap<String, String> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    let mut sections: Map<String, Value> = Map::new();
    let mut names = Vec::new();
    for (name, text) in variables {
        let origin = Origin::Variable(name.clone());
        let path = name.trim_start_matches(PREFIX).to_lowercase();
        let Some((section, key)) = path
            .split_once("__")
            .filter(|(section, key)| !section.is_empty() && !key.is_empty())
        else {
            problems.push(Problem {
                wrong: Wrong::Conflict(format!("`{name}` names no key")),
                origin,
                key: path,
                help: "write `PENTAMER__SECTION__KEY`, e.g. `PENTAMER__STORAGE__DIR`".to_owned(),
            });
            continue;
        };
        let value = Value::new(Some(&origin.to_string()), ValueKind::String(text));
        let inner = sections
            .entry(section.to_owned())
            .or_insert_with(|| Value::new(Some(&origin.to_string()), Map::<String, Value>::new()));
        if let ValueKind::Table(inner) = &mut inner.kind {
            inner.insert(key.to_owned(), value);
        }
        names.push(origin.to_string());
    }
    (sections, names)
}

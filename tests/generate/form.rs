//! Segments of a message and how they are written down.

use pentamer::core::hl7::delimiters::Delimiters;
use pentamer::core::hl7::escape::escape;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Components of one field as plain text, with its number.
pub type Field = (usize, Vec<String>);

/// A segment before it is put into delimiters.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub name: &'static str,
    pub fields: Vec<Field>,
}

/// How a message is written down.
#[derive(Debug, Clone)]
pub struct Form {
    pub delimiters: Delimiters,
    pub line_end: &'static str,
    pub latin: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            delimiters: Delimiters::default(),
            line_end: "\r",
            latin: false,
        }
    }
}

/// Valid delimiters: those of the standard, or five others.
pub fn delimiters() -> impl Strategy<Value = Delimiters> {
    let others: Vec<char> = "|^~\\&#!$%@*;?{}[]_=`§".chars().collect();
    prop_oneof![
        1 => Just(Delimiters::default()),
        4 => (Just(others).prop_shuffle(), any::<bool>()).prop_map(|(others, five)| Delimiters {
            field: others[0],
            component: Some(others[1]),
            repetition: Some(others[2]),
            escape: Some(others[3]),
            subcomponent: Some(others[4]),
            truncation: five.then_some(others[5]),
        }),
    ]
}

/// Delimiters of one byte, as the header is read before its character set is known.
pub fn ascii_delimiters() -> impl Strategy<Value = Delimiters> {
    delimiters().prop_filter("ASCII", |delimiters| {
        encoding(delimiters).is_ascii() && delimiters.field.is_ascii()
    })
}

fn encoding(delimiters: &Delimiters) -> String {
    let Delimiters {
        component,
        repetition,
        escape,
        subcomponent,
        truncation,
        ..
    } = delimiters;
    [component, repetition, escape, subcomponent, truncation]
        .into_iter()
        .flatten()
        .collect()
}

/// Writes segments down.
pub fn write(segments: &[Segment], form: &Form) -> Vec<u8> {
    let delimiters = &form.delimiters;
    let component = delimiters.component.map(String::from).unwrap_or_default();
    let mut text = String::new();
    for segment in segments {
        text.push_str(segment.name);
        let mut fields: BTreeMap<usize, String> = segment
            .fields
            .iter()
            .map(|(number, parts)| {
                let parts: Vec<_> = parts.iter().map(|part| escape(part, delimiters)).collect();
                (*number, parts.join(&component))
            })
            .collect();
        let first = if segment.name == "MSH" {
            fields.insert(2, encoding(delimiters));
            let charset = if form.latin {
                "8859/1"
            } else {
                "UNICODE UTF-8"
            };
            fields.insert(18, charset.to_owned());
            if delimiters.truncation.is_some() {
                // Before 2.7 a fifth character has no meaning (C-7).
                fields.insert(12, "2.7".to_owned());
            }
            2
        } else {
            1
        };
        let last = fields.keys().next_back().copied().unwrap_or(0);
        for number in first..=last {
            text.push(delimiters.field);
            text.push_str(fields.get(&number).map_or("", String::as_str));
        }
        text.push_str(form.line_end);
    }
    if form.latin {
        text.chars()
            .map(|c| u8::try_from(u32::from(c)).expect("a character of 8859-1"))
            .collect()
    } else {
        text.into_bytes()
    }
}

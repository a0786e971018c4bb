//! One segment as fields, repetitions, components and subcomponents.
//!
//! `hl7-parser` takes fields apart, each when it is first asked for and only where it has parts: of most
//! fields of a segment nobody asks, and most of the others are plain. Where it cannot (a delimiter that
//! MSH-2 does not give, a line end within a field) it stops early and says nothing, so what it consumed is
//! compared with what it got, and the field is then split here.

use super::delimiters::Delimiters;
use super::segments::{RawSegment, nth_part};
use hl7_parser::message::Separators;
use hl7_parser::message::{Component as PeerComponent, Field as PeerField, Repeat};
use hl7_parser::parser::parse_field_with_separators;
use std::cell::OnceCell;

/// Fields that are remembered; those of longer segments are looked for each time.
const REMEMBERED: usize = 64;

/// A parsed segment; all texts are raw (still escaped) slices of the message.
#[derive(Debug)]
pub struct Segment<'t> {
    raw: RawSegment<'t>,
    delimiters: Delimiters,
    /// As the parser wants them; `None` where it cannot work with these.
    separators: Option<Separators>,
    /// What stands between separators, the name first.
    between: Vec<Between<'t>>,
}

/// What stands between two field separators.
#[derive(Debug)]
struct Between<'t> {
    text: &'t str,
    /// Taken apart, once that was asked for; `None` where it has no parts or the parser cannot.
    peer: OnceCell<Option<PeerField<'t>>>,
}

/// A field of a segment.
#[derive(Debug, Clone, Copy)]
pub struct Field<'s, 't> {
    text: &'t str,
    delimiters: &'s Delimiters,
    peer: Option<&'s PeerField<'t>>,
}

/// One repetition of a field.
#[derive(Debug, Clone, Copy)]
pub struct Repetition<'s, 't> {
    text: &'t str,
    delimiters: &'s Delimiters,
    peer: Option<&'s Repeat<'t>>,
}

/// One component of a repetition.
#[derive(Debug, Clone, Copy)]
pub struct Component<'s, 't> {
    text: &'t str,
    delimiters: &'s Delimiters,
    peer: Option<&'s PeerComponent<'t>>,
}

impl<'t> Segment<'t> {
    /// Parses one segment; total, since a segment that the parser refuses is split on demand.
    pub fn parse(raw: RawSegment<'t>, delimiters: &Delimiters) -> Self {
        let separators = match *delimiters {
            Delimiters {
                field,
                component: Some(component),
                repetition: Some(repetition),
                escape: Some(escape),
                subcomponent: Some(subcomponent),
                ..
            } => Some(Separators {
                field,
                component,
                subcomponent,
                repetition,
                escape,
                lenient_newlines: false,
            }),
            _ => None,
        };
        let between = raw.text.split(delimiters.field).take(REMEMBERED);
        Self {
            raw,
            delimiters: *delimiters,
            separators,
            between: between
                .map(|text| Between {
                    text,
                    peer: OnceCell::new(),
                })
                .collect(),
        }
    }

    /// `OBX`, …
    pub const fn name(&self) -> &'t str {
        self.raw.name
    }

    /// A field by its HL7 number (in `MSH`, field 2 is the encoding characters); empty where absent.
    pub fn field(&self, number: usize) -> Field<'_, 't> {
        // MSH-1 is the separator itself, so the fields of MSH lie one place earlier; MSH-2 has no parts.
        let is_header = matches!(self.raw.name, "MSH" | "FHS" | "BHS");
        let place = number.checked_sub(usize::from(is_header));
        let found = place
            .filter(|place| *place > 0)
            .and_then(|place| self.between.get(place));
        let (text, peer) = match found {
            Some(found) if is_header && number == 2 => (found.text, None),
            Some(found) => (found.text, self.taken_apart(found)),
            None if number == 0 || self.between.len() < REMEMBERED => ("", None),
            None => (self.raw.raw_field(number, self.delimiters.field), None),
        };
        Field {
            text,
            delimiters: &self.delimiters,
            peer,
        }
    }

    fn taken_apart<'s>(&'s self, field: &'s Between<'t>) -> Option<&'s PeerField<'t>> {
        let parsed = field.peer.get_or_init(|| {
            let separators = self.separators?;
            let parts = [
                separators.repetition,
                separators.component,
                separators.subcomponent,
            ];
            field.text.contains(parts).then_some(())?;
            let parsed = parse_field_with_separators(field.text, separators).ok();
            parsed.filter(|peer| peer.raw_value().len() == field.text.len())
        });
        parsed.as_ref()
    }
}

/// The parts of `text`; one, the whole, where the delimiter is not given.
fn parts<'t>(text: &'t str, delimiter: Option<char>) -> impl Iterator<Item = &'t str> + use<'t> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let all = rest.take()?;
        match delimiter.and_then(|c| all.split_once(c)) {
            Some((part, behind)) => {
                rest = Some(behind);
                Some(part)
            }
            None => Some(all),
        }
    })
}

fn part(text: &str, delimiter: Option<char>, number: usize) -> &str {
    match (delimiter, number.checked_sub(1)) {
        (Some(delimiter), Some(place)) => nth_part(text, delimiter, place),
        (None, Some(0)) => text,
        _ => "",
    }
}

impl<'s, 't> Field<'s, 't> {
    /// All of the field, still escaped.
    pub const fn raw(&self) -> &'t str {
        self.text
    }

    /// The repetitions; an empty field has one, which is empty.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'s, 't>> + use<'s, 't> {
        let delimiters = self.delimiters;
        let mut peers = self.peer.map(|peer| peer.repeats.iter());
        parts(self.text, delimiters.repetition).map(move |text| Repetition {
            text,
            delimiters,
            peer: peers
                .as_mut()
                .and_then(Iterator::next)
                .filter(|peer| peer.raw_value() == text),
        })
    }

    /// The first repetition.
    pub fn first(&self) -> Repetition<'s, 't> {
        self.repetitions().next().unwrap_or(Repetition {
            text: "",
            delimiters: self.delimiters,
            peer: None,
        })
    }

    /// Component `number` (from 1) of the first repetition.
    pub fn component(&self, number: usize) -> Component<'s, 't> {
        self.first().component(number)
    }
}

impl<'s, 't> Repetition<'s, 't> {
    /// All of the repetition, still escaped.
    pub const fn raw(&self) -> &'t str {
        self.text
    }

    /// Component `number` (from 1); empty where absent.
    pub fn component(&self, number: usize) -> Component<'s, 't> {
        let peer = number
            .checked_sub(1)
            .and_then(|place| self.peer.and_then(|peer| peer.components.get(place)));
        let text = match (self.peer, peer) {
            (_, Some(found)) => found.raw_value(),
            (Some(_), None) => "",
            (None, None) => part(self.text, self.delimiters.component, number),
        };
        Component {
            text,
            delimiters: self.delimiters,
            peer,
        }
    }

    /// All components.
    pub fn components(&self) -> impl Iterator<Item = Component<'s, 't>> + use<'s, 't> {
        let delimiters = self.delimiters;
        let mut peers = self.peer.map(|peer| peer.components.iter());
        parts(self.text, delimiters.component).map(move |text| Component {
            text,
            delimiters,
            peer: peers
                .as_mut()
                .and_then(Iterator::next)
                .filter(|peer| peer.raw_value() == text),
        })
    }
}

impl<'t> Component<'_, 't> {
    /// All of the component, still escaped.
    pub const fn raw(&self) -> &'t str {
        self.text
    }

    /// Subcomponent `number` (from 1), still escaped; empty where absent.
    pub fn subcomponent(&self, number: usize) -> &'t str {
        match self.peer {
            Some(peer) => number
                .checked_sub(1)
                .and_then(|place| peer.subcomponents.get(place))
                .map_or("", |found| found.raw_value()),
            None => part(self.text, self.delimiters.subcomponent, number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::hl7::segments::segments;
    use proptest::prelude::*;

    fn raw(text: &str) -> RawSegment<'_> {
        RawSegment {
            name: text.get(..3).expect("long enough"),
            text,
        }
    }

    #[test]
    fn fields_repetitions_components_subcomponents() {
        let segment = Segment::parse(raw("PID|1||A^^^H&1.2&ISO~B^x|"), &Delimiters::default());
        assert!(segment.field(3).peer.is_some());
        assert!(segment.field(1).peer.is_none(), "it has no parts");
        let ids: Vec<_> = segment.field(3).repetitions().map(|r| r.raw()).collect();
        assert_eq!(ids, vec!["A^^^H&1.2&ISO", "B^x"]);
        assert_eq!(segment.field(3).component(4).subcomponent(2), "1.2");
        assert_eq!(segment.field(3).component(9).raw(), "");
        assert_eq!(segment.field(0).raw(), "");
        assert_eq!(segment.field(99).raw(), "");
        assert_eq!(segment.field(3).first().components().count(), 4);
        assert_eq!(segment.field(2).repetitions().count(), 1);
    }

    #[test]
    fn msh_fields_are_numbered_as_in_the_standard() {
        let segment = Segment::parse(raw("MSH|^~\\&|LAB|HOSP"), &Delimiters::default());
        assert_eq!(segment.field(2).raw(), "^~\\&");
        assert_eq!(segment.field(3).raw(), "LAB");
        assert_eq!(segment.field(1).raw(), "");
    }

    #[test]
    fn what_the_parser_cannot_take_is_split_here() {
        let folded = Segment::parse(raw("NTE|1|L|one\rtwo|x"), &Delimiters::default());
        assert_eq!(folded.field(3).raw(), "one\rtwo");
        assert_eq!(folded.field(4).raw(), "x");
        let alone = Segment::parse(raw("OBX"), &Delimiters::default());
        assert_eq!(alone.field(5).component(1).raw(), "");
        let few = Delimiters {
            subcomponent: None,
            escape: None,
            repetition: None,
            ..Delimiters::default()
        };
        let segment = Segment::parse(raw("PID|1||A^B&C~D"), &few);
        assert!(segment.field(3).peer.is_none());
        assert_eq!(segment.field(3).component(2).raw(), "B&C~D");
        assert_eq!(segment.field(3).component(2).subcomponent(1), "B&C~D");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn both_ways_of_splitting_agree(text in "OBX(\\|[a-z^&~\\\\\u{E9}\r ]{0,12}){1,8}") {
            let all: Vec<_> = segments(&text, '|').collect();
            prop_assert_eq!(all.len(), 1);
            let parsed = Segment::parse(all[0], &Delimiters::default());
            let own = Segment { separators: None, ..Segment::parse(all[0], &Delimiters::default()) };
            for number in 0..12 {
                let (a, b) = (parsed.field(number), own.field(number));
                prop_assert_eq!(a.raw(), b.raw());
                for (a, b) in a.repetitions().zip(b.repetitions()) {
                    prop_assert_eq!(a.raw(), b.raw());
                    prop_assert_eq!(a.components().count(), b.components().count());
                    for place in 0..6 {
                        prop_assert_eq!(a.component(place).raw(), b.component(place).raw());
                        for sub in 0..4 {
                            prop_assert_eq!(
                                a.component(place).subcomponent(sub),
                                b.component(place).subcomponent(sub)
                            );
                        }
                    }
                }
            }
        }
    }
}

//! Which codes are which analyte (CLINICAL 3, WIRE 4.4 field 3).
//!
//! An allow-list: what is not on it is nothing of ours. Codes are compared as whole components,
//! never as parts of one (`LA12472-9` is not `2472-9`).

use super::Unit;
use super::observation::{Analyte, Specimen};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

mod loinc;
mod name;
mod screen;

pub use loinc::is_loinc;
use name::{Named, named_in, only_named};
use screen::Screen;

/// One coding of OBX-3: components 1-3, 4-6 or 10-12 (code, text, system), unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Triplet<'a> {
    /// .1, .4 or .10.
    pub code: &'a str,
    /// .2, .5 or .11.
    pub text: &'a str,
    /// .3, .6 or .12; empty where none is named.
    pub system: &'a str,
}

/// What OBX-3 names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Nothing of ours.
    No,
    /// No row's code, and a name that says this analyte and nothing else.
    Unlisted(Analyte),
    /// One analyte.
    One(Matched),
    /// Two codings that name different analytes.
    Conflict,
    /// The code names this analyte, the text another immunoglobulin (CLINICAL 3.3).
    TextMismatch(Analyte),
}

/// An analyte with what its row of the map says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// What was measured.
    pub analyte: Analyte,
    /// The code that matched, as sent.
    pub code: String,
    /// Its system, as sent.
    pub system: String,
    /// The specimen that the code implies.
    pub specimen: Option<Specimen>,
    /// The unit where OBX-6 and the value's text have none.
    pub default_unit: Option<Unit>,
    /// True for the built-in local mnemonics: they count only where the unit is one of mass (CLINICAL 3.4).
    pub needs_mass_unit: bool,
    /// True where a code without a system was taken for LOINC by its form (count `ln_guess`).
    pub guessed: bool,
}

/// One `[[analyte]]` of the site or of `config/analytes.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnalyteRow {
    /// What the code means.
    pub analyte: Analyte,
    /// The coding system, e.g. `LN`; empty = any.
    pub system: String,
    /// The code, without case; empty where only `match_text` serves.
    pub code: String,
    /// `MSH-3/MSH-4` of the feed that this is for; empty = all.
    pub feed: String,
    /// The specimen that the code implies.
    pub specimen: Option<Specimen>,
    /// The unit where OBX-6 and the value's text have none.
    pub default_unit: Option<Unit>,
    /// The whole text of a coding that serves where its code does not, without case.
    pub match_text: Option<String>,
    /// False takes this code out, of the built-in rows too.
    pub enabled: bool,
    /// Where the row comes from, for people.
    pub source: String,
}

/// The analyte map: site rows before built-in ones.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AnalyteMap {
    rows: Vec<Row>,
    /// Words of a text that say that a local mnemonic means something else.
    exclusions: Vec<String>,
    /// Words that say nothing about what is measured.
    neutral: Vec<String>,
    /// Made of the rows.
    #[serde(skip)]
    screen: Screen,
}

#[derive(Debug, Clone, Serialize)]
struct Row {
    #[serde(flatten)]
    row: AnalyteRow,
    built_in: bool,
    /// A built-in local mnemonic, trusted only with a unit of mass and without a word of exclusion.
    guarded: bool,
}

/// A row of the map, with what only the map knows of it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The row.
    pub row: &'a AnalyteRow,
    /// Of `config/analytes.toml`, not the site's.
    pub built_in: bool,
    /// It counts only with a unit of mass and without a word of exclusion (CLINICAL 3.4).
    pub guarded: bool,
}

impl AnalyteRow {
    /// Whether both rows stand for the same code of the same system on the same feed: the first of
    /// them wins always, whatever the other says.
    pub fn has_same_code(&self, other: &Self) -> bool {
        let both_empty = |a: &str, b: &str| a.trim().is_empty() && b.trim().is_empty();
        let equal = |a: &str, b: &str| both_empty(a, b) || same(a, b);
        same(&self.code, &other.code)
            && equal(&self.feed, &other.feed)
            && (both_empty(&self.system, &other.system) || same_system(&self.system, &other.system))
    }

    /// Whether both rows stand for the same text on the same feed: the first of them wins always.
    pub fn has_same_text(&self, other: &Self) -> bool {
        let text = |row: &Self| row.match_text.clone().unwrap_or_default();
        same(&text(self), &text(other))
            && (same(&self.feed, &other.feed)
                || self.feed.trim().is_empty() && other.feed.trim().is_empty())
    }

    /// Whether some OBX-3 that this row stands for is one that `other` stands for too.
    pub fn meets(&self, other: &Self) -> bool {
        let open = |a: &str, b: &str| a.trim().is_empty() || b.trim().is_empty();
        let systems = open(&self.system, &other.system) || same_system(&self.system, &other.system);
        let feeds = open(&self.feed, &other.feed) || same(&self.feed, &other.feed);
        feeds && (same(&self.code, &other.code) && systems || self.has_same_text(other))
    }
}

/// How exactly a row fits, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    SystemAndFeed,
    System,
    Feed,
    CodeAlone,
    TextOfFeed,
    Text,
}

/// `config/analytes.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    analyte: Vec<FileRow>,
    exclusions: Words,
    neutral: Words,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    words: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    analyte: Analyte,
    system: String,
    code: String,
    #[serde(default)]
    guarded: bool,
    source: String,
}

static BUILT_IN: LazyLock<AnalyteMap> = LazyLock::new(|| {
    let file: File =
        toml::from_str(include_str!("../../../config/analytes.toml")).unwrap_or_default();
    let rows: Vec<Row> = file.analyte.into_iter().map(Row::from).collect();
    AnalyteMap {
        screen: Screen::new(&rows),
        rows,
        exclusions: file.exclusions.words,
        neutral: file.neutral.words,
    }
});

impl From<FileRow> for Row {
    fn from(row: FileRow) -> Self {
        Self {
            built_in: true,
            guarded: row.guarded,
            row: AnalyteRow {
                analyte: row.analyte,
                system: row.system,
                code: row.code,
                feed: String::new(),
                specimen: Some(Specimen::Serum),
                default_unit: None,
                match_text: None,
                enabled: true,
                source: row.source,
            },
        }
    }
}

impl AnalyteMap {
    /// The built-in rows of `config/analytes.toml`.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// The same map with a site's rows before those that it has.
    #[must_use]
    pub fn with_rows(self, rows: Vec<AnalyteRow>) -> Self {
        let rows: Vec<Row> = rows
            .into_iter()
            .map(|row| Row {
                row,
                built_in: false,
                guarded: false,
            })
            .chain(self.rows)
            .collect();
        Self {
            screen: Screen::new(&rows),
            rows,
            ..self
        }
    }

    /// The rows in force, site rows first.
    pub fn rows(&self) -> impl Iterator<Item = &AnalyteRow> {
        self.rows.iter().map(|row| &row.row)
    }

    /// The rows in force, site rows first, with whether each is built in, and whether it counts only
    /// with a unit of mass and without a word of exclusion (CLINICAL 3.4).
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.rows.iter().map(|row| Entry {
            row: &row.row,
            built_in: row.built_in,
            guarded: row.guarded,
        })
    }

    /// What OBX-3 names on this feed (`MSH-3/MSH-4`).
    ///
    /// Each coding by LOINC if its system is LOINC, then by (code, system, feed), then by the code
    /// alone, then by text where a row says so. The site's word comes before the built-in one. A built-in
    /// mnemonic or a text beside a LOINC code that is not on the list is a conflict: one of them is
    /// wrong, and the list must stay the only way in.
    pub fn lookup(&self, triplets: &[Triplet<'_>], feed: &str) -> Match {
        let mut found: Vec<(Triplet<'_>, &Row, bool)> = triplets
            .iter()
            .filter_map(|triplet| {
                let (row, guessed) = self.find(triplet, feed)?;
                Some((*triplet, row, guessed))
            })
            .filter(|(_, row, _)| !row.guarded || !self.is_excluded(triplets))
            .collect();
        // The authority first: a code of LOINC needs no unit to be believed.
        found.sort_by_key(|(triplet, row, guessed)| {
            (row.guarded, *guessed, !is_loinc_system(triplet.system))
        });
        let Some((triplet, row, guessed)) = found.first() else {
            return (self.unlisted(triplets, feed)).map_or(Match::No, Match::Unlisted);
        };
        let analyte = row.row.analyte;
        let only_weak = found
            .iter()
            .all(|(triplet, row, _)| row.guarded || !same(&row.row.code, triplet.code));
        let unlisted = triplets
            .iter()
            .any(|triplet| self.is_other_loinc(triplet, feed));
        if only_weak && unlisted {
            return Match::Conflict;
        }
        if found
            .iter()
            .any(|(_, other, _)| other.row.analyte != analyte)
        {
            return Match::Conflict;
        }
        if triplets
            .iter()
            .any(|triplet| contradicts(analyte, &named_in(triplet.text)))
        {
            return Match::TextMismatch(analyte);
        }
        Match::One(Matched {
            analyte,
            code: triplet.code.trim().to_owned(),
            system: triplet.system.trim().to_owned(),
            specimen: row.row.specimen,
            default_unit: row.row.default_unit.clone(),
            needs_mass_unit: row.guarded,
            guessed: *guessed,
        })
    }

    /// Whether [`lookup`](Self::lookup) could find anything in this OBX-3, given as it came.
    ///
    /// Cheap, for every OBX of a laboratory's feed, and without false negatives: true as well where
    /// an escape could hide a code. `raw_obx3` is the undecoded field; where the sender's escape
    /// character is not `\`, and the field has it, the caller must not ask.
    pub fn may_match(&self, raw_obx3: &str) -> bool {
        self.bytes_may_match(raw_obx3.as_bytes())
    }

    /// The same for bytes that are not decoded yet, of a set in which ASCII is ASCII.
    pub fn bytes_may_match(&self, raw_obx3: &[u8]) -> bool {
        self.screen.may_match(raw_obx3)
    }

    /// IgM, IgG or IgA by name alone: a local code that the site has yet to map, or to leave out. A code of
    /// LOINC says what it is, and a row of the site has had its word.
    fn unlisted(&self, triplets: &[Triplet<'_>], feed: &str) -> Option<Analyte> {
        let told = triplets.iter().any(|triplet| {
            is_loinc_system(triplet.system)
                || is_loinc(triplet.code.trim())
                || (self.rows.iter()).any(|row| fit(&row.row, triplet, feed).is_some())
        });
        if told || self.is_excluded(triplets) {
            return None;
        }
        let mut named = triplets.iter().filter_map(|triplet| {
            let by_text = only_named(triplet.text, &self.neutral);
            by_text.or_else(|| only_named(triplet.code, &self.neutral))
        });
        let first = named.next()?;
        let ours = matches!(first, Analyte::IgM | Analyte::IgG | Analyte::IgA);
        (ours && named.all(|other| other == first)).then_some(first)
    }

    /// The row for one coding, and whether its system had to be guessed. A disabled row ends the search.
    fn find(&self, triplet: &Triplet<'_>, feed: &str) -> Option<(&Row, bool)> {
        let best = |built_in: bool, triplet: &Triplet<'_>| {
            self.rows
                .iter()
                .filter(|row| row.built_in == built_in)
                .filter_map(|row| Some((fit(&row.row, triplet, feed)?, row)))
                .min_by_key(|(fit, _)| *fit)
                .map(|(_, row)| row)
        };
        let as_loinc = (triplet.system.trim().is_empty() && is_loinc(triplet.code.trim()))
            .then_some(Triplet {
                system: "LN",
                ..*triplet
            });
        let row = [false, true].into_iter().find_map(|built_in| {
            let told = best(built_in, triplet).map(|row| (row, false));
            told.or_else(|| {
                as_loinc
                    .and_then(|triplet| best(built_in, &triplet))
                    .map(|row| (row, true))
            })
        });
        row.filter(|(row, _)| row.row.enabled)
    }

    /// Whether a coding is LOINC's, and no row's.
    fn is_other_loinc(&self, triplet: &Triplet<'_>, feed: &str) -> bool {
        is_loinc_system(triplet.system)
            && is_loinc(triplet.code.trim())
            && self.find(triplet, feed).is_none()
    }

    /// Whether a text has a word that makes a local mnemonic something else (CLINICAL 3.4, 9.24).
    fn is_excluded(&self, triplets: &[Triplet<'_>]) -> bool {
        triplets.iter().any(|triplet| {
            triplet
                .text
                .split(|letter: char| !letter.is_alphanumeric())
                .any(|word| {
                    let word = word.to_lowercase();
                    self.exclusions.contains(&word)
                })
        })
    }
}

fn fit(row: &AnalyteRow, triplet: &Triplet<'_>, feed: &str) -> Option<Fit> {
    let system = row.system.trim();
    let feed_named = !row.feed.trim().is_empty();
    if feed_named && !same(&row.feed, feed) {
        return None;
    }
    let system_fits = system.is_empty() || same_system(system, triplet.system);
    if same(&row.code, triplet.code) && system_fits {
        return Some(match (system.is_empty(), feed_named) {
            (false, true) => Fit::SystemAndFeed,
            (false, false) => Fit::System,
            (true, true) => Fit::Feed,
            (true, false) => Fit::CodeAlone,
        });
    }
    // A code of LOINC says what it is; no text says otherwise.
    row.match_text
        .as_ref()
        .filter(|_| !is_loinc(triplet.code.trim()))
        .is_some_and(|text| same(text, triplet.text))
        .then_some(if feed_named {
            Fit::TextOfFeed
        } else {
            Fit::Text
        })
}

/// Whole texts, without case and outer blanks; nothing is the same as an empty one.
fn same(one: &str, other: &str) -> bool {
    let one = one.trim();
    !one.is_empty() && one.eq_ignore_ascii_case(other.trim())
}

fn same_system(one: &str, other: &str) -> bool {
    same(one, other) || is_loinc_system(one) && is_loinc_system(other)
}

fn is_loinc_system(system: &str) -> bool {
    ["LN", "LOINC", "LNC"].iter().any(|name| same(name, system))
}

/// Whether the names in a text rule an analyte out: it names immunoglobulins, but not this one.
fn contradicts(analyte: Analyte, named: &[Named]) -> bool {
    if named.is_empty() || named.contains(&Named::Analyte(analyte)) {
        return false;
    }
    // `IgG` for a subclass of it says less, not something else.
    let is_subclass = matches!(
        analyte,
        Analyte::IgG1 | Analyte::IgG2 | Analyte::IgG3 | Analyte::IgG4
    );
    let only_igg = named
        .iter()
        .all(|name| *name == Named::Analyte(Analyte::IgG));
    !(is_subclass && only_igg)
}

#[cfg(test)]
mod tests;

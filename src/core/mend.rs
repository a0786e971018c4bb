//! Lines of a configuration that would mend what was not understood, ready to be pasted.
//!
//! A row for a code is offered only where a look-up with it gives what the row says: what no configuration
//! can mend, such as a unit that nobody can convert, has no lines. Codes of the laboratory are in them, no
//! patient data.

use super::clinical::analyte::{AnalyteMap, AnalyteRow, Match, Triplet};
use super::clinical::observation::Analyte;
use super::extract::Coding;
use super::fact::Reason;

/// Whether lines for a code may mend this.
pub const fn is_of_code(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::UnknownCode | Reason::CodeConflict | Reason::CodeTextMismatch | Reason::NoUnit
    )
}

/// Lines for what is set for a listener or the site, where that would mend it.
pub fn of_setting(reason: Reason, listener: &str) -> Option<String> {
    let of_listener = |line: &str| Some(in_listener(listener, line));
    match reason {
        Reason::AmbiguousNumber => {
            of_listener("decimal = \",\"  # or \".\": whichever this sender means")
        }
        Reason::TooLarge => of_listener("max_message = \"64 MiB\""),
        Reason::CharsetDamage => {
            of_listener("charset = \"windows-1252\"  # the set that this sender really sends")
        }
        Reason::NoPatientId => Some(
            "[site]\n# which identifier is the patient's, best first; an empty part is any\n\
             patient_id = [{ authority = \"\", type = \"MR\" }]\n"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Lines for messages of another processing id (MSH-11) than the listener reads.
pub fn of_processing(listener: &str, processing: &str) -> String {
    let line = format!(
        "processing = {}  # read these, and no others",
        quoted(processing)
    );
    in_listener(listener, &line)
}

/// Lines for results without any limits: the place for the laboratory's own.
pub fn of_interval(analyte: Analyte) -> String {
    format!(
        "# the laboratory's own limits, by age: ask it for them, these numbers are an example\n\
         [[interval]]\nanalyte = {}\nlow = 0.4\nhigh = 2.3\nunit = \"g/L\"\nfrom_age = \"18 y\"\n",
        quoted(analyte.name())
    )
}

fn in_listener(listener: &str, line: &str) -> String {
    let name = quoted(listener);
    format!("# in the table of this listener\n[[listener]]\nname = {name}\n{line}\n")
}

/// A row for the code of a result that was refused for its code, or for having no unit; `None` where
/// no row of the map would mend it.
pub fn of_code(
    reason: Reason,
    codings: &[Coding],
    feed: &str,
    analytes: &AnalyteMap,
) -> Option<String> {
    if !is_of_code(reason) {
        return None;
    }
    let triplets: Vec<Triplet<'_>> = codings.iter().map(Coding::triplet).collect();
    let row = candidates(&triplets, feed, analytes)
        .into_iter()
        .find(|row| mends(row, &triplets, feed, analytes))?;
    let mut out = String::from("[[analyte]]\n");
    let mut line = |key: &str, value: &str| {
        out.push_str(&format!("{key} = {}\n", quoted(value)));
    };
    line("analyte", row.analyte.name());
    line("system", &row.system);
    line("code", &row.code);
    if let Some(text) = &row.match_text {
        line("match_text", text);
    }
    line("feed", feed);
    out.push_str(match (reason, row.enabled) {
        (Reason::UnknownCode, _) => {
            "# enabled = false  # instead, where it is something else or not in serum\n"
        }
        (Reason::NoUnit, _) => "default_unit = \"g/L\"  # what the laboratory means; ask it\n",
        (_, true) => "# only where the laboratory says that this is what it means\n",
        (_, false) => {
            "enabled = false  # only where the laboratory says that its other code is right\n"
        }
    });
    Some(out)
}

/// Rows that could mend it, the most likely first: each coding as what it says by itself, a coding left
/// out, and each as something else.
fn candidates(triplets: &[Triplet<'_>], feed: &str, analytes: &AnalyteMap) -> Vec<AnalyteRow> {
    let row = |triplet: &Triplet<'_>, analyte: Analyte, enabled: bool| {
        let code = triplet.code.trim();
        AnalyteRow {
            analyte,
            system: triplet.system.trim().to_owned(),
            code: code.to_owned(),
            feed: feed.to_owned(),
            specimen: None,
            default_unit: None,
            match_text: code.is_empty().then(|| triplet.text.trim().to_owned()),
            enabled,
            source: String::new(),
        }
    };
    let alone = |triplet: &Triplet<'_>| match analytes.lookup(&[*triplet], feed) {
        Match::One(matched) => Some(matched.analyte),
        Match::Unlisted(analyte) | Match::TextMismatch(analyte) => Some(analyte),
        Match::Conflict | Match::No => None,
    };
    let (own, others): (Vec<_>, Vec<_>) = triplets
        .iter()
        .flat_map(|triplet| Analyte::ALL.map(|analyte| (triplet, analyte)))
        .partition(|(triplet, analyte)| alone(triplet) == Some(*analyte));
    let left_out = triplets
        .iter()
        .map(|triplet| row(triplet, alone(triplet).unwrap_or(Analyte::IgM), false));
    let named = |pairs: Vec<(&Triplet<'_>, Analyte)>| {
        let rows = pairs.into_iter();
        rows.map(|(triplet, analyte)| row(triplet, analyte, true))
            .collect::<Vec<_>>()
    };
    let mut rows = named(own);
    rows.extend(left_out);
    rows.extend(named(others));
    rows
}

fn mends(row: &AnalyteRow, triplets: &[Triplet<'_>], feed: &str, analytes: &AnalyteMap) -> bool {
    let with = analytes.clone().with_rows(vec![row.clone()]);
    match with.lookup(triplets, feed) {
        Match::One(matched) => !row.enabled || matched.analyte == row.analyte,
        Match::No | Match::Unlisted(_) | Match::Conflict | Match::TextMismatch(_) => false,
    }
}

/// For a value in TOML.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|letter| !letter.is_control()).collect();
    toml::Value::String(plain).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(reason: Reason, obx3: &str) -> Option<String> {
        let parts: Vec<&str> = obx3.split('^').collect();
        let part = |part: Option<&&str>| part.copied().unwrap_or_default().to_owned();
        let codings: Vec<Coding> = parts
            .chunks(3)
            .map(|parts| Coding {
                code: part(parts.first()),
                text: part(parts.get(1)),
                system: part(parts.get(2)),
            })
            .collect();
        of_code(reason, &codings, "LAB/HOSP", &AnalyteMap::built_in())
    }

    #[test]
    fn a_row_says_what_the_result_says() {
        let row = lines(Reason::UnknownCode, "X \"1\"^Immunoglobulin M^L").expect("a row");
        assert!(row.contains("analyte = \"IgM\""), "{row}");
        let read: toml::Table = row.parse().expect("TOML");
        assert_eq!(read["analyte"][0]["code"].as_str(), Some("X \"1\""));
        let row = lines(Reason::UnknownCode, "^Immunoglobulin A^").expect("a row");
        assert!(row.contains("match_text = \"Immunoglobulin A\""), "{row}");
    }

    #[test]
    fn what_contradicts_itself_is_mapped_to_what_no_part_contradicts() {
        let row = lines(Reason::CodeTextMismatch, "2472-9^IgG^LN").expect("a row");
        assert!(row.contains("analyte = \"IgG\""), "{row}");
        // Two codes of ours: one of them is left out, unless their texts contradict each other too.
        let row = lines(Reason::CodeConflict, "2472-9^^LN^2465-3^^LN").expect("a row");
        assert!(row.contains("\nenabled = false"), "{row}");
        let both = "2472-9^IgM^LN^2465-3^IgG^LN";
        assert_eq!(lines(Reason::CodeConflict, both), None);
    }

    #[test]
    fn what_no_row_mends_has_none() {
        assert_eq!(lines(Reason::UnknownUnit, "2472-9^IgM^LN"), None);
        assert_eq!(lines(Reason::TextValue, "2472-9^IgM^LN"), None);
        assert_eq!(of_setting(Reason::Xml, "lab"), None);
    }
}

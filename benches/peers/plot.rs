//! The plot: bars on a logarithmic scale, one group for each load, as SVG.

use super::Row;
use super::load::{Outcome, Shape};
use super::report::{when, words};
use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
/// Where bars begin and end.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 800.0;
const BAR: f64 = 16.0;
/// Messages a second at the left and right end of the scale.
const LEAST: f64 = 10.0;
const MOST: f64 = 100_000.0;

/// Where on the scale a rate is.
fn x(rate: f64) -> f64 {
    let part = (rate.max(LEAST) / LEAST).log10() / (MOST / LEAST).log10();
    LEFT + (RIGHT - LEFT) * part
}

fn colour(row: &Row) -> &'static str {
    match (row.name.as_str(), row.mode) {
        ("Pentamer", _) => "#0b6e69",
        ("bound", _) => "#8a8f98",
        (_, "ack") => "#c9b458",
        (_, "each") => "#b5651d",
        _ => "#7d5ba6",
    }
}

/// The whole picture.
pub fn svg(shapes: &[Shape], rows: &[Row]) -> String {
    let group = rows.len() as f64 * BAR + 44.0;
    let height = shapes.len() as f64 * group + 60.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#1c2430\">\n\
         <title>Right acknowledgements a second of MLLP servers</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"bold\">Right acknowledgements a second \
         (logarithmic)</text>\n"
    );
    let mut top = 48.0;
    for (place, shape) in shapes.iter().enumerate() {
        let _ = writeln!(
            out,
            "<text x=\"16\" y=\"{}\" font-weight=\"bold\">{}</text>",
            top + 10.0,
            words(shape)
        );
        top += 18.0;
        let bottom = top + rows.len() as f64 * BAR;
        for rate in [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0] {
            let at = x(rate);
            let _ = writeln!(
                out,
                "<path d=\"M{at} {top}V{bottom}\" stroke=\"#d8dce2\"/><text x=\"{at}\" y=\"{}\" \
                 text-anchor=\"middle\" fill=\"#5b6470\" font-size=\"9\">{rate}</text>",
                bottom + 11.0
            );
        }
        for row in rows {
            if let Some(outcome) = row.outcomes.get(place) {
                bar(&mut out, row, outcome, top);
            }
            top += BAR;
        }
        top += 26.0;
    }
    out.push_str("</svg>\n");
    out
}

fn bar(out: &mut String, row: &Row, outcome: &Outcome, top: f64) {
    let text = top + BAR - 5.0;
    let faults = match (outcome.wrong, outcome.missing) {
        (0, 0) => String::new(),
        (wrong, missing) => {
            format!(" <tspan fill=\"#b00020\">{wrong} wrong, {missing} missing</tspan>")
        }
    };
    let end = x(outcome.rate);
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{} ({})</text>\
         <rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>\
         <text x=\"{:.1}\" y=\"{text}\">{:.0}{faults}</text>",
        LEFT - 8.0,
        row.name,
        when(row.mode),
        top + 2.0,
        end - LEFT,
        BAR - 4.0,
        colour(row),
        end + 5.0,
        outcome.rate
    );
}

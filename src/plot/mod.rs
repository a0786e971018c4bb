//! The trend as a picture (CLINICAL 7.3), drawn here: points, limits as a band, results with a comparator as
//! open symbols, corrected and preliminary ones marked. The same stands as a table beside it.

use crate::core::patient::TrendPoint;
use std::fmt::Write as _;

/// Names the day of an instant (RFC 3339).
pub type Day<'d> = &'d dyn Fn(&str) -> String;

/// One picture.
pub struct Plot {
    /// Of what.
    pub analyte: &'static str,
    /// In what.
    pub unit: String,
    /// The picture.
    pub svg: String,
    /// The same for a narrow window.
    pub narrow: String,
}

const HEIGHT: f64 = 190.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 26.0;
/// Width of a value's label.
const LABEL: f64 = 34.0;

/// A point that can be drawn.
struct Drawn<'a> {
    point: &'a TrendPoint,
    at: i64,
    /// As reported; for one below the instrument's scale without a number its low limit.
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
}

/// One picture an analyte: IgM over the whole width, IgG and IgA beside each other below it.
///
/// `day` says when an instant (RFC 3339) was, as it is to be read.
pub fn plots(trend: &[TrendPoint], day: Day<'_>) -> Vec<Plot> {
    let drawn: Vec<Drawn<'_>> = trend.iter().filter_map(read).collect();
    let ends = (
        drawn.iter().map(|one| one.at).min(),
        drawn.iter().map(|one| one.at).max(),
    );
    let (Some(first), Some(last)) = ends else {
        return Vec::new();
    };
    ["IgM", "IgG", "IgA"]
        .into_iter()
        .filter_map(|analyte| {
            let points: Vec<&Drawn<'_>> = drawn
                .iter()
                .filter(|one| one.point.analyte == analyte)
                .collect();
            // Values in different units cannot stand on one scale: the newest unit holds.
            let unit = points.last()?.point.unit.clone();
            let points: Vec<&Drawn<'_>> = points
                .into_iter()
                .filter(|one| one.point.unit == unit)
                .collect();
            let width = if analyte == "IgM" { 760.0 } else { 380.0 };
            let says = says(analyte, &unit, &points, day);
            let svg = draw(&points, (first, last), width, &says, day);
            let narrow = draw(&points, (first, last), 380.0, &says, day);
            Some(Plot {
                analyte,
                unit,
                svg,
                narrow,
            })
        })
        .collect()
}

fn read(point: &TrendPoint) -> Option<Drawn<'_>> {
    let number = |text: &Option<String>| text.as_deref()?.parse::<f64>().ok();
    let at: jiff::Timestamp = point.at.parse().ok()?;
    let low = number(&point.low);
    let value = number(&point.value).or(low)?;
    Some(Drawn {
        point,
        at: at.as_second(),
        value,
        low,
        high: number(&point.high),
    })
}

fn shown(one: &Drawn<'_>) -> String {
    match &one.point.value {
        Some(value) => format!("{}{value}", one.point.comparator),
        None => "<".to_owned(),
    }
}

fn says(analyte: &str, unit: &str, points: &[&Drawn<'_>], day: Day<'_>) -> String {
    let values: Vec<String> = points
        .iter()
        .map(|one| format!("{} on {}", shown(one), day(&one.point.at)))
        .collect();
    format!("{analyte} in {unit}: {}", values.join(", "))
}

/// The top of the scale: a round number above all that is drawn.
fn ceiling(points: &[&Drawn<'_>]) -> f64 {
    let of = |one: &&Drawn<'_>| one.value.max(one.low.unwrap_or(0.0));
    let values = points.iter().map(of).fold(0.0, f64::max);
    let limits = points.iter().filter_map(|one| one.high).fold(0.0, f64::max);
    let most = (values * 1.15).max(limits * 1.05).max(f64::MIN_POSITIVE);
    let step = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let round = steps.into_iter().find(|times| times * step >= most);
    round.unwrap_or(10.0) * step
}

fn draw(
    points: &[&Drawn<'_>],
    (first, last): (i64, i64),
    width: f64,
    says: &str,
    day: Day<'_>,
) -> String {
    let top = ceiling(points);
    let right = width - RIGHT;
    let span = (last - first).max(1) as f64;
    // A single day stands in the middle.
    let inner = right - LEFT - 2.0 * LABEL / 2.0;
    let x = |at: i64| {
        if first == last {
            (LEFT + right) / 2.0
        } else {
            LEFT + LABEL / 2.0 + (at - first) as f64 / span * inner
        }
    };
    let bottom = HEIGHT - BOTTOM;
    let y = |value: f64| bottom - (value / top).clamp(0.0, 1.0) * (bottom - TOP);
    let mut out = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(says)
    );
    band(&mut out, points, &x, &y, (LEFT, right), (TOP, top));
    let _ = write!(
        out,
        "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>"
    );
    for value in [0.0, top / 2.0, top] {
        let at = y(value);
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{} {at:.1}h4\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 4.0,
            LEFT - 7.0,
            at + 4.0,
            number(value)
        );
    }
    days(&mut out, points, &x, bottom, day);
    let line: Vec<String> = points
        .iter()
        .map(|one| format!("{:.1} {:.1}", x(one.at), y(one.value)))
        .collect();
    let _ = write!(out, "<path class=\"line\" d=\"M{}\"/>", line.join("L"));
    let mut free = f64::MIN;
    for one in points {
        let (cx, cy) = (x(one.at), y(one.value));
        symbol(&mut out, one, cx, cy);
        // Labels do not run into each other; the table has them all.
        if cx - LABEL / 2.0 >= free {
            free = cx + LABEL / 2.0;
            let above = if cy < TOP + 16.0 { cy + 18.0 } else { cy - 9.0 };
            let _ = write!(
                out,
                "<text class=\"v\" x=\"{cx:.1}\" y=\"{above:.1}\" text-anchor=\"middle\">{}</text>",
                escaped(&shown(one))
            );
        }
    }
    out.push_str("</svg>");
    out
}

/// Limits as a band, each result's own from half way to the one before to half way to the next.
fn band(
    out: &mut String,
    points: &[&Drawn<'_>],
    x: &dyn Fn(i64) -> f64,
    y: &dyn Fn(f64) -> f64,
    (left, right): (f64, f64),
    (upper, top): (f64, f64),
) {
    let mut lines = String::new();
    for (index, one) in points.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| points.get(before));
        let after = points.get(index + 1);
        let half = |other: &&Drawn<'_>| f64::midpoint(x(one.at), x(other.at));
        let (from, to) = (before.map_or(left, half), after.map_or(right, half));
        if one.low.is_none() && one.high.is_none() {
            continue;
        }
        let high = one.high.map_or(upper, |high| y(high.min(top)));
        let low = y(one.low.unwrap_or(0.0));
        let _ = write!(
            out,
            "<path class=\"band\" d=\"M{from:.1} {high:.1}H{to:.1}V{low:.1}H{from:.1}Z\"/>"
        );
        for limit in [one.low, one.high].into_iter().flatten() {
            let at = y(limit);
            let _ = write!(
                lines,
                "<path class=\"limit\" d=\"M{from:.1} {at:.1}H{to:.1}\"/>"
            );
        }
    }
    out.push_str(&lines);
}

fn days(
    out: &mut String,
    points: &[&Drawn<'_>],
    x: &dyn Fn(i64) -> f64,
    bottom: f64,
    day: Day<'_>,
) {
    const WIDTH: f64 = 74.0;
    let mut ends: Vec<&&Drawn<'_>> = points.iter().collect();
    // First and last before those between.
    if let Some(last) = ends.pop() {
        ends.insert(ends.len().min(1), last);
    }
    let mut taken: Vec<f64> = Vec::new();
    for one in ends {
        let at = x(one.at);
        let _ = write!(out, "<path class=\"axis\" d=\"M{at:.1} {bottom}v4\"/>");
        if taken.iter().all(|other| (other - at).abs() >= WIDTH) {
            taken.push(at);
            let text = day(&one.point.at);
            let _ = write!(
                out,
                "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 17.0,
                escaped(&text)
            );
        }
    }
}

fn symbol(out: &mut String, one: &Drawn<'_>, x: f64, y: f64) {
    let open = !one.point.comparator.is_empty() || one.point.value.is_none();
    let low = one.point.state == "low";
    let class = match (low, open) {
        (true, true) => "p l open",
        (true, false) => "p l",
        (false, true) => "p open",
        (false, false) => "p",
    };
    if one.point.preliminary {
        let _ = write!(
            out,
            "<path class=\"{class} pre\" d=\"M{x:.1} {:.1}l5 5l-5 5l-5 -5z\"/>",
            y - 5.0
        );
    } else {
        let _ = write!(
            out,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
        );
    }
    if one.point.corrected {
        let _ = write!(
            out,
            "<rect class=\"ring\" x=\"{:.1}\" y=\"{:.1}\" width=\"14\" height=\"14\"/>",
            x - 7.0,
            y - 7.0
        );
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

//! Alerts a week as a picture: pages below, what only the worklist gets above them.

use crate::screen::Week;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const HEIGHT: f64 = 200.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// Width of a date below the axis.
const LABEL: f64 = 84.0;

/// Bars from the first week to the last, empty ones too.
pub(super) fn weeks(weeks: &BTreeMap<Date, Week>, width: f64) -> String {
    let ends = weeks.keys().next().zip(weeks.keys().next_back());
    let Some((first, last)) = ends else {
        return String::new();
    };
    let place = |monday: &Date| {
        let days = monday.since(*first).map_or(0, |span| span.get_days());
        f64::from(days / 7)
    };
    let count = place(last) + 1.0;
    let most = weeks.values().map(Week::all).max().unwrap_or(1).max(1);
    let top = ceiling(most);
    let step = (width - LEFT - RIGHT) / count;
    let bar = (step * 0.85).min(28.0);
    let bottom = HEIGHT - BOTTOM;
    let height = |count: u64| count as f64 / top * (bottom - TOP);
    let mut out = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-label=\"Alerts a week, at most {most}\">"
    );
    let _ = write!(
        out,
        "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{}\"/>",
        width - RIGHT
    );
    for value in [0.0, top / 2.0, top] {
        let y = bottom - value / top * (bottom - TOP);
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{} {y:.1}h4\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            LEFT - 4.0,
            LEFT - 7.0,
            y + 4.0
        );
    }
    let mut free = f64::MIN;
    for (monday, week) in weeks {
        let x = LEFT + (place(monday) + 0.5) * step;
        let mut y = bottom;
        let pages = week.pages.iter().zip(["routine", "prompt", "urgent"]);
        let rest = week.worklist.iter().zip(["work"; 3]);
        for (count, class) in pages.chain(rest).filter(|(count, _)| **count > 0) {
            y -= height(*count);
            let _ = write!(
                out,
                "<rect class=\"bar {class}\" x=\"{:.2}\" y=\"{y:.2}\" width=\"{bar:.2}\" height=\"{:.2}\"/>",
                x - bar / 2.0,
                height(*count)
            );
        }
        let inside = x - LABEL / 2.0 >= 0.0 && x + LABEL / 2.0 <= width;
        if x - LABEL / 2.0 >= free && inside {
            free = x + LABEL / 2.0;
            let _ = write!(
                out,
                "<path class=\"axis\" d=\"M{x:.1} {bottom}v4\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{monday}</text>",
                bottom + 18.0
            );
        }
    }
    out.push_str("</svg>");
    out
}

/// A round number that is not less, and whose half is a whole one.
fn ceiling(most: u64) -> f64 {
    let mut step = 1.0;
    loop {
        for times in [2.0, 4.0, 6.0, 8.0, 10.0] {
            if times * step >= most as f64 {
                return times * step;
            }
        }
        step *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_week_has_its_bars_within_the_picture() {
        let week = |pages: [u64; 3], worklist: [u64; 3]| Week { pages, worklist };
        let drawn = weeks(
            &BTreeMap::from([
                (jiff::civil::date(2025, 1, 6), week([1, 0, 2], [0, 0, 0])),
                (jiff::civil::date(2025, 12, 29), week([0, 3, 0], [4, 0, 0])),
            ]),
            380.0,
        );
        assert_eq!(drawn.matches("class=\"bar").count(), 4);
        assert!(!drawn.contains("y=\"-"), "{drawn}");
        assert_eq!((ceiling(1), ceiling(7), ceiling(11)), (2.0, 8.0, 20.0));
        assert_eq!(weeks(&BTreeMap::new(), 380.0), "");
    }
}

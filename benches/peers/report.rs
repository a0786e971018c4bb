//! What was measured as a table (Markdown) and as CSV.

use super::Row;
use super::load::{Outcome, Shape};
use std::fmt::Write as _;

/// A load in a few words.
pub fn words(shape: &Shape) -> String {
    let many = if shape.connections == 1 { "" } else { "s" };
    match shape.in_flight {
        1 => format!("{} connection{many}", shape.connections),
        more => format!("{} connection{many}, {more} in flight", shape.connections),
    }
}

/// When a server acknowledges, in a few words.
pub fn when(mode: &str) -> &'static str {
    match mode {
        "ack" => "at once",
        "each" => "append, fdatasync each",
        _ => "append, fdatasync a group",
    }
}

/// How many times as fast the second server is.
fn ratio(of: &Outcome, to: &Outcome) -> String {
    if of.rate == 0.0 {
        return "never right".to_owned();
    }
    format!("{:.2}", to.rate / of.rate)
}

fn heading(out: &mut String, first: &str, shapes: &[Shape]) {
    let columns: Vec<String> = shapes.iter().map(words).collect();
    let _ = writeln!(out, "| {first} | acknowledges | {} |", columns.join(" | "));
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(shapes.len()));
}

/// Ratios first: how many times as fast Pentamer is; then all figures.
pub fn table(shapes: &[Shape], rows: &[Row]) -> String {
    let mut out = String::new();
    let Some(ours) = rows.iter().find(|row| row.name == "Pentamer") else {
        return out;
    };
    heading(&mut out, "Pentamer is so many times as fast as", shapes);
    for row in rows.iter().filter(|row| row.name != "Pentamer") {
        let cells = row.outcomes.iter().zip(&ours.outcomes);
        let cells: Vec<String> = cells.map(|(of, to)| ratio(of, to)).collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            row.name,
            when(row.mode),
            cells.join(" | ")
        );
    }
    out.push('\n');
    heading(
        &mut out,
        "right acknowledgements a second; p50 / p99",
        shapes,
    );
    for row in rows {
        let cells: Vec<String> = row.outcomes.iter().map(cell).collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            row.name,
            when(row.mode),
            cells.join(" | ")
        );
    }
    for (place, shape) in shapes.iter().enumerate() {
        let durable = rows
            .iter()
            .filter(|row| row.mode != "ack" && !matches!(row.name.as_str(), "bound" | "Pentamer"));
        let best = durable
            .filter_map(|row| Some((row, row.outcomes.get(place)?)))
            .max_by(|a, b| a.1.rate.total_cmp(&b.1.rate));
        if let (Some((row, outcome)), Some(ours)) = (best, ours.outcomes.get(place)) {
            let _ = write!(
                out,
                "\n{}: the best durable peer is {} ({}); Pentamer is {} times as fast",
                words(shape),
                row.name,
                when(row.mode),
                ratio(outcome, ours)
            );
        }
    }
    out
}

fn cell(outcome: &Outcome) -> String {
    let mut cell = match outcome.right {
        0 => "none right".to_owned(),
        _ => format!(
            "{:.0}; {:.2} / {:.2} ms",
            outcome.rate, outcome.p50, outcome.p99
        ),
    };
    for (count, name) in [(outcome.wrong, "wrong"), (outcome.missing, "missing")] {
        if count > 0 {
            let _ = write!(cell, "; **{count} {name}**");
        }
    }
    cell
}

/// One line for each server and load.
pub fn csv(shapes: &[Shape], rows: &[Row]) -> String {
    let mut out = "server,acknowledges,connections,in_flight,right_per_second,p50_ms,p99_ms,right,wrong,missing\n"
        .to_owned();
    for row in rows {
        for (shape, outcome) in shapes.iter().zip(&row.outcomes) {
            let _ = writeln!(
                out,
                "{},{},{},{},{:.1},{:.3},{:.3},{},{},{}",
                row.name,
                row.mode,
                shape.connections,
                shape.in_flight,
                outcome.rate,
                outcome.p50,
                outcome.p99,
                outcome.right,
                outcome.wrong,
                outcome.missing
            );
        }
    }
    out
}

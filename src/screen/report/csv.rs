//! One line a case, for a spreadsheet.

use super::Report;
use super::shown::Shown;
use crate::core::alert::PhiLevel;

/// The cases as CSV (RFC 4180) with a line of names. Columns of what may not be told are not there.
pub fn csv(report: &Report<'_>) -> String {
    let cases = &report.screened.findings.cases;
    let mut out = String::new();
    let mut is_first = true;
    for (number, case) in (1..).zip(cases) {
        let shown = Shown::of(number, case, report.policy, report.level);
        let row = row(&shown, report.level);
        if is_first {
            line(&mut out, row.iter().map(|(name, _)| (*name).to_owned()));
            is_first = false;
        }
        line(&mut out, row.into_iter().map(|(_, value)| value));
    }
    out
}

fn row(case: &Shown<'_>, level: PhiLevel) -> Vec<(&'static str, String)> {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let mut row = vec![("case", case.number.to_string())];
    if level >= PhiLevel::Minimum {
        row.push(("patient", text(case.key)));
    }
    if level == PhiLevel::Full {
        row.push(("name", text(case.name)));
        row.push(("birth_date", text(case.birth_date)));
    }
    row.extend([
        ("sex", case.sex.to_owned()),
        ("age", case.age.to_owned()),
        ("severity", case.severity.to_owned()),
        ("persistent", yes_no(case.persistent)),
        ("open", yes_no(case.open)),
        ("opened", case.opened.clone()),
        ("classification", case.classification.to_owned()),
        ("tier", text(case.tier)),
        ("lowest_igm", case.lowest.to_owned()),
        ("igm_results", case.igm.to_string()),
        ("pages", case.pages.to_string()),
        ("alerts", case.alerts.to_string()),
        ("associations", case.associations.join("; ")),
    ]);
    if let Some(episodes) = case.episodes {
        let ids: Vec<&str> = episodes.iter().map(|episode| episode.id.as_str()).collect();
        row.push(("episodes", ids.join(" ")));
        row.push(("sentence", text(case.sentence)));
    }
    row
}

fn line(out: &mut String, values: impl Iterator<Item = String>) {
    let fields: Vec<String> = values.map(|value| field(&value)).collect();
    out.push_str(&fields.join(","));
    out.push_str("\r\n");
}

/// What a spreadsheet takes for a formula is made text.
fn field(value: &str) -> String {
    let formula = value.starts_with(['=', '+', '-', '@', '\t']);
    let value = if formula {
        format!("'{value}")
    } else {
        value.to_owned()
    };
    if value.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_are_quoted_and_no_formulas() {
        assert_eq!(field("a"), "a");
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(field("=1+1"), "'=1+1");
    }
}

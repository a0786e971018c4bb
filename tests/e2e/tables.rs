//! The site's tables in a running daemon, and what `pentamer check` says of them.

use super::harness::{Home, Pentamer, command, panel};
use pentamer::core::fact::Fact;
use std::path::Path;
use std::process::Output;

fn check(args: &[&str], config: &Path) -> Output {
    let mut check = command();
    check.arg("check").arg("--config").arg(config).args(args);
    check.output().expect("ran")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A panel with a local code for IgM and neither range nor flag.
fn local(control_id: &str, patient: &str, igm: &str) -> String {
    panel(control_id, patient, igm, "11.0", "2.0")
        .replace("2472-9^IgM^LN", "IGMS^IgM^L")
        .replace("g/L|0.4-2.3|", "g/L||")
}

fn policies(home: &Home) -> Vec<String> {
    crate::offline::facts(&home.data())
        .into_iter()
        .filter_map(|(_, fact)| match fact {
            Fact::PolicyChanged { policy, .. } => Some(policy),
            _ => None,
        })
        .collect()
}

const LOW_LIMIT: &str = "[[interval]]\nanalyte = \"IgM\"\nlow = 0.5\nhigh = 2.0\nunit = \"g/L\"\n";
const CODE: &str = "[[analyte]]\nanalyte = \"IgM\"\nsystem = \"L\"\ncode = \"IGMS\"\n";

/// A laboratory's own code was not mapped and its interval not known: nothing was seen. Both are
/// added and the daemon starts again: the change is in the journal, nobody is paged for what was
/// received before, and the next result pages by the new table.
#[test]
fn a_changed_table_is_recorded_and_pages_nobody_by_itself() {
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    let unremarkable = panel("2", "2", "0.45", "11.0", "2.0").replace("0.4-2.3", "");
    assert_eq!(sender.exchange(&unremarkable), "AA");
    daemon.settle();
    // IgG and IgA alone are news; this one has nothing that was known, so nothing was decided.
    let unknown = local("1", "1", "0.45");
    let unknown = unknown.split("OBX|2").next().expect("one OBX");
    assert_eq!(sender.exchange(unknown), "AA");
    daemon.settle();
    let (home, _) = daemon.stop();
    assert!(home.alerts().is_empty());
    let first = policies(&home);
    assert_eq!(first.len(), 1, "{first:?}");

    let daemon = Pentamer::start(home);
    daemon.settle();
    let (home, _) = daemon.stop();
    assert_eq!(policies(&home), first, "nothing changed");

    let daemon = Pentamer::start(home.with_extra(&format!("{CODE}{LOW_LIMIT}")));
    daemon.settle();
    assert!(
        daemon.home.alerts().is_empty(),
        "{:?}",
        daemon.home.alerts()
    );
    assert_eq!(daemon.connect().exchange(&local("3", "3", "0.45")), "AA");
    daemon.settle();
    let alerts = daemon.home.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let data = &alerts[0]["data"];
    assert_eq!(data["patient"]["id"], "3");
    assert_eq!(data["evidence"][0]["interval_source"], "site");
    assert_eq!(data["evidence"][0]["low"], "0.5");
    let (home, _) = daemon.stop();
    let changed = policies(&home);
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert_eq!(changed[0], first[0]);
    assert_ne!(changed[1], first[0]);
    assert_eq!(data["policy"], changed[1].as_str());

    // A cache that is built again comes to the same, and pages nobody either.
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1);
    let (home, _) = daemon.stop();
    assert_eq!(policies(&home), changed);
}

#[test]
fn check_prints_the_tables_in_force_with_aligned_columns() {
    let home = Home::new("", &format!("{CODE}{LOW_LIMIT}"));
    let config = home.config();
    let output = check(&["--print", "intervals"], &config);
    assert!(output.status.success());
    let said = text(&output.stdout);
    let mut lines = said.lines();
    let heading = lines.next().expect("a heading");
    let column = heading.find("IN G/L").expect("a column");
    for line in lines.clone() {
        assert!(
            line.is_char_boundary(column) && !line[column..].starts_with(' '),
            "{line}"
        );
        assert!(line[..column].ends_with("  "), "{line}");
    }
    let site = lines.next().expect("a row");
    assert!(
        site.starts_with("IgM") && site.contains("site") && site.contains("0.5-2.0 g/L"),
        "{site}"
    );
    assert!(lines.next().is_some_and(|line| line.contains("built-in")));

    let analytes = text(&check(&["--print=analytes"], &config).stdout);
    assert!(
        analytes.contains("IGMS") && analytes.contains("2472-9"),
        "{analytes}"
    );
    let associations = text(&check(&["--print", "associations"], &config).stdout);
    assert!(associations.contains("multiple myeloma"), "{associations}");

    let all = check(&["--print"], &config);
    assert_eq!(all.stdout, check(&["--print", "all"], &config).stdout);
    assert!(text(&all.stdout).contains("[[interval]]\nanalyte = \"IgM\""));
    let nonsense = check(&["--print", "interval"], &config);
    assert_eq!(nonsense.status.code(), Some(2));
    assert!(
        text(&nonsense.stderr).contains("intervals"),
        "the nearest is told"
    );
}

#[test]
fn check_warns_on_stderr_and_is_content() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/warned/intervals.toml");
    let output = check(&[], &config);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    let said = text(&output.stderr);
    for part in [
        "ages 15y to 18y",
        "intervals.toml:9",
        "intervals.toml:17",
        "there the built-in interval applies",
        "would fit in mg/dL",
        "good:",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
    let contradiction = config.with_file_name("../wrong/contradiction.toml");
    assert_eq!(check(&[], &contradiction).status.code(), Some(2));
}

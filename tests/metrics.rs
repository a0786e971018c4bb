//! docs/metrics.md names every metric that there is, and rules and dashboard only such.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn names(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in text.split("pentamer_").skip(1) {
        let end = part
            .find(|c: char| !c.is_ascii_lowercase() && c != '_')
            .unwrap_or(part.len());
        let name = part[..end].trim_end_matches("_bucket");
        if !name.is_empty() {
            found.insert(format!("pentamer_{name}"));
        }
    }
    found
}

fn in_sources(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            in_sources(&path, found);
        } else {
            let text = fs::read_to_string(&path).expect("text");
            let quoted = text.split('"').skip(1).step_by(2);
            let metrics = quoted.filter(|text| {
                text.starts_with("pentamer_")
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            });
            found.extend(metrics.map(str::to_owned));
        }
    }
}

#[test]
fn every_metric_is_told_of_and_none_that_there_is_not() {
    let mut there = BTreeSet::new();
    in_sources(Path::new("src/telemetry"), &mut there);
    let told = names(&fs::read_to_string("docs/metrics.md").expect("read"));
    let missing: Vec<_> = there.difference(&told).collect();
    assert!(
        there.len() > 25 && missing.is_empty(),
        "docs/metrics.md lacks {missing:?}"
    );
    for file in ["docs/prometheus-rules.yml", "docs/grafana-dashboard.json"] {
        let used = names(&fs::read_to_string(file).expect("read"));
        let unknown: Vec<_> = used.difference(&there).collect();
        assert!(unknown.is_empty(), "{file} uses {unknown:?}");
    }
    let dashboard = fs::read_to_string("docs/grafana-dashboard.json").expect("read");
    assert!(serde_json::from_str::<serde_json::Value>(&dashboard).is_ok());
}

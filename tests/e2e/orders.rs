//! One archive, live and replayed, online and offline, and looked back at, in three orders: the same at
//! the end.

use super::harness::{Home, Pentamer, command};
use super::screen::{episodes, outcome};
use pentamer::generate::random::Random;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Output;

/// A generated archive, a file a message, in order of time.
struct Archive {
    dir: tempfile::TempDir,
    files: Vec<PathBuf>,
}

impl Archive {
    fn generate() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let words = "generate --seed 21 --messages 3000 --hospital 1500 --low 60 --format files";
        let made = command()
            .args(words.split(' '))
            .arg("--out")
            .arg(dir.path())
            .status();
        assert!(made.expect("ran").success());
        let files = pentamer::archive::folder::files(dir.path());
        let files: Vec<PathBuf> = files.into_iter().map(|file| file.expect("read")).collect();
        assert_eq!(files.len(), 3000);
        Self { dir, files }
    }

    /// As it is, backwards, and shuffled.
    fn orders(&self) -> [(&'static str, Vec<PathBuf>); 3] {
        let mut backwards = self.files.clone();
        backwards.reverse();
        let mut shuffled = self.files.clone();
        let mut random = Random::new(21);
        for place in (1..shuffled.len()).rev() {
            shuffled.swap(place, random.below(place as u64 + 1) as usize);
        }
        [
            ("as it is", self.files.clone()),
            ("backwards", backwards),
            ("shuffled", shuffled),
        ]
    }

    /// Everybody whose immunoglobulins are in it or who was merged, as the API names them.
    fn people(&self) -> BTreeSet<String> {
        let mut people = BTreeSet::new();
        let (mut merges, mut corrections) = (0, 0);
        for file in &self.files {
            let raw = std::fs::read(file).expect("read");
            let text = String::from_utf8_lossy(&raw);
            let has_igm = text.contains("|2472-9^") || text.contains("|IGM^");
            merges += u32::from(text.contains("\rMRG|"));
            corrections += u32::from(has_igm && text.contains("|||C\r"));
            if !has_igm && !text.contains("\rMRG|") {
                continue;
            }
            let ids = text.split('\r').filter_map(|line| {
                let list = line.strip_prefix("PID|1||");
                list.or_else(|| line.strip_prefix("MRG|"))
            });
            let ids = ids.filter_map(|list| list.split('^').next().filter(|id| !id.is_empty()));
            people.extend(ids.map(|id| format!("HOSP:{id}")));
        }
        assert!(merges > 4 && corrections > 4, "{merges}, {corrections}");
        people
    }
}

fn run(words: &[&str], files: &[PathBuf]) -> Output {
    let output = command().args(words).args(files).output().expect("ran");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// How people stand in a daemon at the end, by surviving id: the verdict, and the episodes that stand.
///
/// Not compared is what is bound to the way on which it came about: which transitions were told, and
/// the ids of episodes, that are those of the result which opened them first.
fn standing(daemon: &Pentamer, people: &BTreeSet<String>) -> BTreeMap<String, Value> {
    let mut standing = BTreeMap::new();
    for person in people {
        let path = format!("/api/v1/patients/{}", person.replace(':', "%3A"));
        let (status, body) = daemon.get(&path);
        if status == 404 {
            continue;
        }
        assert_eq!(status, 200, "{person}");
        let patient: Value = serde_json::from_str(&body).expect("JSON");
        let key = patient["key"].as_str().expect("a key").to_owned();
        let mut shown = json!({"episodes": opened(&patient)});
        for part in [
            "classification",
            "tier",
            "tier_reason",
            "severity",
            "rule",
            "sentence",
            "qualifiers",
            "missing",
            "associations",
            "trend",
        ] {
            shown[part] = patient[part].clone();
        }
        standing.insert(key, shown);
    }
    standing
}

/// Since when, and whether open or resolved, of every episode that stands.
fn opened(patient: &Value) -> Vec<(String, String)> {
    let all = episodes(patient).into_iter();
    all.map(|one| (one.0, one.1)).collect()
}

/// Whoever of two has something else than the other.
fn different<'v>(
    one: &'v BTreeMap<String, Value>,
    other: &'v BTreeMap<String, Value>,
) -> Option<(&'v String, Option<&'v Value>, Option<&'v Value>)> {
    let keys = one.keys().chain(other.keys());
    let mut pairs = keys.map(|key| (key, one.get(key), other.get(key)));
    pairs.find(|(_, one, other)| one != other)
}

#[test]
fn live_replay_and_screen_in_three_orders_end_the_same() {
    let archive = Archive::generate();
    let people = archive.people();
    assert!(people.len() > 50, "{}", people.len());

    let live = Pentamer::start(Home::new("", ""));
    let address = live.mllp.to_string();
    run(
        &["send", &address, "--in-flight", "16", "--quiet"],
        &archive.files,
    );
    live.settle();
    let expected = standing(&live, &people);
    let with_episodes = |part: &dyn Fn(&Value) -> bool| {
        let all = expected.values();
        all.filter(|one| one["episodes"].as_array().into_iter().flatten().any(part))
            .count()
    };
    let (open, resolved) = (
        with_episodes(&|episode| episode[1] == "open"),
        with_episodes(&|episode| episode[1] == "resolved"),
    );
    assert!(open > 10 && resolved > 1, "{open}, {resolved}");

    let mut screened: Option<Value> = None;
    for (name, files) in archive.orders() {
        let report = archive.dir.path().with_extension("json");
        let path = report.to_str().expect("text");
        run(&["screen", "--quiet", "--report", path], &files);
        let found: Value =
            serde_json::from_slice(&std::fs::read(&report).expect("read")).expect("JSON");
        std::fs::remove_file(&report).expect("removed");
        let screened = screened.get_or_insert_with(|| found.clone());
        assert_eq!(outcome(&found), outcome(screened), "screened {name}");

        let online = Pentamer::start(Home::new("", ""));
        let server = format!("http://{}", online.http);
        let words = ["replay", "--listener", "lab", "--server", &server];
        run(&words, &files);
        online.settle();
        let found = standing(&online, &people);
        assert_eq!(different(&found, &expected), None, "replayed {name}");

        let (home, _) = Pentamer::start(Home::new("", "")).stop();
        let config = home.config();
        let config = config.to_str().expect("text").to_owned();
        run(&["replay", "--offline", "--config", &config], &files);
        let offline = Pentamer::start(home);
        offline.settle();
        let found = standing(&offline, &people);
        assert_eq!(
            different(&found, &expected),
            None,
            "replayed offline {name}"
        );
    }

    // A screening knows who is who from the beginning; at the end the daemon knows it too.
    let screened = screened.expect("a report");
    let mut cases = 0;
    for case in screened["cases"].as_array().expect("cases") {
        let key = case["patient"].as_str().expect("a key");
        let known = &expected[key];
        assert_eq!(json!(opened(case)), known["episodes"], "{key}");
        for part in ["classification", "tier"] {
            assert_eq!(case[part], known[part], "{part} of {key}");
        }
        cases += 1;
    }
    let with_any = with_episodes(&|_| true);
    assert_eq!(cases, with_any, "cases, and patients with episodes");
}

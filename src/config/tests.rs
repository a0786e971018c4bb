//! Whole files, good ones and wrong ones, as in `tests/configs/`.

use super::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

const REFERENCE: &str = "config/pentamer.toml";

fn no_environment() -> [(String, String); 0] {
    []
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn loaded(path: &str) -> Loaded {
    load(Some(Path::new(path)), no_environment()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(path: &str, environment: &[(&str, &str)]) -> String {
    load(Some(Path::new(path)), variables(environment))
        .map(|loaded| format!("{:?}", loaded.config))
        .expect_err("a wrong configuration")
        .to_string()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn the_reference_equals_the_defaults() {
    let reference = loaded(REFERENCE).config;
    let built_in = Config::built_in();
    assert_eq!(format!("{reference:#?}"), format!("{built_in:#?}"));
    let mut policy = Policy::built_in();
    let reading = crate::core::policy::ListenerReading::default();
    policy.listeners.insert("default".to_owned(), reading);
    assert_eq!(reference.policy().hash(), policy.hash());
}

/// Keys by section, those in comments too.
fn keys_of_reference() -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(REFERENCE).expect("the reference");
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && key
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            keys.insert((section.clone(), key.to_owned()));
        }
    }
    keys
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let known: BTreeSet<(String, String)> = SECTIONS
        .iter()
        .flat_map(|shape| {
            shape
                .keys
                .iter()
                .map(|key| (shape.name.to_owned(), (*key).to_owned()))
        })
        .collect();
    assert_eq!(keys_of_reference(), known);
}

#[test]
fn the_commented_rows_of_the_reference_are_right() {
    let text = std::fs::read_to_string(REFERENCE).expect("the reference");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pentamer.toml");
    let uncommented: String = text
        .lines()
        .map(|line| {
            let inner = line.strip_prefix("# ").unwrap_or(line);
            let is_code = inner.starts_with("[[")
                || inner
                    .split_once(" = ")
                    .is_some_and(|(key, _)| !key.contains(' '));
            // Files that are not there, keys of a relay, and of sinks of other kinds than that row's.
            let skip = [
                "digest",
                "path",
                "tls",
                "relay_to",
                "relay_tls",
                "encryption_key_file",
                // Holds with proxies only.
                "trusted_header",
                "url",
                "secret_file",
                "token_file",
                "preset",
                "headers",
                "template_file",
                "content_type",
                "server",
                "security",
                "username",
                "password_file",
                "from",
                "to",
                "subject",
                "text_file",
                "html_file",
                "address",
                "receiving_application",
                "receiving_facility",
                "exchange",
                "routing_key",
                "credentials_file",
                // A stream of instances, which must be named whole.
                "stream",
                "replicas",
                "domain",
                "instance",
                "ca_file",
                "lease",
                "timeout",
                "role",
                "spool",
                "spread",
                "weight",
            ]
            .iter()
            .any(|key| inner.split(" = ").next() == Some(key));
            format!("{}\n", if is_code && !skip { inner } else { line })
        })
        .collect();
    std::fs::write(&file, uncommented).expect("written");
    let config = loaded(&file.to_string_lossy()).config;
    assert_eq!(config.tables.analytes.len(), 1);
    assert_eq!(config.tables.intervals.len(), 1);
    assert_eq!(config.tables.associations.len(), 1);
    assert_eq!(config.escalations.len(), 1);
    assert_eq!(config.listeners[0].reading.decimal, Some(','));
}

#[test]
fn good_files_load_and_their_listing_loads_as_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in files("tests/configs/good") {
        let first = loaded(&path.to_string_lossy()).config;
        let listing = folder.path().join("listing.toml");
        std::fs::write(&listing, first.to_toml()).expect("written");
        let second = loaded(&listing.to_string_lossy()).config;
        assert_eq!(
            format!("{first:#?}"),
            format!("{second:#?}"),
            "{}",
            path.display()
        );
        assert_eq!(first.policy().hash(), second.policy().hash());
    }
}

#[test]
fn wrong_files_are_told_all_that_is_wrong() {
    for path in files("tests/configs/wrong") {
        compare(&path, &problems(&path.to_string_lossy(), &[]));
    }
}

#[test]
fn tables_that_deserve_a_second_look_are_told_of() {
    for path in files("tests/configs/warned") {
        let warnings = loaded(&path.to_string_lossy()).warnings;
        let found: String = warnings
            .iter()
            .map(|warning| format!("{warning}\n"))
            .collect();
        compare(&path, &found);
    }
}

/// With the file of the same name that ends in `.expected`.
#[expect(
    clippy::disallowed_methods,
    reason = "UPDATE_EXPECTED=1 writes the expected texts, for review in the diff"
)]
fn compare(path: &Path, found: &str) {
    let expected_file = path.with_extension("expected");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&expected_file, found).expect("written");
    }
    let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
    assert_eq!(
        found,
        expected,
        "{} differs from {}",
        path.display(),
        expected_file.display()
    );
}

#[test]
fn a_hospital_gets_what_it_wrote() {
    let config = loaded("tests/configs/good/hospital.toml").config;
    let [first, second] = &config.listeners[..] else {
        panic!("two listeners");
    };
    assert_eq!(first.max_message, 32 << 20);
    assert_eq!(first.allow.len(), 2);
    assert_eq!(
        first.idle_timeout,
        Some(std::time::Duration::from_secs(12 * 3600))
    );
    assert_eq!(second.ack, AckMode::Commit);
    assert_eq!(second.frame_timeout, Listener::default().frame_timeout);
    assert_eq!(
        config.detection.severe_below,
        rust_decimal::Decimal::new(25, 2)
    );
    assert_eq!(config.detection.infant_age.months, 12);
    assert_eq!(config.site.patient_id.len(), 2);
    assert_eq!(config.policy().reading("immunology").charset, "8859/1");
    let sinks: Vec<(&str, PhiLevel)> = config
        .sinks
        .iter()
        .map(|sink| (sink.name.as_str(), sink.phi))
        .collect();
    assert_eq!(
        sinks,
        [
            ("log", PhiLevel::None),
            ("pager", PhiLevel::Full),
            ("alerts.jsonl", PhiLevel::Minimum)
        ]
    );
}

#[test]
fn rows_of_the_site_are_part_of_the_policy() {
    let config = loaded("tests/configs/good/hospital.toml").config;
    let policy = config.policy();
    for without in [
        Tables {
            analytes: Vec::new(),
            ..config.tables.clone()
        },
        Tables {
            intervals: Vec::new(),
            ..config.tables.clone()
        },
        Tables {
            associations: Vec::new(),
            ..config.tables.clone()
        },
    ] {
        let other = Config {
            tables: without,
            ..config.clone()
        };
        assert_ne!(other.policy().hash(), policy.hash());
    }
}

#[test]
fn without_a_file_the_defaults_hold() {
    let config = Config::built_in();
    assert_eq!(config.listeners, [Listener::default()]);
    let kinds: Vec<&SinkKind> = config.sinks.iter().map(|sink| &sink.kind).collect();
    let path = PathBuf::from("pentamer-data/alerts.jsonl");
    assert_eq!(kinds, [&SinkKind::Log, &SinkKind::File { path }]);
}

#[test]
fn later_layers_win_and_tables_add_up() {
    let path = Path::new("tests/configs/good/layered/pentamer.toml");
    let environment = variables(&[
        ("PENTAMER__STORAGE__DIR", "from-the-environment"),
        ("PENTAMER__SITE__CONTROL_IDS", "Q*, R*"),
        ("PENTAMER__SITE__STRIP_LEADING_ZEROS", "true"),
        ("PENTAMER__DETECTION__TREND_RESULTS", "7"),
        ("PENTAMER__LIMITS__FRAME_MEMORY", "128 MiB"),
        ("PENTAMER_CORPUS", "/not/ours"),
    ]);
    let Loaded {
        config, sources, ..
    } = load(Some(path), environment).expect("good");
    let names: Vec<&str> = config
        .listeners
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(config.site.name, "from 20-most");
    assert_eq!(config.storage.dir, PathBuf::from("from-the-environment"));
    assert_eq!(config.site.control_ids, ["Q*", "R*"]);
    assert!(config.site.strip_leading_zeros);
    assert_eq!(config.detection.trend_results, 7);
    assert_eq!(config.limits.frame_memory, 128 << 20);
    assert_eq!(
        sources.first().map(String::as_str),
        Some("built-in defaults")
    );
    assert_eq!(
        sources.get(3).map(String::as_str),
        Some("tests/configs/good/layered/conf.d/20-most.toml")
    );
    assert_eq!(sources.len(), 4 + 5);
}

#[test]
fn a_name_repeated_in_another_file_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pentamer.toml");
    std::fs::create_dir(folder.path().join("conf.d")).expect("made");
    std::fs::write(&file, "[[sink]]\nname = \"a\"\nkind = \"log\"\n").expect("written");
    std::fs::write(
        folder.path().join("conf.d/1.toml"),
        "\n[[sink]]\nname = \"a\"\nkind = \"log\"\n",
    )
    .expect("written");
    let found =
        problems(&file.to_string_lossy(), &[]).replace(&*folder.path().to_string_lossy(), "DIR");
    assert_eq!(
        found,
        "error: `a` is used twice, first at DIR/pentamer.toml:2\n  \
         where: DIR/conf.d/1.toml:3, key `sink[0].name`\n  \
         help: give each its own name; a later file adds to an earlier one and cannot change it\n"
    );
}

#[test]
fn variables_are_told_by_name() {
    let found = problems(
        "tests/configs/good/empty.toml",
        &[
            ("PENTAMER__LISTENER__BIND", "0.0.0.0:1"),
            ("PENTAMER__SITE", "x"),
            ("PENTAMER__SITE__NAEM", "x"),
            ("PENTAMER__STORAGE__RESERVE", "plenty"),
        ],
    );
    assert_eq!(
        found,
        "error: `[[listener]]` cannot be set from the environment\n  \
         where: environment variable `PENTAMER__LISTENER__BIND`, key `listener`\n  \
         help: write it in the configuration file or in a file in `conf.d` beside it\n\
         error: `PENTAMER__SITE` names no key\n  \
         where: environment variable `PENTAMER__SITE`, key `site`\n  \
         help: write `PENTAMER__SECTION__KEY`, e.g. `PENTAMER__STORAGE__DIR`\n\
         error: unknown key `naem` (value `x`)\n  \
         where: environment variable `PENTAMER__SITE__NAEM`, key `site.naem`\n  \
         help: did you mean `name`?\n\
         error: expected a size such as `16 MiB`, but found `plenty`\n  \
         where: environment variable `PENTAMER__STORAGE__RESERVE`, key `storage.reserve`\n  \
         help: units are B, KiB, MiB, GiB, TiB (or KB, MB, … of 1000)\n"
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let found = problems("tests/configs/none.toml", &[]);
    assert!(
        found.starts_with("error: cannot read the configuration: No such file"),
        "{found}"
    );
    assert!(
        found.contains("where: tests/configs/none.toml\n"),
        "{found}"
    );
}

#[test]
fn what_deserves_a_second_look_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("p.toml");
    std::fs::write(
        &file,
        "[[listener]]\nname = \"a\"\nbind = \"0.0.0.0:2575\"\nack_policy = \"strict\"\nack = \"none\"\n\
         [storage]\ndir = \"deep/below/nothing\"\nreserve = \"1000 TiB\"\n",
    )
    .expect("written");
    let warnings = loaded(&file.to_string_lossy()).warnings;
    let keys: Vec<&str> = warnings
        .iter()
        .map(|warning| warning.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "listener[0].bind",
            "listener[0].ack_policy",
            "listener[0].ack",
            "storage.reserve"
        ]
    );
    let first = warnings[0]
        .to_string()
        .replace(&*folder.path().to_string_lossy(), "DIR");
    assert_eq!(
        first,
        "warning: listener `a` on 0.0.0.0:2575 lets every host of the network send results\n  \
         where: DIR/p.toml:3, key `listener[0].bind`\n  \
         help: name the senders, e.g. `allow = [\"10.0.0.0/24\"]`"
    );
}

/// Pieces of which a configuration is made, put together in any order.
fn piece() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let keys = prop::sample::select(
        &[
            "name",
            "bind",
            "dir",
            "kind",
            "url",
            "from_age",
            "low",
            "confirm_after",
            "codes",
        ][..],
    );
    let values = prop::sample::select(
        &[
            "\"x\"",
            "1",
            "\"28d\"",
            "[\"A\"]",
            "true",
            "{ a = 1 }",
            "\"0.4 g/L\"",
            "\"127.0.0.1:0\"",
        ][..],
    );
    prop_oneof![
        prop::sample::select(
            &[
                "[site]\n",
                "[storage]\n",
                "[[listener]]\n",
                "[[sink]]\n",
                "[[interval]]\n",
                "[detection]\n",
                "[http]\n"
            ][..]
        )
        .prop_map(str::to_owned),
        (keys, values).prop_map(|(key, value)| format!("{key} = {value}\n")),
        "\\PC{0,12}\n",
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(96))]

    #[test]
    fn any_text_is_a_configuration_or_problems_with_remedies(
        pieces in proptest::collection::vec(piece(), 0..8),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pentamer.toml");
        std::fs::write(&file, pieces.concat()).expect("written");
        match load(Some(&file), no_environment()) {
            Ok(loaded) => {
                let listed = loaded.config.to_toml();
                std::fs::write(&file, &listed).expect("written");
                let again = load(Some(&file), no_environment()).expect("what is listed is right");
                proptest::prop_assert_eq!(again.config.to_toml(), listed);
            }
            Err(problems) => {
                proptest::prop_assert!(problems.iter().all(|problem| !problem.help.is_empty()));
            }
        }
    }
}

//! Holds the rooms to their walls: what each may import, where files and patients' data may be touched,
//! how long a file may be, what it may be called, and that ARCHITECTURE.md names every room.

mod source;

use source::{Source, sources};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Each room of `src/` and the rooms that it may import. A room that is not here may not exist.
const ROOMS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("clock", &["core", "failpoints"]),
    ("failpoints", &[]),
    ("seal", &["core"]),
    ("pulse", &[]),
    ("archive", &["core"]),
    ("generate", &["core"]),
    ("plot", &["core"]),
    ("screen", &["core", "archive", "cache", "plot"]),
    ("service", &[]),
    ("config", &["core", "clock", "tls", "seal", "users"]),
    ("users", &["core"]),
    ("index", &["core", "journal", "engine", "seal", "telemetry"]),
    ("tls", &["core"]),
    ("telemetry", &["config"]),
    ("notice", &["core", "clock", "telemetry"]),
    ("journal", &["core", "clock", "failpoints", "pulse", "seal"]),
    (
        "cluster",
        &["core", "clock", "config", "journal", "pulse", "seal"],
    ),
    ("cache", &["core", "clock", "failpoints", "seal"]),
    (
        "engine",
        &[
            "core",
            "clock",
            "failpoints",
            "telemetry",
            "journal",
            "pulse",
        ],
    ),
    (
        "listen",
        &[
            "core",
            "clock",
            "failpoints",
            "config",
            "telemetry",
            "journal",
            "pulse",
            "tls",
            "seal",
        ],
    ),
    (
        "deliver",
        &[
            "core",
            "clock",
            "failpoints",
            "config",
            "telemetry",
            "notice",
            "journal",
            "engine",
        ],
    ),
    (
        "web",
        &[
            "core",
            "clock",
            "telemetry",
            "notice",
            "journal",
            "engine",
            "users",
            "tls",
            "deliver",
            "index",
            "plot",
            "cluster",
        ],
    ),
    (
        "daemon",
        &[
            "core",
            "clock",
            "config",
            "telemetry",
            "notice",
            "journal",
            "cache",
            "engine",
            "listen",
            "deliver",
            "web",
            "pulse",
            "service",
            "tls",
            "seal",
            "users",
            "index",
            "cluster",
        ],
    ),
    (
        "cli",
        &[
            "core",
            "clock",
            "failpoints",
            "config",
            "telemetry",
            "journal",
            "cache",
            "engine",
            "daemon",
            "service",
            "tls",
            "seal",
            "users",
            "archive",
            "screen",
            "generate",
            "cluster",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Crates that the core may use: they compute and touch nothing.
const CRATES_OF_CORE: &[&str] = &[
    "serde",
    "jiff",
    "rust_decimal",
    "encoding_rs",
    "hl7_parser",
    "memchr",
    "wide",
    "simdutf8",
    "aho_corasick",
    "bytes",
    "sha2",
    "thiserror",
    "toml",
    "unicode_normalization",
    "postcard",
    "crc32c",
    "serde_json",
];

/// What of the standard library and of these crates has a clock, a socket, a disk or an environment.
const NOT_IN_CORE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "std::time::SystemTime",
    "std::time::Instant",
    "jiff::Timestamp::now",
    "jiff::ZonedDateTime::now",
    "jiff::tz::TimeZone::system",
];

/// Where some paths may be used and nowhere else, by the beginning of the file's path.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("sled", &["src/cache/"]),
    ("crossbeam_epoch", &["src/cache/"]),
    (
        "std::fs",
        &[
            "src/journal/",
            "src/config/",
            "src/cli/",
            "src/cache/guard",
            "src/index/files",
            "src/failpoints",
            "src/deliver/file",
            "src/tls/files",
            "src/seal/file",
            "src/tls/changes",
            "src/listen/relay/spill",
            "src/listen/relay/mark",
            "src/archive/",
            "src/screen/pile",
        ],
    ),
    ("tokio::fs", &[]),
    ("std::process::exit", &[]),
    ("hl7_parser", &["src/core/hl7/"]),
    ("sd_notify", &["src/service/"]),
    ("listenfd", &["src/service/"]),
    ("chacha20poly1305", &["src/seal/"]),
    ("clap", &["src/cli/"]),
    ("axum", &["src/web/"]),
    ("hyper", &["src/cli/api/client"]),
    ("reqwest", &["src/deliver/webhook/"]),
    ("lettre", &["src/deliver/smtp"]),
    ("lapin", &["src/deliver/amqp"]),
    ("async_nats", &["src/deliver/nats", "src/cluster/"]),
    ("minijinja", &["src/config/template"]),
];

/// Who may look into a `Phi`: every caller keeps it out of logs, metrics and error texts.
const MAY_EXPOSE: &[&str] = &[
    "src/core/",
    "src/cli/explain",
    "src/cli/demo",
    // Pages are made for those who may see patients.
    "src/index/",
    "src/web/pages/",
    // So are reports, by what `report/shown` lets through.
    "src/screen/",
    "src/web/worklist",
    "src/web/messages",
    "src/web/reassess",
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "common", "manager", "misc", "stuff",
];

const LONGEST: usize = 800;

fn fail_on(faults: BTreeSet<String>) {
    assert!(
        faults.is_empty(),
        "\n{}",
        faults.iter().fold(String::new(), |mut text, fault| {
            let _ = writeln!(text, "{fault}");
            text
        })
    );
}

/// Faults of all files by a rule that yields `line: what` for each.
fn faults(rule: impl Fn(&Source) -> Vec<(usize, String)>) -> BTreeSet<String> {
    sources()
        .iter()
        .flat_map(|source| {
            rule(source)
                .into_iter()
                .map(|(line, what)| format!("{}:{line}: {what}", source.path))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn within(path: &str, of: &str) -> bool {
    path.strip_prefix(of)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn room_faults(source: &Source) -> Vec<(usize, String)> {
    let room = source.room();
    let Some((_, may)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![(1, format!("room `{room}` is not in the table of rooms"))];
    };
    source
        .paths()
        .into_iter()
        .filter_map(|(line, path)| {
            let other = path.strip_prefix("crate::")?.split("::").next()?;
            let is_room = ROOMS.iter().any(|(name, _)| *name == other);
            let wrong = is_room && other != room && !may.contains(&other);
            wrong.then(|| (line, format!("`{room}` may not import `{other}`")))
        })
        .collect()
}

fn core_faults(source: &Source, dependencies: &BTreeSet<String>) -> Vec<(usize, String)> {
    if source.room() != "core" {
        return Vec::new();
    }
    source
        .paths()
        .into_iter()
        .filter_map(|(line, path)| {
            let first = path.split("::").next()?;
            let foreign = dependencies.contains(first) && !CRATES_OF_CORE.contains(&first);
            let touches = NOT_IN_CORE.iter().any(|banned| within(&path, banned));
            (foreign || touches).then(|| (line, format!("`{path}` has no place in the core")))
        })
        .collect()
}

fn place_faults(source: &Source) -> Vec<(usize, String)> {
    source
        .paths()
        .into_iter()
        .flat_map(|(line, path)| {
            ONLY_IN
                .iter()
                .filter(|(what, places)| {
                    within(&path, what)
                        && !places.iter().any(|place| source.path.starts_with(place))
                })
                .map(|(what, places)| (line, format!("`{what}` is only for {places:?}")))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn exposing_faults(source: &Source) -> Vec<(usize, String)> {
    if MAY_EXPOSE
        .iter()
        .any(|place| source.path.starts_with(place))
    {
        return Vec::new();
    }
    source
        .code()
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(".expose(") || line.contains("into_exposed("))
        .map(|(number, _)| (number + 1, "this room may not look into a `Phi`".to_owned()))
        .collect()
}

fn name_faults(source: &Source) -> Vec<(usize, String)> {
    let names = source.path.trim_end_matches(".rs").split('/');
    names
        .filter(|name| EMPTY_NAMES.contains(name))
        .map(|name| (1, format!("`{name}` says nothing: name the noun it holds")))
        .collect()
}

fn length_faults(source: &Source) -> Vec<(usize, String)> {
    let lines = source.code().lines().count();
    if lines > LONGEST {
        vec![(lines, format!("{lines} lines; find the second room in it"))]
    } else {
        Vec::new()
    }
}

fn dependencies() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string("Cargo.toml").expect("the manifest");
    let manifest: toml::Table = manifest.parse().expect("a manifest");
    manifest["dependencies"]
        .as_table()
        .expect("dependencies")
        .keys()
        .map(|name| name.replace('-', "_"))
        .collect()
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    fail_on(faults(room_faults));
}

#[test]
fn the_core_is_pure() {
    let dependencies = dependencies();
    fail_on(faults(|source| core_faults(source, &dependencies)));
}

#[test]
fn disk_sled_and_the_like_stay_in_their_rooms() {
    fail_on(faults(place_faults));
}

#[test]
fn patients_data_is_exposed_only_where_it_is_known() {
    fail_on(faults(exposing_faults));
}

#[test]
fn no_file_is_too_long_and_none_is_named_for_nothing() {
    fail_on(faults(length_faults));
    fail_on(faults(name_faults));
}

#[test]
fn architecture_md_names_every_room() {
    let text = std::fs::read_to_string("ARCHITECTURE.md").expect("ARCHITECTURE.md");
    let missing: BTreeSet<String> = sources()
        .iter()
        .flat_map(Source::rooms_to_name)
        .filter(|room| !text.contains(&format!("`{room}`")))
        .map(|room| format!("ARCHITECTURE.md does not name `{room}`"))
        .collect();
    fail_on(missing);
}

#[test]
fn every_paper_is_there() {
    for paper in [
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "config/pentamer.toml",
        "systemd/pentamer.service",
    ] {
        assert!(std::path::Path::new(paper).exists(), "{paper} is missing");
    }
}

/// The unit of one of many sites is that of the only one, but for where its configuration and its data are.
#[test]
fn the_unit_of_a_site_is_as_well_locked_as_that_of_the_only_one() {
    let lines = |path: &str| -> Vec<String> {
        let text = std::fs::read_to_string(path).expect("read");
        let plain = text
            .replace(" for the site %i", "")
            .replace(" --config /etc/pentamer/%i.toml", "")
            .replace("pentamer/%i", "pentamer");
        let lines = plain.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(
        lines("systemd/pentamer@.service"),
        lines("systemd/pentamer.service")
    );
}

/// A wall that cannot fail is none: each rule finds what is planted.
#[test]
fn the_rules_find_what_they_forbid() {
    let planted = |path: &str, text: &str| Source::new(path, text);
    let core = planted(
        "src/core/hl7/planted.rs",
        "use std::{fmt, fs::File};\nuse crate::{config::Config, core::time};\n\
         use super::super::super::journal::Segment;\nuse tokio::net::TcpStream;\n\
         fn f() { std::time::Instant::now(); }\n// std::env::var\nconst S: &str = \"std::net\";\n\
         #[cfg(test)]\nmod tests { use std::env; }\n",
    );
    let dependencies = dependencies();
    let lines = |faults: Vec<(usize, String)>| -> Vec<usize> {
        faults.into_iter().map(|(line, _)| line).collect()
    };
    assert_eq!(lines(core_faults(&core, &dependencies)), [1, 4, 5]);
    assert_eq!(lines(room_faults(&core)), [2, 3]);
    assert_eq!(lines(place_faults(&core)), [1]);
    let listen = planted(
        "src/listen/planted.rs",
        "fn f(p: Phi<u8>) { p.expose(); }\n",
    );
    assert_eq!(lines(exposing_faults(&listen)), [1]);
    assert_eq!(lines(room_faults(&planted("src/helpers.rs", ""))), [1]);
    assert_eq!(lines(name_faults(&planted("src/helpers.rs", ""))), [1]);
    let long = planted("src/engine/long.rs", &"//\n".repeat(801));
    assert_eq!(lines(length_faults(&long)), [801]);
}

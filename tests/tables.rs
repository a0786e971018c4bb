//! Every key of `[[analyte]]`, `[[interval]]` and `[[association]]`, from a file and a message to the alert.

use pentamer::cache::Memory;
use pentamer::config;
use pentamer::core::alert::{AlertData, Evidence};
use pentamer::core::extract::extract;
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::fold;
use pentamer::core::fold::state::State;
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;

const CODES: &str = "
[[analyte]]
analyte = \"IgM\"
system = \"L\"
code = \"IGMS\"
";

/// IgM 0.45 g/L without range and flag: normal by the built-in table (0.40), low by the site's (0.5).
const SITE: &str = "
[[interval]]
analyte = \"IgM\"
low = 0.5
high = 2.0
unit = \"g/L\"
";

fn policy(toml: &str) -> Policy {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pentamer.toml");
    std::fs::write(&file, toml).expect("written");
    let loaded = config::load(Some(&file), []);
    loaded
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config
        .policy()
}

/// An IgM as a message has it; what is not named is empty.
#[derive(Clone, Copy)]
struct Igm<'a> {
    code: &'a str,
    value: &'a str,
    unit: &'a str,
    laboratory: &'a str,
    method: &'a str,
    instrument: &'a str,
    organization: &'a str,
    collected: &'a str,
    pid: &'a str,
    /// Segments behind PID.
    beside: &'a str,
}

impl Default for Igm<'_> {
    fn default() -> Self {
        Self {
            code: "IGMS^IgM^L",
            value: "0.45",
            unit: "g/L",
            laboratory: "",
            method: "",
            instrument: "",
            organization: "",
            collected: "20260301090000+0000",
            pid: "19800101|F",
            beside: "",
        }
    }
}

impl Igm<'_> {
    fn message(&self) -> String {
        let Self {
            code,
            value,
            unit,
            laboratory,
            method,
            instrument,
            organization,
            collected,
            pid,
            beside,
        } = self;
        format!(
            "MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301101500+0000||ORU^R01^ORU_R01|42|P|2.5.1\r\
             PID|1||1234^^^HOSP^MR||DOE^JANE||{pid}\r{beside}\
             ORC|RE|P1|F1\r\
             OBR|1|P1|F1|IG^Immunoglobulins^L|||{collected}|||||||||||||||20260301101000+0000|||F\r\
             OBX|1|NM|{code}||{value}|{unit}|||||F||||{laboratory}||{method}|{instrument}|||||{organization}\r\
             OBX|2|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0||||F\r\
             OBX|3|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0||||F\r"
        )
    }

    /// The alert that this message alone gives.
    fn alert(&self, policy: &Policy) -> Option<AlertData> {
        let at: jiff::Timestamp = "2026-03-01T13:00:00Z".parse().expect("a timestamp");
        let received = Received {
            origin: Origin {
                listener: "lab".to_owned(),
                peer: "192.0.2.1:4000".to_owned(),
            },
            received_at: Timestamp::from_jiff(at),
            part: (0, 1),
            raw: self.message().into_bytes().into(),
        };
        let state = Memory::new();
        let facts = [(JournalPosition(1), Fact::Received(received))];
        let applied = fold::apply(&facts, &state, policy, &extract).expect("folded");
        state
            .commit(applied.batch, applied.through)
            .expect("committed");
        let decided = fold::decide(&state, policy).expect("decided")?;
        let alert = decided.transitions.first()?.alert.expose().clone();
        Some(alert)
    }

    /// The evidence of IgM if it is low: limits, and where they come from.
    fn low(&self, policy: &Policy) -> Option<(String, String)> {
        let alert = self.alert(policy)?;
        let igm = evidence(&alert);
        Some((igm.low.clone()?, igm.interval_source.clone()?))
    }
}

fn evidence(alert: &AlertData) -> &Evidence {
    let igm = alert.evidence.iter().find(|row| row.analyte == "IgM");
    igm.expect("IgM in the evidence")
}

fn by_site(low: &str) -> Option<(String, String)> {
    Some((low.to_owned(), "site".to_owned()))
}

/// Rows of the site for IgM with other keys each.
fn rows(rows: &[&str]) -> Policy {
    let rows: String = rows
        .iter()
        .map(|keys| format!("[[interval]]\nanalyte = \"IgM\"\nunit = \"g/L\"\n{keys}\n"))
        .collect();
    policy(&format!("{CODES}{rows}"))
}

#[test]
fn a_local_code_and_an_interval_of_the_site_give_an_alert_that_names_both() {
    let policy = policy(&format!("{CODES}{SITE}"));
    let alert = Igm::default().alert(&policy).expect("an alert");
    assert_eq!(alert.classification, "isolated_low_igm");
    assert_eq!(alert.policy, policy.hash());
    let igm = evidence(&alert);
    assert_eq!((igm.code.as_str(), igm.system.as_str()), ("IGMS", "L"));
    assert_eq!(
        (igm.low.as_deref(), igm.high.as_deref()),
        (Some("0.5"), Some("2"))
    );
    assert_eq!(igm.interval_source.as_deref(), Some("site"));
    assert!(alert.explanation.contains("site"), "{}", alert.explanation);
}

#[test]
fn without_the_rows_the_same_message_gives_none() {
    assert_eq!(Igm::default().low(&policy(SITE)), None, "the code");
    assert_eq!(Igm::default().low(&policy(CODES)), None, "the interval");
    let low = Igm {
        value: "0.21",
        ..Igm::default()
    };
    let built_in = Some(("0.4".to_owned(), "built-in".to_owned()));
    assert_eq!(low.low(&policy(CODES)), built_in);
}

#[test]
fn analyte_feed() {
    let with = |feed: &str| policy(&format!("{CODES}feed = \"{feed}\"\n{SITE}"));
    assert_eq!(Igm::default().low(&with("LAB/HOSP")), by_site("0.5"));
    assert_eq!(Igm::default().low(&with("LAB/OTHER")), None);
}

#[test]
fn analyte_system() {
    let policy = policy(&format!("{CODES}{SITE}"));
    let other = Igm {
        code: "IGMS^IgM^99X",
        ..Igm::default()
    };
    assert_eq!(other.low(&policy), None);
    let second = Igm {
        code: "X^x^99X^IGMS^IgM^L",
        ..Igm::default()
    };
    assert_eq!(second.low(&policy), by_site("0.5"));
}

#[test]
fn analyte_default_unit() {
    let with = |unit: &str| policy(&format!("{CODES}{unit}{SITE}"));
    let without = Igm {
        value: "45",
        unit: "",
        ..Igm::default()
    };
    assert_eq!(without.low(&with("")), None, "quarantined");
    let in_mg = with("default_unit = \"mg/dL\"\n");
    let alert = without.alert(&in_mg).expect("an alert");
    assert_eq!(evidence(&alert).value.as_deref(), Some("0.45"));
    // What is sent wins.
    assert_eq!(Igm::default().low(&in_mg), by_site("0.5"));
}

#[test]
fn analyte_match_text() {
    let row = "[[analyte]]\nanalyte = \"IgM\"\nmatch_text = \"Immunglobulin M im Serum\"\n";
    let policy = policy(&format!("{row}{SITE}"));
    let by_text = Igm {
        code: "4711^immunglobulin m im serum^L",
        ..Igm::default()
    };
    assert_eq!(by_text.low(&policy), by_site("0.5"));
    assert_eq!(Igm::default().low(&policy), None);
}

#[test]
fn analyte_specimen() {
    let policy = policy(&format!("{CODES}specimen = \"cord\"\n{SITE}"));
    assert_eq!(Igm::default().low(&policy), None, "never classified");
}

#[test]
fn analyte_enabled() {
    let built_in = Igm {
        code: "IGM^IgM^L",
        ..Igm::default()
    };
    assert_eq!(built_in.low(&policy(SITE)), by_site("0.5"));
    let out = "[[analyte]]\nanalyte = \"IgM\"\ncode = \"IGM\"\nenabled = false\n";
    assert_eq!(built_in.low(&policy(&format!("{out}{SITE}"))), None);
}

#[test]
fn decimal_comma_of_the_listener() {
    let ambiguous = Igm {
        value: "1,450",
        ..Igm::default()
    };
    let site = "[[interval]]\nanalyte = \"IgM\"\nlow = 1.5\nunit = \"g/L\"\n";
    let with = |decimal: &str| {
        policy(&format!(
            "[[listener]]\nname = \"lab\"\nbind = \"127.0.0.1:0\"\n{decimal}{CODES}{site}"
        ))
    };
    let comma = ambiguous
        .alert(&with("decimal = \",\"\n"))
        .expect("an alert");
    assert_eq!(evidence(&comma).value.as_deref(), Some("1.45"));
    assert_eq!(
        ambiguous.low(&with("decimal = \".\"\n")),
        None,
        "1450 g/L is implausible"
    );
    assert_eq!(ambiguous.low(&with("")), None, "quarantined");
}

#[test]
fn interval_ages() {
    let policy = rows(&[
        "low = 0.6\nfrom_age = \"18 y\"\nto_age = \"60 y\"",
        "low = 0.7\nfrom_age = \"60 y\"",
    ]);
    let born = |pid| Igm {
        pid,
        ..Igm::default()
    };
    assert_eq!(born("19660302|F").low(&policy), by_site("0.6"));
    assert_eq!(born("19660301|F").low(&policy), by_site("0.7"));
    let child = born("20160101|F").low(&policy);
    assert_eq!(child, Some(("0.5".to_owned(), "built-in".to_owned())));
}

#[test]
fn interval_sex() {
    let policy = rows(&["low = 0.6\nsex = \"F\"", "low = 0.5\nsex = \"M\""]);
    let of = |pid| Igm {
        pid,
        ..Igm::default()
    };
    assert_eq!(of("19800101|F").low(&policy), by_site("0.6"));
    assert_eq!(of("19800101|M").low(&policy), by_site("0.5"));
    assert_eq!(of("19800101|U").low(&policy), by_site("0.5"));
}

#[test]
fn interval_feed() {
    let named = rows(&["low = 0.5", "low = 0.6\nfeed = \"LAB/HOSP\""]);
    assert_eq!(Igm::default().low(&named), by_site("0.6"));
    let other = rows(&["low = 0.5", "low = 0.6\nfeed = \"LAB2/HOSP\""]);
    assert_eq!(Igm::default().low(&other), by_site("0.5"));
}

#[test]
fn interval_laboratory_by_name_or_code_of_obx_23_or_15() {
    let policy = rows(&[
        "low = 0.5",
        "low = 0.6\nlaboratory = \"Central Laboratory\"",
        "low = 0.7\nlaboratory = \"NORTH\"",
        "low = 0.8\nlaboratory = \"HOSP\"",
    ]);
    let at = |laboratory, organization| {
        let igm = Igm {
            laboratory,
            organization,
            ..Igm::default()
        };
        igm.low(&policy)
    };
    assert_eq!(at("CEN^central laboratory^L", ""), by_site("0.6"));
    assert_eq!(at("NORTH^Laboratory in the north^L", ""), by_site("0.7"));
    assert_eq!(at("SOUTH", ""), by_site("0.5"));
    let by_identifier = "Labs of the north^L^^^^^^^^NORTH";
    assert_eq!(at("", by_identifier), by_site("0.7"));
    assert_eq!(
        at("CEN^Central Laboratory", by_identifier),
        by_site("0.7"),
        "OBX-23 first"
    );
    assert_eq!(at("", ""), by_site("0.8"), "none named: the sender, MSH-4");
}

#[test]
fn interval_method_by_name_or_code_of_obx_17_or_the_instrument() {
    let policy = rows(&[
        "low = 0.5",
        "low = 0.6\nmethod = \"Nephelometry\"",
        "low = 0.7\nmethod = \"TURB\"",
        "low = 0.8\nmethod = \"BN2\"\nlaboratory = \"CEN\"",
    ]);
    let with = |method, instrument, laboratory| {
        let igm = Igm {
            method,
            instrument,
            laboratory,
            ..Igm::default()
        };
        igm.low(&policy)
    };
    assert_eq!(with("NEPH^nephelometry^L", "BN2", ""), by_site("0.6"));
    assert_eq!(with("TURB^Turbidimetry^L", "", ""), by_site("0.7"));
    assert_eq!(with("", "BN2^Siemens", "CEN"), by_site("0.8"));
    assert_eq!(with("IMMTURB", "", ""), by_site("0.5"));
}

#[test]
fn interval_validity_counts_at_the_collection() {
    let policy = rows(&[
        "low = 0.5\nvalid_to = \"2026-02-28\"",
        "low = 0.6\nvalid_from = \"2026-03-01\"",
    ]);
    let on = |collected| {
        let igm = Igm {
            collected,
            ..Igm::default()
        };
        igm.low(&policy)
    };
    assert_eq!(on("20260228235900+0000"), by_site("0.5"));
    assert_eq!(on("20260301000100+0000"), by_site("0.6"));
}

#[test]
fn interval_unit() {
    let row = "[[interval]]\nanalyte = \"IgM\"\nlow = 50\nhigh = 200\nunit = \"mg/dL\"\n";
    let policy = policy(&format!("{CODES}{row}"));
    assert_eq!(Igm::default().low(&policy), by_site("0.5"));
}

#[test]
fn a_narrow_row_for_the_other_sex_hides_nothing() {
    let policy = rows(&["low = 0.5", "low = 0.6\nfeed = \"LAB/HOSP\"\nsex = \"M\""]);
    assert_eq!(Igm::default().low(&policy), by_site("0.5"));
}

/// Labels and classes of an alert's associations.
fn related(beside: &str, rows: &str) -> Vec<(String, String)> {
    let igm = Igm {
        beside,
        ..Igm::default()
    };
    let alert = igm.alert(&policy(&format!("{CODES}{SITE}{rows}")));
    let associations = alert.expect("an alert").associations;
    associations
        .into_iter()
        .map(|one| (one.label, one.class))
        .collect()
}

fn association(keys: &str) -> String {
    format!("[[association]]\nlabel = \"ours\"\n{keys}\n")
}

fn ours(class: &str) -> Vec<(String, String)> {
    vec![("ours".to_owned(), class.to_owned())]
}

#[test]
fn association_system_code_and_class() {
    let dg1 = "DG1|1||X12.3^something^99L||20260215\r";
    for class in ["secondary", "urgent", "prompt", "known", "context"] {
        let row = association(&format!(
            "system = \"99L\"\ncode = \"X12*\"\nclass = \"{class}\""
        ));
        assert_eq!(related(dg1, &row), ours(class));
    }
    for (system, code) in [("99L", "X12"), ("99M", "X12*"), ("I10", "X12*")] {
        let row = association(&format!(
            "system = \"{system}\"\ncode = \"{code}\"\nclass = \"prompt\""
        ));
        assert_eq!(related(dg1, &row), [], "{system} {code}");
    }
    let exact = association("system = \"99L\"\ncode = \"x123\"\nclass = \"prompt\"");
    assert_eq!(related(dg1, &exact), ours("prompt"));
}

#[test]
fn association_class_acts() {
    let dg1 = "DG1|1||X12.3^something^99L||20260215\r";
    let with = |class: &str| {
        let row = association(&format!(
            "system = \"99L\"\ncode = \"X12*\"\nclass = \"{class}\""
        ));
        let igm = Igm {
            beside: dg1,
            ..Igm::default()
        };
        let alert = igm.alert(&policy(&format!("{CODES}{SITE}{row}")));
        let alert = alert.expect("an alert");
        let severity = pentamer::core::alert::severity_word(alert.severity);
        (severity, alert.delivery)
    };
    use pentamer::core::episode::Delivery;
    assert_eq!(with("context"), ("routine", Delivery::Page));
    assert_eq!(with("prompt"), ("prompt", Delivery::Page));
    assert_eq!(with("known"), ("routine", Delivery::Worklist));
}

#[test]
fn association_drugs_by_code_and_by_name() {
    let row =
        association("system = \"ATC\"\ncode = \"L01FA*\"\nclass = \"secondary\"\nkind = \"drug\"");
    let by_code = "RXA|0|1|20260215||L01FA01^Rituximab^ATC|1\r";
    assert_eq!(related(by_code, &row), ours("secondary"));
    let named = association(
        "system = \"TEXT\"\ncode = \"rituximab*\"\nclass = \"secondary\"\nkind = \"drug\"",
    );
    let by_name = "RXA|0|1|20260215||^Rituximab 500 mg|1\r";
    assert_eq!(related(by_name, &named), ours("secondary"));
    assert_eq!(related(by_name, &row), []);
    // A diagnosis is never known by its text.
    let diagnosis = "DG1|1||^Rituximab 500 mg||20260215\r";
    assert_eq!(related(diagnosis, &named), []);
}

//! What came of the year, beside what had to come of it.

use super::hospital::{Event, Hospital, Says};
use super::message::AUTHORITY;
use super::people::{Course, Fate, Person};
use super::world::World;
use pentamer::core::clinical::observation::PatientKey;
use pentamer::core::episode::{Delivery, EpisodeId, Severity, Transition, TransitionKind};
use pentamer::core::fact::JournalPosition;
use pentamer::core::fold::state::State;
use pentamer::core::fold::views;
use pentamer::core::phi::Phi;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// The numbers of a year, and everything that is wrong with it.
pub struct Findings {
    rows: Vec<(String, String)>,
    messages: usize,
    pub faults: Vec<String>,
}

/// Of one person: kinds with their delivery and severity, in the order of their log.
type Told = Vec<(TransitionKind, Delivery, Severity)>;

fn key(id: &str) -> PatientKey {
    PatientKey {
        authority: AUTHORITY.to_owned(),
        id: Phi::new(id.to_owned()),
    }
}

/// Whether a page of one of these kinds went out.
fn is_paged(told: &Told, kinds: &[TransitionKind]) -> bool {
    told.iter()
        .any(|(kind, delivery, _)| kinds.contains(kind) && *delivery == Delivery::Page)
}

fn word(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

/// How many episodes of somebody's are open.
fn open_episodes(transitions: &[Transition]) -> usize {
    let mut open: BTreeMap<&EpisodeId, (u32, bool)> = BTreeMap::new();
    for transition in transitions {
        let is_open = match transition.kind {
            TransitionKind::Resolved | TransitionKind::Retracted | TransitionKind::OtherPattern => {
                false
            }
            TransitionKind::Detected
            | TransitionKind::Confirmed
            | TransitionKind::Progressed
            | TransitionKind::Reopened => true,
            TransitionKind::Acknowledged => continue,
        };
        let entry = open.entry(&transition.episode).or_default();
        if transition.number >= entry.0 {
            *entry = (transition.number, is_open);
        }
    }
    open.values().filter(|(_, is_open)| *is_open).count()
}

/// Open episodes by identifier; and those who have more than one.
fn open_by_person(state: &dyn State, hospital: &Hospital) -> BTreeMap<String, usize> {
    let ids = hospital.people.iter().flat_map(|person| &person.ids);
    let mut open = BTreeMap::new();
    for id in ids {
        let pooled = views::patient(state, &key(id)).expect("a readable state");
        let count = pooled.map_or(0, |pooled| open_episodes(&pooled.transitions));
        if count > 0 {
            open.insert(id.clone(), count);
        }
    }
    open
}

/// The messages behind a fault: all of immunoglobulins or identity about the person that it names.
fn story_of(hospital: &Hospital, fault: &str) -> String {
    let names = |event: &&Event| {
        let ids = &hospital.people[event.person].ids;
        !matches!(event.says, Says::Other) && ids.iter().any(|id| fault.contains(id.as_str()))
    };
    let mut story = String::new();
    for event in hospital.events.iter().filter(names) {
        let text = String::from_utf8_lossy(&event.raw).replace('\r', "\n");
        let _ = write!(story, "\n{}\n{text}", event.due.to_rfc3339());
    }
    story
}

impl Findings {
    pub fn of(hospital: &Hospital, world: &World<'_>) -> Self {
        let alerts = world.alerts();
        let mut findings = Self {
            rows: Vec::new(),
            messages: hospital.events.len(),
            faults: Vec::new(),
        };
        findings.totals(hospital, world, &alerts);
        findings.log(world, &alerts);
        let open = open_by_person(&world.state, hospital);
        for (id, count) in &open {
            findings.must(*count == 1, || format!("{id} has {count} open episodes"));
        }
        let at_once = open_by_person(&world.at_once(), hospital);
        for id in open.keys().chain(at_once.keys()).collect::<BTreeSet<_>>() {
            findings.must(open.get(id) == at_once.get(id), || {
                format!(
                    "{id}: open along the way {:?}, at once {:?}",
                    open.get(id),
                    at_once.get(id)
                )
            });
        }
        findings.people(hospital, world, &alerts, &open);
        for fault in findings.faults.iter_mut().take(3) {
            *fault += &story_of(hospital, fault);
        }
        findings
    }

    fn row(&mut self, name: impl Into<String>, value: impl ToString) {
        self.rows.push((name.into(), value.to_string()));
    }

    fn must(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }

    fn totals(&mut self, hospital: &Hospital, world: &World<'_>, alerts: &[Transition]) {
        self.row("patients", hospital.people.len());
        self.row("messages sent", hospital.events.len());
        self.row(
            "  result messages, without those sent again",
            hospital.results,
        );
        self.row("  results (OBX) in them", hospital.lines);
        self.row("  known again as duplicates", world.duplicates);
        self.row("power cuts", world.power_cuts);
        self.row("rebuilds from nothing, all equal", world.rebuilds);
        let last = world.state.position().expect("a position");
        self.row("facts in the journal", last);
        self.row("  deadlines among them", world.deadlines);
        let quarantine = views::quarantine(&world.state, JournalPosition::START, usize::MAX);
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in quarantine.expect("a readable state") {
            *reasons.entry(entry.refusal.reason.word()).or_default() += 1;
        }
        self.row("quarantine", reasons.values().sum::<usize>());
        for (reason, count) in reasons {
            self.row(format!("  {reason}"), count);
        }
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for alert in alerts {
            let kind = format!(
                "  {}, {}, {}",
                word(&alert.kind),
                word(&alert.severity),
                word(&alert.delivery)
            );
            *kinds.entry(kind).or_default() += 1;
        }
        self.row("alerts", alerts.len());
        for (kind, count) in kinds {
            self.row(kind, count);
        }
        let again = world.sent.values().filter(|times| **times > 1).count();
        self.row("alerts sent again after a power cut", again);
    }

    /// Alert ids are unique, each was sent, and what is taken back was told.
    fn log(&mut self, world: &World<'_>, alerts: &[Transition]) {
        let mut ids = BTreeSet::new();
        let mut told: BTreeSet<&EpisodeId> = BTreeSet::new();
        for alert in alerts {
            let id = &alert.alert_id.0;
            self.must(ids.insert(id.clone()), || format!("{id} was issued twice"));
            self.must(world.sent.contains_key(id), || format!("{id} was not sent"));
            if matches!(
                alert.kind,
                TransitionKind::Retracted | TransitionKind::Resolved
            ) {
                self.must(told.contains(&alert.episode), || {
                    format!("{id} takes back what was never told")
                });
            }
            if let Some(other) = &alert.alert.expose().supersedes {
                let known = ids.contains(other) || told.iter().any(|episode| episode.0 == *other);
                self.must(known, || {
                    format!("{id} supersedes {other}, which was never told")
                });
            }
            told.insert(&alert.episode);
        }
        let unknown = world.sent.keys().filter(|id| !ids.contains(*id)).count();
        self.must(unknown == 0, || {
            format!("{unknown} alerts sent and not in the log")
        });
        let most = world.sent.values().max().copied().unwrap_or_default();
        self.must(most <= 1 + world.power_cuts, || {
            format!("an alert was sent {most} times")
        });
        let left = views::dirty_count(&world.state).expect("a readable state");
        self.must(left == 0, || {
            format!("{left} patients are not decided about")
        });
        let whole = views::verify(&world.state);
        self.must(whole.is_ok(), || {
            "a value of the state is not whole".to_owned()
        });
    }

    fn people(
        &mut self,
        hospital: &Hospital,
        world: &World<'_>,
        alerts: &[Transition],
        open: &BTreeMap<String, usize>,
    ) {
        let mut told: BTreeMap<&str, Told> = BTreeMap::new();
        for alert in alerts {
            let id = alert.filed_under.id.expose().as_str();
            told.entry(id)
                .or_default()
                .push((alert.kind, alert.delivery, alert.severity));
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut count = |name, holds: bool| *counts.entry(name).or_default() += usize::from(holds);
        for (number, person) in hospital.people.iter().enumerate() {
            let told: Told = person
                .ids
                .iter()
                .filter_map(|id| told.get(id.as_str()))
                .flatten()
                .copied()
                .collect();
            // An IgM that was low alone stands on the worklist; where the panel that completes the picture
            // also confirms it, that is the page.
            let is_paged = is_paged(
                &told,
                &[TransitionKind::Detected, TransitionKind::Confirmed],
            );
            let case = world.oracle.cases.get(&number);
            let name = || format!("{} ({:?})", person.ids.join("/"), person.fate);
            match person.fate {
                Fate::Trap(_) => {
                    count("traps", true);
                    count(
                        "traps paged",
                        told.iter()
                            .any(|(_, delivery, _)| *delivery == Delivery::Page),
                    );
                    self.must(told.is_empty(), || format!("trap {} gave {told:?}", name()));
                    continue;
                }
                Fate::Planted(course) => {
                    count("planted", true);
                    self.course(course, person, &told, open);
                }
                Fate::Usual => count("tested by chance", case.is_some()),
            }
            let must_page = case.is_some_and(|case| case.must_page);
            count("expected", must_page);
            count("found", must_page && is_paged);
            count("missed", must_page && !is_paged);
            self.must(is_paged || !must_page, || {
                format!("{} was missed: {told:?}", name())
            });
            let never_low = case.is_none_or(|case| !case.ever_low);
            count("never low", never_low);
            self.must(told.is_empty() || !never_low, || {
                format!("{} was never low: {told:?}", name())
            });
        }
        for (label, name) in [
            ("traps sent", "traps"),
            ("traps paged", "traps paged"),
            (
                "patients with immunoglobulins by chance",
                "tested by chance",
            ),
            ("patients with a planted low IgM", "planted"),
            ("patients who must be paged about", "expected"),
            ("  found", "found"),
            ("  missed", "missed"),
            ("patients never low, none of them alerted", "never low"),
        ] {
            let value = counts.get(name).copied().unwrap_or_default();
            self.row(label, value);
        }
    }

    /// What a planted course must have led to.
    fn course(
        &mut self,
        course: Course,
        person: &Person,
        told: &Told,
        open: &BTreeMap<String, usize>,
    ) {
        let name = || format!("{} ({course:?})", person.ids.join("/"));
        let is_told = |kind| told.iter().any(|(other, ..)| *other == kind);
        let detected_paged = is_paged(told, &[TransitionKind::Detected]);
        self.must(detected_paged == course.pages(), || {
            format!("{}: {told:?}", name())
        });
        self.must(is_told(TransitionKind::Detected), || {
            format!("{} was not seen: {told:?}", name())
        });
        let is_open = open.contains_key(&person.ids[0]);
        self.must(is_open == course.stays_open(), || {
            format!("{}, open: {is_open}: {told:?}", name())
        });
        let first = told
            .iter()
            .find(|(kind, ..)| *kind == TransitionKind::Detected);
        let as_pressing = first.is_none_or(|(_, _, severity)| *severity == course.severity());
        self.must(as_pressing, || format!("{}: {told:?}", name()));
        let expected = match course {
            Course::Lasting => Some(TransitionKind::Confirmed),
            Course::Transient => Some(TransitionKind::Resolved),
            Course::Corrected | Course::Withdrawn | Course::Cancelled | Course::Moved => {
                Some(TransitionKind::Retracted)
            }
            Course::Progressed => Some(TransitionKind::Progressed),
            _ => None,
        };
        self.must(expected.is_none_or(is_told), || {
            format!("{}: {told:?}", name())
        });
    }

    /// As a table to read.
    pub fn table(&self, took: Duration) -> String {
        let mut text = String::new();
        for (name, value) in &self.rows {
            let _ = writeln!(text, "{name:<48} {value:>10}");
        }
        let rate = self.messages as f64 / took.as_secs_f64().max(1e-9);
        let rate = format!("{rate:.0}/s");
        let _ = writeln!(
            text,
            "{:<48} {rate:>10}",
            "messages through all of it, power cuts and all"
        );
        text
    }
}

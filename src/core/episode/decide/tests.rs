//! CLINICAL 6.4, row by row, and the rulings of its section 9.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::decide;
use crate::core::clinical::observation::{Given, ReportedValue, Sex};
use crate::core::clinical::sample::{Person, at, iga, igg, igm, key};
use crate::core::episode::recorded::KNOWN;
use crate::core::episode::{Delivery, Severity, Transition, TransitionKind};
use crate::core::phi::Phi;
use crate::core::policy::{Policy, SuppressKnown};
use crate::core::time::Span;

mod unheard;

use Delivery::{Page, Worklist};
use Severity::{Prompt, Routine, Urgent};
use TransitionKind::{
    Acknowledged, Confirmed, Detected, OtherPattern, Progressed, Reopened, Resolved, Retracted,
};

type Told = (TransitionKind, Delivery, Severity);

/// A feed: facts come, decisions are recorded.
struct Feed {
    person: Person,
    policy: Policy,
}

impl Feed {
    fn of(person: Person) -> Self {
        Self {
            person,
            policy: Policy::built_in(),
        }
    }

    fn woman() -> Self {
        Self::of(Person::adult(Sex::Female))
    }

    fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    /// Changes what is known, decides on a day, records; gives what is news.
    fn then(&mut self, day: i64, change: impl FnOnce(Person) -> Person) -> Vec<Transition> {
        self.person = change(self.person.clone());
        let news = decide(&self.person.0, &self.policy, at(day));
        self.person = self.person.clone().recorded(&news);
        assert_eq!(decide(&self.person.0, &self.policy, at(day)), []);
        news
    }

    fn told(&mut self, day: i64, change: impl FnOnce(Person) -> Person) -> Vec<Told> {
        told(&self.then(day, change))
    }

    /// A panel of order = day.
    fn panel(&mut self, day: i64, m: &str, g: &str, a: &str) -> Vec<Told> {
        self.told(day, |person| person.panel(&day.to_string(), day, m, g, a))
    }

    fn all(&self) -> &[Transition] {
        &self.person.0.transitions
    }
}

fn told(news: &[Transition]) -> Vec<Told> {
    news.iter()
        .map(|one| (one.kind, one.delivery, one.severity))
        .collect()
}

/// A woman was paged for with IgG not measured. Months later IgG is low: that is progress, and takes
/// nothing back of what was right on its day.
#[test]
fn a_low_igg_of_months_later_progresses_and_retracts_nothing() {
    let mut feed = Feed::woman();
    assert_eq!(feed.panel(0, "0.3", "", "2"), [(Detected, Page, Routine)]);
    assert_eq!(
        feed.panel(100, "0.3", "4", "2"),
        [(Progressed, Page, Prompt)]
    );
}

/// Normal once, then low again with a low IgG, soon: the old episode goes on, and has progressed.
#[test]
fn a_low_igg_soon_after_resolution_reopens_and_progresses() {
    let after = |days: i64| {
        let mut feed = Feed::woman();
        feed.panel(0, "0.3", "9", "2");
        feed.panel(40, "0.9", "9", "2");
        feed.panel(40 + days, "0.3", "4", "2")
    };
    assert_eq!(
        after(60),
        [(Reopened, Worklist, Routine), (Progressed, Page, Prompt)]
    );
    assert_eq!(after(90), [(OtherPattern, Worklist, Routine)]);
}

#[test]
fn provisional_tiers_page_once_and_igm_alone_only_if_severe() {
    assert_eq!(
        Feed::woman().panel(0, "0.3", "9", ""),
        [(Detected, Page, Routine)]
    );
    assert_eq!(
        Feed::woman().panel(0, "0.3", "", ""),
        [(Detected, Worklist, Routine)]
    );
    assert_eq!(
        Feed::woman().panel(0, "0.15", "", ""),
        [(Detected, Page, Prompt)]
    );
}

#[test]
fn a_tier_that_completes_is_no_second_page_but_the_first_if_there_was_none() {
    let mut partial = Feed::woman();
    assert_eq!(
        partial.panel(0, "0.3", "9", ""),
        [(Detected, Page, Routine)]
    );
    assert_eq!(partial.panel(0, "", "", "2"), []);
    let mut alone = Feed::woman();
    assert_eq!(
        alone.panel(0, "0.3", "", ""),
        [(Detected, Worklist, Routine)]
    );
    let again = alone.then(0, |person| person.panel("0", 0, "", "9", "2"));
    assert_eq!(told(&again), [(Detected, Page, Routine)]);
    assert_eq!(again[0].number, 2, "the next number, so a new alert id");
    assert_eq!(
        again[0].alert.expose().supersedes.as_ref(),
        Some(&alone.all()[0].alert_id.0)
    );
    assert_eq!(again[0].alert.expose().tier, "complete");
    // IgG first, then IgA: as if both had come at once.
    let mut split = Feed::woman();
    split.panel(0, "0.3", "", "");
    assert_eq!(split.panel(0, "", "9", ""), [(Detected, Page, Routine)]);
    assert_eq!(split.panel(0, "", "", "2"), []);
}

#[test]
fn confirmation_needs_time_between_and_one_complete_panel() {
    for (day, want) in [
        (27, vec![]),
        (28, vec![(Confirmed, Page, Prompt)]),
        (730, vec![(Confirmed, Page, Prompt)]),
        (731, vec![]),
    ] {
        let mut feed = Feed::woman();
        feed.panel(0, "0.3", "9", "2");
        assert_eq!(feed.panel(day, "0.3", "9", "2"), want, "{day}");
    }
    let pair = |first: [&str; 2], second: [&str; 2]| {
        let mut feed = Feed::woman();
        feed.panel(0, "0.3", first[0], first[1]);
        let news = feed.panel(40, "0.3", second[0], second[1]);
        news.iter().any(|(kind, ..)| *kind == Confirmed)
    };
    assert!(pair(["9", "2"], ["", ""]));
    assert!(pair(["", ""], ["9", "2"]));
    assert!(!pair(["9", ""], ["", "2"]));
    assert!(!pair(["", ""], ["", ""]));
    // Only once.
    let mut feed = Feed::woman();
    feed.panel(0, "0.3", "9", "2");
    feed.panel(40, "0.3", "9", "2");
    assert_eq!(feed.panel(80, "0.3", "9", "2"), []);
    // The earlier of the two need not be the first of all.
    let mut late = Feed::woman();
    late.panel(0, "0.3", "9", "2");
    late.panel(800, "0.3", "9", "2");
    assert_eq!(
        late.panel(840, "0.3", "9", "2"),
        [(Confirmed, Page, Prompt)]
    );
}

#[test]
fn confirmation_counts_days_of_the_wall_clock() {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone");
    let mut feed = Feed::woman().policy(|policy| policy.site.zone = zone);
    // 1 March and 29 March 2026, both at 08:00 in Berlin; summer time begins between them.
    let earlier = |sample: crate::core::clinical::sample::Sample| {
        sample.with(|o| {
            if let Some(observed) = &mut o.observed {
                observed.at = observed.at.plus(Span::seconds(-3600));
            }
        })
    };
    feed.panel(57, "0.3", "9", "2");
    let confirmed = feed.told(85, |person| {
        person.with([
            earlier(igm("85", 85, "0.3")),
            earlier(igg("85", 85, "9")),
            earlier(iga("85", 85, "2")),
        ])
    });
    assert_eq!(confirmed, [(Confirmed, Page, Prompt)]);
}

#[test]
fn a_changed_class_progresses_once() {
    let mut feed = Feed::woman();
    feed.panel(0, "0.3", "9", "2");
    assert_eq!(
        feed.panel(40, "0.3", "4", "2"),
        [(Progressed, Page, Prompt)]
    );
    assert_eq!(feed.panel(80, "0.3", "4", "2"), []);
    assert_eq!(
        feed.panel(120, "0.3", "4", "0.3"),
        [(Progressed, Page, Prompt)]
    );
    assert_eq!(
        feed.panel(160, "0.3", "30", "2"),
        [(Progressed, Page, Prompt)]
    );
    let last = feed.all().last().expect("it is told").alert.expose();
    assert_eq!(last.classification, "low_igm_with_high_igg_or_iga");
    assert!(last.explanation.contains("Exclude a monoclonal protein"));
}

#[test]
fn all_three_low_under_two_years_progress_urgently() {
    let mut feed = Feed::of(Person::new().born(14, Sex::Female));
    feed.told(0, |person| {
        person.with([
            igm("0", 0, "0.3").no_range(),
            igg("0", 0, "6").no_range(),
            iga("0", 0, "0.5").no_range(),
        ])
    });
    let news = feed.told(40, |person| {
        person.with([
            igm("1", 40, "0.3").no_range(),
            igg("1", 40, "1").no_range(),
            iga("1", 40, "0.1").no_range(),
        ])
    });
    assert_eq!(news, [(Progressed, Page, Urgent)]);
}

#[test]
fn not_low_resolves_a_day_after_the_last_low_and_not_before() {
    let mut feed = Feed::woman();
    feed.panel(0, "0.3", "9", "2");
    let hours_later = |hours: i64| {
        igm("n", 0, "0.9").with(|o| {
            if let Some(observed) = &mut o.observed {
                observed.at = observed.at.plus(Span::seconds(hours * 3600));
            }
        })
    };
    assert_eq!(feed.told(1, |person| person.with([hours_later(23)])), []);
    assert_eq!(
        feed.told(1, |person| person.with([igm("d", 1, "0.9")])),
        [(Resolved, Page, Routine)]
    );
    let mut unpaged = Feed::woman();
    unpaged.panel(0, "0.3", "", "");
    assert_eq!(
        unpaged.panel(30, "0.9", "", ""),
        [(Resolved, Worklist, Routine)],
        "to those who were paged, and nobody was"
    );
}

#[test]
fn soon_after_it_reopens_silently_and_later_anew() {
    for (gap, want) in [
        (89, vec![(Reopened, Worklist, Routine)]),
        (90, vec![(Detected, Page, Routine)]),
    ] {
        let mut feed = Feed::woman();
        feed.panel(0, "0.3", "9", "2");
        // `reopen_after` counts from the resolving sample.
        feed.panel(100, "0.9", "9", "2");
        assert_eq!(feed.panel(100 + gap, "0.3", "9", "2"), want);
        let ids: std::collections::BTreeSet<_> =
            feed.all().iter().map(|one| one.episode.clone()).collect();
        assert_eq!(ids.len(), if gap < 90 { 1 } else { 2 });
    }
    let mut worse = Feed::woman();
    worse.panel(0, "0.3", "9", "2");
    worse.panel(40, "0.9", "9", "2");
    assert_eq!(
        worse.panel(60, "0.15", "9", "2"),
        [(Reopened, Worklist, Prompt), (Detected, Page, Prompt)],
        "severity rose"
    );
    assert_eq!(worse.panel(80, "0.9", "", ""), [(Resolved, Page, Routine)]);
    // What was before does not confirm across a normal one.
    let mut between = Feed::woman();
    between.panel(0, "0.3", "9", "2");
    between.panel(40, "0.9", "9", "2");
    between.panel(60, "0.3", "9", "2");
    assert_eq!(
        between.panel(90, "0.3", "9", "2"),
        [(Confirmed, Page, Prompt)]
    );
}

#[test]
fn a_correction_or_withdrawal_of_the_ground_retracts_and_a_later_low_detects_anew() {
    let mut feed = Feed::woman();
    feed.told(0, |person| person.panel("0", 0, "0.15", "9", "2"));
    let news = feed.then(3, |person| {
        person.with([igm("0", 0, "0.15")
            .status("W")
            .sent(3)
            .value(ReportedValue::Absent)])
    });
    assert_eq!(
        told(&news),
        [(Retracted, Page, Prompt)],
        "as urgent as it was"
    );
    let alert = news[0].alert.expose();
    assert_eq!(alert.classification, "none");
    assert_eq!(
        alert.explanation,
        "Withdrawn: the laboratory took back IgM 0.15 g/L (sample of 3 Jan 2026)."
    );
    assert_eq!(alert.evidence[0].value.as_deref(), Some("0.15"));
    assert_eq!(news[0].evidence_through.0, 100_003);
    assert_eq!(feed.panel(10, "0.3", "9", "2"), [(Detected, Page, Routine)]);
    // And the first one, revived, joins as an older Low: no page.
    let revived = feed.told(11, |person| person.with([igm("0", 0, "0.15").sent(11)]));
    assert_eq!(revived, []);
}

#[test]
fn a_cancelled_order_retracts() {
    let mut feed = Feed::woman();
    feed.panel(0, "0.3", "9", "2");
    let news = feed.then(5, |person| person.cancelled("0", 5));
    assert_eq!(told(&news), [(Retracted, Page, Routine)]);
    assert_eq!(news[0].evidence_through.0, 100_005);
}

#[test]
fn still_low_and_the_same_class_is_no_news() {
    let mut feed = Feed::woman();
    feed.panel(0, "0.3", "9", "2");
    let corrected = feed.told(1, |person| {
        person.with([igm("0", 0, "0.33").status("C").sent(1)])
    });
    assert_eq!(corrected, []);
}

#[test]
fn a_panel_reclassified_retracts_what_it_opened() {
    // By a part that arrives late.
    let mut late = Feed::woman();
    late.panel(0, "0.3", "", "2");
    let news = late.then(2, |person| person.with([igg("0", 0, "4").sent(2)]));
    assert_eq!(
        told(&news),
        [
            (Retracted, Page, Routine),
            (OtherPattern, Worklist, Routine)
        ]
    );
    let alert = news[0].alert.expose();
    assert_eq!(alert.classification, "low_igm_with_low_igg");
    assert!(
        alert.explanation.contains("low IgM with low IgG 4 g/L"),
        "{}",
        alert.explanation
    );
    assert_eq!((news[0].number, news[1].number), (2, 3));
    // And back: a correction of the IgG.
    let back = late.then(4, |person| {
        person.with([igg("0", 0, "9").status("C").sent(4)])
    });
    assert_eq!(told(&back), [(Detected, Page, Routine)]);
    assert_eq!(back[0].number, 4);
}

#[test]
fn the_episode_goes_on_while_a_later_low_stands() {
    let withdraw = |person: Person| {
        person.with([igm("0", 0, "0.3")
            .status("D")
            .sent(12)
            .value(ReportedValue::Absent)])
    };
    // Also where the later Low was no news when it came.
    let mut feed = Feed::woman();
    feed.panel(0, "0.3", "9", "2");
    let id = feed.all()[0].episode.clone();
    assert_eq!(feed.panel(10, "0.3", "9", "2"), []);
    assert_eq!(feed.told(12, withdraw), []);
    let confirmed = feed.then(50, |person| person.panel("50", 50, "0.3", "9", "2"));
    assert_eq!(told(&confirmed), [(Confirmed, Page, Prompt)]);
    assert_eq!(confirmed[0].episode, id, "under its own id");
    let gone = feed.told(60, |person| person.cancelled("10", 60).cancelled("50", 60));
    assert_eq!(gone, [(Retracted, Page, Prompt)], "no Low of it stands");
}

#[test]
fn a_low_that_arrives_late_pages_only_if_it_is_still_open() {
    // Opened and closed before anybody saw it.
    let mut closed = Feed::woman();
    closed.panel(20, "0.9", "9", "2");
    let news = closed.told(25, |person| {
        person.with([
            igm("0", 0, "0.3").sent(25),
            igg("0", 0, "9").sent(25),
            iga("0", 0, "2").sent(25),
        ])
    });
    assert_eq!(
        news,
        [(Detected, Worklist, Routine), (Resolved, Worklist, Routine)]
    );
    // Before a known one: it becomes part of it, and may confirm it.
    let mut open = Feed::woman();
    open.panel(40, "0.3", "9", "2");
    let id = open.all()[0].episode.clone();
    let news = open.then(41, |person| person.panel("0", 0, "0.3", "9", "2"));
    assert_eq!(told(&news), [(Confirmed, Page, Prompt)]);
    assert_eq!(news[0].episode, id);
}

#[test]
fn old_results_never_page_but_their_retraction_does_what_was_paged() {
    let mut feed = Feed::woman();
    let old = |day: i64, sent: i64, value: &'static str| {
        move |person: Person| {
            let order = day.to_string();
            person.with([
                igm(&order, day, value).sent(sent),
                igg(&order, day, "9").sent(sent),
                iga(&order, day, "2").sent(sent),
            ])
        }
    };
    assert_eq!(
        feed.told(29, old(0, 29, "0.3")),
        [(Detected, Page, Routine)]
    );
    let mut archive = Feed::woman();
    assert_eq!(
        archive.told(30, old(0, 30, "0.15")),
        [(Detected, Worklist, Prompt)],
        "30 days and an hour"
    );
    assert_eq!(
        archive.told(80, old(40, 80, "0.3")),
        [(Confirmed, Worklist, Prompt)]
    );
    let mut paged = Feed::woman();
    paged.panel(0, "0.3", "9", "2");
    let news = paged.told(200, |person| {
        person.with([igm("0", 0, "1.3").status("C").sent(200)])
    });
    assert_eq!(news, [(Retracted, Page, Routine)]);
}

#[test]
fn severity_risen_to_urgent_pages_once_more() {
    let mut feed = Feed::woman();
    feed.panel(0, "0.15", "9", "2");
    let again = feed.then(3, |person| person.diagnosis("A40.3", 2));
    assert_eq!(told(&again), [(Detected, Page, Urgent)]);
    assert_eq!(
        again[0].alert.expose().supersedes.as_ref(),
        Some(&feed.all()[0].alert_id.0)
    );
    assert_eq!(feed.told(4, |person| person.diagnosis("A40.3", 3)), []);
    // From routine to prompt is no page of its own.
    let mut prompt = Feed::woman();
    prompt.panel(0, "0.3", "9", "2");
    assert_eq!(prompt.told(3, |person| person.diagnosis("R16.1", 2)), []);
}

#[test]
fn patients_that_immunology_knows() {
    let known = |suppress| {
        Feed::of(Person::adult(Sex::Female).diagnosis("D80.4", -9))
            .policy(|policy| policy.detection.suppress_known = suppress)
    };
    let course = |suppress| {
        let mut feed = known(suppress);
        let mut news = feed.panel(0, "0.3", "9", "2");
        news.extend(feed.panel(40, "0.3", "9", "2"));
        news.extend(feed.panel(80, "0.3", "4", "2"));
        news.into_iter()
            .map(|(_, delivery, _)| delivery)
            .collect::<Vec<_>>()
    };
    assert_eq!(course(SuppressKnown::Off), [Page, Page, Page]);
    assert_eq!(course(SuppressKnown::Routine), [Worklist, Worklist, Page]);
    assert_eq!(course(SuppressKnown::All), [Worklist, Worklist, Worklist]);
    let mut urgent = known(SuppressKnown::All);
    urgent.person = urgent.person.clone().diagnosis("A40.3", -1);
    assert_eq!(
        urgent.panel(0, "0.15", "9", "2"),
        [(Detected, Page, Urgent)]
    );
}

#[test]
fn an_acknowledgement_as_known_lasts_its_time() {
    for (day, delivery) in [(400, Worklist), (730, Worklist), (731, Page)] {
        let mut feed = Feed::woman();
        feed.panel(0, "0.3", "9", "2");
        let mut acknowledged = feed.all()[0].clone();
        acknowledged.kind = Acknowledged;
        acknowledged.number = 2;
        acknowledged.at = at(0);
        let mut alert = acknowledged.alert.expose().clone();
        alert.tier_reason = Some(KNOWN.to_owned());
        acknowledged.alert = Phi::new(alert);
        feed.person = feed.person.clone().recorded(&[acknowledged]);
        let resolved = feed.then(100, |person| person.panel("100", 100, "0.9", "9", "2"));
        assert_eq!(resolved[0].number, 3, "an acknowledgement has a number too");
        assert_eq!(
            feed.panel(day, "0.3", "9", "2"),
            [(Detected, delivery, Routine)],
            "{day}"
        );
    }
}

#[test]
fn death_and_doubt_about_the_person() {
    let dead = Person::adult(Sex::Female).demographics(|r| r.dead = Given::Value(true));
    assert_eq!(
        Feed::of(dead).panel(0, "0.15", "9", "2"),
        [(Detected, Worklist, Prompt)]
    );
    let unreliable = Person::adult(Sex::Female).demographics(|r| r.unreliable = Given::Value(true));
    let mut feed = Feed::of(unreliable);
    assert_eq!(feed.panel(0, "0.3", "9", "2"), [(Detected, Page, Routine)]);
    assert_eq!(feed.panel(40, "0.3", "9", "2"), [], "blocks `confirmed`");
    let cleared = feed.told(41, |person| {
        person.demographics(|r| r.unreliable = Given::Value(false))
    });
    assert_eq!(cleared, [(Confirmed, Page, Prompt)]);
    let deleted = Person::adult(Sex::Female).demographics(|r| r.deleted = Given::Value(true));
    assert_eq!(Feed::of(deleted).panel(0, "0.3", "9", "2"), []);
}

#[test]
fn a_birth_date_corrected_retracts_what_rested_on_it() {
    let mut feed = Feed::of(Person::new().born(120, Sex::Female));
    feed.told(0, |person| {
        person.with([
            igm("0", 0, "0.45").no_range(),
            igg("0", 0, "9").no_range(),
            iga("0", 0, "2").no_range(),
        ])
    });
    assert_eq!(feed.all().len(), 1);
    let news = feed.then(1, |person| person.born(400, Sex::Female));
    assert_eq!(told(&news), [(Retracted, Page, Routine)]);
    assert_eq!(news[0].alert.expose().classification, "igm_normal");
}

#[test]
fn other_patterns_are_told_once_a_run_and_class() {
    let mut feed = Feed::woman();
    assert_eq!(
        feed.panel(0, "0.3", "4", "2"),
        [(OtherPattern, Worklist, Routine)]
    );
    assert_eq!(feed.panel(30, "0.3", "4", "2"), []);
    assert_eq!(
        feed.panel(60, "0.3", "4", "0.3"),
        [(OtherPattern, Worklist, Routine)]
    );
    assert_eq!(feed.panel(90, "0.9", "4", "2"), []);
    assert_eq!(
        feed.panel(120, "0.3", "4", "2"),
        [(OtherPattern, Worklist, Routine)]
    );
    // A low one alone detects, whatever was before.
    assert_eq!(
        feed.panel(160, "0.3", "9", "2"),
        [(Detected, Page, Routine)]
    );
    let mut all = Feed::woman().policy(|policy| policy.detection.page_other_patterns = true);
    assert_eq!(
        all.panel(0, "0.3", "4", "2"),
        [(OtherPattern, Page, Routine)]
    );
    // One that paged is taken back when its ground goes.
    assert_eq!(
        all.told(1, |person| person.cancelled("0", 1)),
        [(Retracted, Page, Routine)]
    );
}

#[test]
fn a_run_whose_first_became_an_episode_is_told_under_its_next() {
    // The run was recorded under its first IgM. That one turned out to be alone, so its record became
    // an episode while it was still taken for the run's: the rest was told one decision late.
    // (More than `reopen_after` lies between the two; sooner it would be progress of the episode.)
    let mut feed = Feed::woman();
    feed.panel(0, "0.3", "4", "2");
    feed.panel(120, "0.3", "4", "0.3");
    let news = feed.then(121, |person| {
        person.with([
            igg("0", 0, "9").status("C").sent(121),
            igm("n", 20, "0.9").sent(121),
        ])
    });
    assert_eq!(
        told(&news),
        [
            (Detected, Worklist, Routine),
            (Resolved, Worklist, Routine),
            (OtherPattern, Worklist, Routine)
        ]
    );
    assert_eq!(news[0].episode, feed.all()[0].episode);
    assert_ne!(news[2].episode, news[0].episode);
}

#[test]
fn infants_with_low_iga_page_urgently_unless_switched_off() {
    let infant = |on: bool| {
        let mut feed = Feed::of(Person::new().born(2, Sex::Male))
            .policy(|policy| policy.detection.page_infant_agamma = on);
        feed.told(0, |person| {
            person.with([
                igm("0", 0, "0.10").no_range(),
                igg("0", 0, "4").no_range(),
                iga("0", 0, "0.03").no_range(),
            ])
        })
    };
    assert_eq!(infant(true), [(OtherPattern, Page, Urgent)]);
    assert_eq!(infant(false), [(OtherPattern, Worklist, Urgent)]);
}

/// Two identities, each with an episode, pooled.
fn merged() -> (Feed, Vec<Transition>) {
    let mut first = Feed::woman();
    first.panel(0, "0.3", "9", "2");
    let mut second = Feed::woman();
    second.person.0.survivor = key("2");
    let news = second.told(10, |person| {
        person.with([
            igm("10", 10, "0.3").of("2"),
            igg("10", 10, "9").of("2"),
            iga("10", 10, "2").of("2"),
        ])
    });
    assert_eq!(news, [(Detected, Page, Routine)]);
    let other = second.person.0;
    let news = first.then(11, |mut person| {
        person.0.members.insert(key("2"));
        person.0.observations.extend(other.observations);
        person.recorded(&other.transitions)
    });
    (first, news)
}

#[test]
fn of_two_merged_episodes_the_one_opened_first_goes_on() {
    let (mut feed, news) = merged();
    assert_eq!(told(&news), [(Resolved, Worklist, Routine)]);
    let alert = news[0].alert.expose();
    assert_eq!(alert.tier_reason.as_deref(), Some("merged"));
    let (first, second) = (&feed.all()[0], &feed.all()[1]);
    assert_eq!(news[0].episode, second.episode);
    assert_eq!(alert.supersedes.as_ref(), Some(&first.episode.0));
    assert_eq!(news[0].filed_under, key("2"), "under its reported id");
    let id = first.episode.clone();
    let confirmed = feed.then(40, |person| person.panel("40", 40, "0.3", "9", "2"));
    assert_eq!(told(&confirmed), [(Confirmed, Page, Prompt)]);
    assert_eq!(confirmed[0].episode, id);
    assert_eq!(confirmed[0].members.len(), 3);
}

#[test]
fn a_merge_undone_gives_each_its_own_again() {
    let (feed, _) = merged();
    let mut second = Feed::of(feed.person.clone());
    second.person.0.survivor = key("2");
    let news = second.told(12, |mut person| {
        person.0.observations.retain(|o| o.id.patient == key("2"));
        person.0.transitions.retain(|t| t.filed_under == key("2"));
        person
    });
    assert_eq!(news, [(Reopened, Worklist, Routine)]);
    // A ground that was the other's is retracted: results moved away.
    let mut first = Feed::of(feed.person.clone());
    let moved = first.then(12, |person| person.without("0").without("10"));
    assert_eq!(
        told(&moved),
        [(Retracted, Page, Routine), (Retracted, Page, Routine)]
    );
    assert_eq!(
        moved[0].alert.expose().explanation,
        "Withdrawn: the IgM result no longer belongs to this patient."
    );
}

#[test]
fn what_never_stood_is_skipped() {
    let mut feed = Feed::woman();
    let news = feed.told(1, |person| {
        person
            .panel("0", 0, "0.3", "9", "2")
            .with([igm("0", 0, "1.3").status("C").sent(1)])
    });
    assert_eq!(news, []);
}

#[test]
fn several_steps_decided_at_once_come_in_order() {
    let mut feed = Feed::woman();
    let news = feed.told(80, |person| {
        person
            .panel("0", 0, "0.3", "9", "2")
            .panel("40", 40, "0.3", "9", "2")
            .panel("80", 80, "0.3", "4", "2")
    });
    assert_eq!(
        news,
        [
            (Detected, Page, Routine),
            (Confirmed, Page, Prompt),
            (Progressed, Page, Prompt)
        ]
    );
    let numbers: Vec<_> = feed.all().iter().map(|one| one.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn a_late_normal_splits_an_episode() {
    let mut feed = Feed::woman();
    feed.panel(0, "0.3", "9", "2");
    feed.panel(200, "0.3", "9", "2");
    let news = feed.told(201, |person| person.with([igm("n", 50, "0.9").sent(201)]));
    assert_eq!(
        news,
        [(Resolved, Worklist, Routine), (Detected, Page, Routine)],
        "the normal one is old news; what is low now is an episode of its own"
    );
    // And taken back: the first goes on, the second is one with it.
    let news = feed.told(202, |person| person.cancelled("n", 202));
    assert_eq!(
        news,
        [(Resolved, Worklist, Routine), (Reopened, Worklist, Routine)]
    );
}

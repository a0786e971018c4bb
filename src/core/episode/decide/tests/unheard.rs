//! What stood on the worklist only pages by the first Low that is news (ADR 6).

use super::*;

/// A panel collected on one day and received on another.
fn late(day: i64, sent: i64, m: &'static str) -> impl FnOnce(Person) -> Person {
    move |person: Person| {
        let order = day.to_string();
        person.with([
            igm(&order, day, m).sent(sent),
            igg(&order, day, "9").sent(sent),
            iga(&order, day, "2").sent(sent),
        ])
    }
}

fn sentence(news: &[Transition]) -> &str {
    &news.last().expect("news").alert.expose().explanation
}

#[test]
fn an_old_low_and_a_fresh_one_within_four_weeks() {
    let mut feed = Feed::woman();
    assert_eq!(
        feed.told(35, late(0, 35, "0.3")),
        [(Detected, Worklist, Routine)]
    );
    let news = feed.then(36, late(20, 36, "0.31"));
    assert_eq!(told(&news), [(Detected, Page, Routine)]);
    let alert = news[0].alert.expose();
    assert_eq!(
        alert.supersedes.as_deref(),
        Some(&*feed.all()[0].alert_id.0)
    );
    assert_eq!(
        alert.explanation,
        "IgM 0.31 g/L (limit 0.4, lab interval) with normal IgG 9 and IgA 2 g/L from the same sample; first \
         seen low on 3 Jan 2026; repeat after 4 weeks or more to see if it persists."
    );
    assert_eq!(feed.told(38, late(37, 38, "0.3")).len(), 1, "confirmed");
    assert_eq!(feed.told(40, late(39, 40, "0.3")), [], "paged is paged");
}

#[test]
fn an_archive_that_came_at_once_and_holds_one_fresh_low() {
    let mut feed = Feed::woman();
    let news = feed.told(36, |person| late(20, 36, "0.3")(late(0, 36, "0.3")(person)));
    assert_eq!(news, [(Detected, Page, Routine)]);
}

#[test]
fn a_confirmation_out_of_the_archive_and_then_a_fresh_low() {
    let mut feed = Feed::woman();
    feed.told(80, late(0, 80, "0.3"));
    assert_eq!(
        feed.told(80, late(40, 80, "0.3")),
        [(Confirmed, Worklist, Prompt)]
    );
    let news = feed.then(91, late(90, 91, "0.3"));
    assert_eq!(told(&news), [(Detected, Page, Prompt)]);
    assert!(
        sentence(&news).ends_with("; persistently low since 3 Jan 2026."),
        "{}",
        sentence(&news)
    );
    assert_eq!(feed.told(121, late(120, 121, "0.3")), []);
}

#[test]
fn an_episode_that_came_closed_and_is_open_again() {
    let mut feed = Feed::woman();
    let past = |person| late(20, 120, "0.9")(late(0, 120, "0.3")(person));
    assert_eq!(
        feed.told(120, past),
        [(Detected, Worklist, Routine), (Resolved, Worklist, Routine)]
    );
    let news = feed.then(121, late(100, 121, "0.3"));
    assert_eq!(
        told(&news),
        [(Reopened, Worklist, Routine), (Detected, Page, Routine)]
    );
    assert_eq!(
        feed.told(122, |person| person.panel("122", 122, "0.9", "", "")),
        [(Resolved, Page, Routine)],
        "to those who were paged"
    );
}

#[test]
fn what_6_4_keeps_on_the_worklist_stays_there() {
    let mut alone = Feed::woman();
    for day in [0, 2, 40] {
        alone.told(day, |person| {
            person.with([igm(&day.to_string(), day, "0.3").sent(day)])
        });
    }
    assert!(alone.all().iter().all(|one| one.delivery == Worklist));
    let mut dead = Feed::woman();
    dead.told(35, late(0, 35, "0.3"));
    let news = dead.told(36, |person| {
        let person = person.demographics(|r| r.dead = Given::Value(true));
        late(20, 36, "0.3")(person)
    });
    assert_eq!(news, []);
}

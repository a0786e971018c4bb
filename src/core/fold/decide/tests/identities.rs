//! Merges, moves and merges taken back: what was told of one person and belongs to another.

use super::*;

#[test]
fn merged_ids_are_one_person() {
    let steps = told(vec![
        merge("A", "B", 1),
        isolated("A", "F1", 0, ""),
        isolated("B", "F2", 1, ""),
    ]);
    assert_eq!(steps, [vec![], vec![one("B", Detected)], vec![]]);
}

#[test]
fn a_result_that_was_moved_is_taken_back_there_and_told_here() {
    let steps = told(vec![
        isolated("A", "F1", 0, "X"),
        move_account("X", "A", "B", 9),
        // Back again, later in the events' own time.
        move_account("X", "B", "A", 12),
    ]);
    assert_eq!(
        steps,
        [
            vec![one("A", Detected)],
            vec![one("A", Retracted), one("B", Detected)],
            vec![one("B", Retracted), one("A", Detected)],
        ]
    );
}

#[test]
fn a_result_reported_after_its_account_was_moved_is_told_where_it_belongs() {
    let steps = told(vec![
        move_account("X", "A", "B", 9),
        isolated("A", "F1", 0, "X"),
    ]);
    assert_eq!(steps, [vec![], vec![one("B", Detected)]]);
}

#[test]
fn a_merge_overruled_by_a_later_one_is_taken_back_and_told_anew() {
    let steps = told(vec![
        merge("A", "B", 1),
        isolated("A", "F1", 0, ""),
        merge("A", "C", 2),
    ]);
    assert_eq!(
        steps,
        [
            vec![],
            vec![one("B", Detected)],
            vec![one("B", Retracted), one("C", Detected)],
        ]
    );
}

fn undo(prior: &str, survivor: &str) -> Fact {
    Fact::MergeUndone(MergeUndone {
        prior: key(prior),
        survivor: key(survivor),
        through: at(100),
        by: "local".to_owned(),
        comment: Phi::new("another person".to_owned()),
        at: at(100),
    })
}

/// WIRE I-7: what was told of the pooled set is taken back there and told of whom it belongs to.
#[test]
fn an_undone_merge_takes_back_what_was_told_of_the_wrong_patient() {
    let mut live = Live::new(vec![merge("A", "B", 1), isolated("A", "F1", 0, "")]);
    assert_eq!(live.run(), [vec![], vec![one("B", Detected)]]);
    live.append(undo("A", "B"));
    assert_eq!(live.decide(), [one("B", Retracted), one("A", Detected)]);
    assert_eq!(live.decide(), [], "once");
    let other = pooled(&live.state, "B");
    assert!(other.2.is_empty() && other.1 == ["HOSP:B"]);
}

/// What was told stays true of the one it was told of: nobody is told anything.
#[test]
fn an_undone_merge_that_changed_nothing_tells_nothing() {
    let report = demographics(1, Given::Value("Doe"), Given::Absent);
    let mut live = Live::new(vec![
        isolated("A", "F1", 0, ""),
        named("B", report),
        merge("B", "A", 1),
    ]);
    assert_eq!(live.run(), [vec![one("A", Detected)], vec![], vec![]]);
    live.append(undo("B", "A"));
    assert_eq!(live.decide(), []);
    assert_eq!(pooled(&live.state, "A").1, ["HOSP:A"]);
}

/// An episode that the other's result had closed is open again, and that is no alert by itself.
#[test]
fn an_undone_merge_opens_again_what_it_had_closed() {
    let mut live = Live::new(vec![
        isolated("A", "F1", 0, ""),
        panel("B", "F2", 60, "", "1.2"),
        merge("B", "A", 1),
    ]);
    let steps = live.run();
    assert_eq!(steps[2], [one("A", TransitionKind::Resolved)]);
    let told = views::last_alert(&live.state).unwrap();
    live.append(undo("B", "A"));
    assert_eq!(live.decide(), [one("A", TransitionKind::Reopened)]);
    assert_eq!(views::last_alert(&live.state).unwrap(), told);
}

/// A person with two ids, and a third id of which one episode was told after so many messages; those that follow
/// are folded and not decided about.
fn told_of_c(first: usize, said: Vec<Said>) -> Live {
    let mut live = Live::new(said);
    for (place, (_, fact)) in live.script.facts().into_iter().enumerate() {
        if place == first {
            assert_eq!(live.decide(), [one("C", Detected)]);
        }
        live.append(fact);
    }
    live
}

/// The other one must not find an episode that is about to be taken back, and keep silent about it.
#[test]
fn a_result_that_was_moved_beside_other_news_of_the_person_is_told_there() {
    let said = vec![
        merge("A", "B", 1),
        isolated("C", "F1", 0, "X"),
        move_account("X", "C", "B", 9),
        isolated("A", "F2", 1, ""),
    ];
    let mut live = told_of_c(2, said);
    assert_eq!(live.decide(), [one("C", Retracted), one("B", Detected)]);
    assert_eq!(live.decide(), []);
}

/// The same where a new version of the result names the account that was moved.
#[test]
fn a_result_that_goes_along_later_beside_other_news_is_told_there() {
    let said = vec![
        merge("A", "B", 1),
        isolated("C", "F1", 0, ""),
        move_account("X", "C", "B", 9),
        isolated("C", "F1", 0, "X"),
        isolated("A", "F2", 1, ""),
    ];
    let mut live = told_of_c(3, said);
    assert_eq!(live.decide(), [one("C", Retracted), one("B", Detected)]);
}

/// So it is where the move's own news are decided about only later, in a backlog: what was told of the
/// one person is taken back before the other one's episode goes on.
#[test]
fn what_was_moved_is_taken_back_first_in_a_backlog_too() {
    let told = |at_once: usize| {
        let said = vec![
            merge("A", "B", 1),
            isolated("C", "F1", 0, "X"),
            isolated("A", "F2", 60, ""),
            move_account("X", "C", "B", 9),
        ];
        let mut live = told_of_c(2, said);
        let mut told = Vec::new();
        while let Some(decided) = decide_some(&live.state, &POLICY, at_once).unwrap() {
            for step in &decided.transitions {
                let patient = step.alert.expose().patient.id.clone();
                told.push((patient.unwrap(), step.kind, step.number));
            }
            live.append(Fact::Decided(decided));
        }
        told
    };
    let expected = [
        ("C".to_owned(), Retracted, 2),
        ("B".to_owned(), Detected, 3),
        ("B".to_owned(), TransitionKind::Confirmed, 4),
    ];
    assert_eq!(told(100), expected);
    assert_eq!(told(1), expected);
}

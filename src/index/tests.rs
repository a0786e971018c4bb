//! The index against a plain list: whatever is asked, blocks, files and memory give the same.

use super::*;
use crate::core::phi::Phi;
use proptest::prelude::*;

fn entry(position: u64, seed: u64) -> Entry {
    let pick = |n: u64, of: u64| (seed / n) % of;
    Entry {
        position: JournalPosition(position),
        at: Timestamp::from_micros(i64::try_from(position * 1_000 + pick(1, 7)).unwrap()),
        listener: format!("l{}", pick(2, 2)),
        feed: format!("LAB{}/H", pick(3, 3)),
        kind: ["ORU^R01", "ADT^A08", ""][usize::try_from(pick(5, 3)).unwrap()].to_owned(),
        control_id: Phi::new(format!("M{}", pick(7, 50))),
        patients: Phi::new(vec![format!("P{}", pick(11, 40)), "common".to_owned()]),
        outcome: Outcome::from_byte(u8::try_from(pick(13, 4)).unwrap()).unwrap(),
    }
}

fn some(from: u64, count: u64) -> Vec<Entry> {
    (from..from + count)
        .map(|position| {
            entry(
                position * 3,
                position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20,
            )
        })
        .collect()
}

fn keys() -> Keyring {
    Keyring::parse(&"11".repeat(32)).unwrap()
}

/// All pages of a search.
fn all(index: &Index, query: &Query, limit: usize) -> Vec<Entry> {
    let mut query = query.clone();
    let mut found = Vec::new();
    loop {
        let page = index.search(&query, limit).unwrap();
        found.extend(page.entries);
        match page.next {
            Some(next) => query.before = Some(next),
            None => return found,
        }
    }
}

fn filled(dir: &std::path::Path, keys: Keyring, entries: &[Entry]) -> Index {
    let index = Index::open(dir.join("index"), keys).unwrap();
    for chunk in entries.chunks(500) {
        let through = chunk.last().unwrap().position;
        index.add(chunk.to_vec(), through).unwrap();
    }
    index
}

#[test]
fn what_is_found_is_what_a_list_would_give() {
    let dir = tempfile::tempdir().unwrap();
    let count = u64::try_from(BLOCK).unwrap() * 2 + 700;
    let entries = some(1, count);
    let index = filled(dir.path(), keys(), &entries);
    assert_eq!(index.len(), entries.len());
    let paged = [entries[5].position, entries[BLOCK * 2 + 5].position];
    index.note_paged(paged);
    let expected = |query: &Query| -> Vec<Entry> {
        let mut found = entries.clone();
        found.reverse();
        for one in &mut found {
            if paged.contains(&one.position) {
                one.outcome = Outcome::Paged;
            }
        }
        found.retain(|one| {
            let is =
                |asked: &Option<String>, text: &str| asked.as_deref().is_none_or(|it| it == text);
            is(&query.listener, &one.listener)
                && is(&query.feed, &one.feed)
                && query
                    .kind
                    .as_deref()
                    .is_none_or(|kind| one.kind.starts_with(kind))
                && is(&query.control_id, one.control_id.expose())
                && query
                    .patient
                    .as_ref()
                    .is_none_or(|id| one.patients.expose().contains(id))
                && query.outcome.is_none_or(|outcome| outcome == one.outcome)
                && query.since.is_none_or(|since| one.at >= since)
                && query.until.is_none_or(|until| one.at < until)
        });
        found
    };
    let text = |text: &str| Some(text.to_owned());
    let middle = entries[BLOCK].at;
    let queries = [
        Query::default(),
        Query {
            control_id: text("M7"),
            ..Query::default()
        },
        Query {
            control_id: text("none"),
            ..Query::default()
        },
        Query {
            patient: text("P3"),
            ..Query::default()
        },
        Query {
            patient: text("P3"),
            control_id: text("M7"),
            ..Query::default()
        },
        Query {
            feed: text("LAB1/H"),
            kind: text("ORU"),
            ..Query::default()
        },
        Query {
            feed: text("LAB9/H"),
            ..Query::default()
        },
        Query {
            kind: text("ORU^R01"),
            listener: text("l1"),
            ..Query::default()
        },
        Query {
            outcome: Some(Outcome::Paged),
            ..Query::default()
        },
        Query {
            outcome: Some(Outcome::Quarantined),
            since: Some(middle),
            ..Query::default()
        },
        Query {
            until: Some(middle),
            patient: text("P1"),
            ..Query::default()
        },
    ];
    for (number, query) in queries.iter().enumerate() {
        let found = all(&index, query, 777);
        assert!(
            found == expected(query),
            "query {number}: {} found",
            found.len()
        );
    }
    for one in [&entries[0], &entries[BLOCK], entries.last().unwrap()] {
        assert!(index.entry(one.position).unwrap().as_ref() == Some(one));
    }
    assert!(index.entry(JournalPosition(4)).unwrap().is_none());
}

#[test]
fn files_are_found_again_and_what_is_damaged_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let count = u64::try_from(BLOCK).unwrap() * 3;
    let entries = some(1, count);
    drop(filled(dir.path(), Keyring::none(), &entries));
    let index = Index::open(dir.path().join("index"), Keyring::none()).unwrap();
    assert_eq!(index.len(), BLOCK * 3);
    assert_eq!(index.through(), entries.last().unwrap().position);
    drop(index);
    // The second of three is damaged: it and the third are gone, the first stands.
    let mut names: Vec<_> = std::fs::read_dir(dir.path().join("index"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let mut bytes = std::fs::read(&names[1]).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&names[1], bytes).unwrap();
    let index = Index::open(dir.path().join("index"), Keyring::none()).unwrap();
    assert_eq!(index.len(), BLOCK);
    // Up to right before the message that comes next.
    let next = entries[BLOCK].position;
    assert_eq!(index.through(), JournalPosition(next.0 - 1));
    // And another key opens nothing of what is sealed.
    drop(index);
    let sealed = tempfile::tempdir().unwrap();
    drop(filled(sealed.path(), keys(), &entries));
    let files = std::fs::read_dir(sealed.path().join("index")).unwrap();
    for file in files {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(
            memchr::memmem::find(&bytes, b"common").is_none(),
            "nothing in the clear"
        );
    }
    let index = Index::open(sealed.path().join("index"), Keyring::none()).unwrap();
    assert_eq!(index.len(), 0);
}

#[test]
fn what_the_journal_dropped_is_dropped_here() {
    let dir = tempfile::tempdir().unwrap();
    let count = u64::try_from(BLOCK).unwrap() * 2;
    let entries = some(1, count);
    let index = filled(dir.path(), Keyring::none(), &entries);
    index.drop_before(entries[BLOCK + 1].position);
    assert_eq!(index.len(), BLOCK);
    let found = all(&index, &Query::default(), 10_000);
    assert!(found.last().unwrap().position == entries[BLOCK].position);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Pages of any size, one behind the other, are the whole.
    #[test]
    fn pages_leave_nothing_out(count in 1_u64..300, limit in 1_usize..50, patient in 0_u64..40) {
        let dir = tempfile::tempdir().unwrap();
        let entries = some(1, count);
        let index = filled(dir.path(), Keyring::none(), &entries);
        let query = Query { patient: Some(format!("P{patient}")), ..Query::default() };
        let found = all(&index, &query, limit);
        let wanted = entries.iter().rev();
        let wanted: Vec<Entry> = wanted
            .filter(|one| one.patients.expose().contains(&format!("P{patient}")))
            .cloned()
            .collect();
        prop_assert!(found == wanted);
    }
}

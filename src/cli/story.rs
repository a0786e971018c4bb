//! What messages say and amount to, folded into a state that ends with the command.

use crate::cache::Memory;
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::PatientKey;
use crate::core::clinical::results::Results;
use crate::core::episode::assess::{AssessedResult, Assessment, assess, assessed};
use crate::core::extract::{Extraction, extract};
use crate::core::fact::{Fact, JournalPosition, Origin, Received};
use crate::core::fold::state::{State, StateError};
use crate::core::fold::{self, views};
use crate::core::hl7::envelope::{self, Opened};
use crate::core::mllp::{Decoder, Event, Limits, VT};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use bytes::Bytes;
use std::collections::BTreeSet;

/// Messages without a daemon.
pub(super) struct Story<'p> {
    policy: &'p Policy,
    state: Memory,
    position: JournalPosition,
    patients: BTreeSet<PatientKey>,
}

impl<'p> Story<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
        let (state, position) = (Memory::new(), JournalPosition::START);
        Self {
            policy,
            state,
            position,
            patients: BTreeSet::new(),
        }
    }

    /// Takes one message and says what was read of it.
    pub(super) fn take(
        &mut self,
        raw: Bytes,
        listener: &str,
        received_at: Timestamp,
    ) -> Result<Extraction, StateError> {
        let origin = Origin {
            listener: listener.to_owned(),
            peer: "file".to_owned(),
        };
        let received = Received {
            origin,
            received_at,
            part: (0, 1),
            raw,
        };
        let extraction = extract(&received, self.position.next(), self.policy);
        self.patients
            .extend(extraction.patients.iter().map(|part| part.key.clone()));
        self.fold(Fact::Received(received))?;
        Ok(extraction)
    }

    /// Decides over all that was taken.
    pub(super) fn decide(&mut self) -> Result<(), StateError> {
        // Of many patients some are decided about at once.
        while let Some(decided) = fold::decide(&self.state, self.policy)? {
            self.fold(Fact::Decided(decided))?;
        }
        Ok(())
    }

    fn fold(&mut self, fact: Fact) -> Result<(), StateError> {
        self.position = self.position.next();
        let applied = fold::apply(&[(self.position, fact)], &self.state, self.policy, &extract)?;
        self.state.commit(applied.batch, applied.through)
    }

    /// Every person with a result or demographics, by surviving id.
    pub(super) fn people(&self, now: Timestamp) -> Result<Vec<Person>, StateError> {
        let mut people: Vec<Person> = Vec::new();
        for key in &self.patients {
            let Some(pooled) = views::patient(&self.state, key)? else {
                continue;
            };
            if people.iter().any(|person| person.key == pooled.survivor) {
                continue;
            }
            let alerts = pooled
                .transitions
                .iter()
                .map(|transition| serde_json::to_value(&transition.alert).unwrap_or_default())
                .collect();
            let results = Results::judge(&pooled, self.policy);
            let chart = Chart::read(&results, self.policy);
            people.push(Person {
                key: pooled.survivor.clone(),
                assessment: assess(&chart, &pooled, self.policy, now),
                results: assessed(&chart),
                alerts,
            });
        }
        Ok(people)
    }
}

/// A person and how they stand.
pub(super) struct Person {
    pub(super) key: PatientKey,
    pub(super) assessment: Assessment,
    pub(super) results: Vec<AssessedResult>,
    /// The `data` of the alerts that would be issued.
    pub(super) alerts: Vec<serde_json::Value>,
}

/// The messages of a file: raw or in MLLP frames, one or many, with or without batch headers. The
/// second part counts what has no readable header.
pub(super) fn messages(file: Bytes) -> (Vec<Bytes>, usize) {
    let mut contents = vec![file.clone()];
    let begins = file
        .iter()
        .find(|byte| !byte.is_ascii_whitespace() && **byte != 0);
    if begins == Some(&VT) {
        let most = file.len().max(1);
        let limits = Limits {
            max_message: most,
            max_junk: most,
            ..Limits::default()
        };
        let mut decoder = Decoder::new(limits);
        let mut events = Vec::new();
        decoder.push(&file, &mut events);
        decoder.finish(&mut events);
        contents = events
            .into_iter()
            .filter_map(|event| match event {
                Event::Frame(content) | Event::Truncated(content) => Some(content),
                Event::TooLarge { .. }
                | Event::Commit(_)
                | Event::JunkLimit
                | Event::DiscardLimit => None,
            })
            .collect();
    }
    let mut messages = Vec::new();
    let mut unreadable = 0;
    for content in contents {
        match envelope::open(&content) {
            Opened::Empty => {}
            Opened::Refused(_) => unreadable += 1,
            Opened::Messages(envelope) => {
                unreadable += envelope.unreadable.len();
                messages.extend(envelope.messages.iter().map(|m| content.slice_ref(m.raw)));
            }
        }
    }
    (messages, unreadable)
}

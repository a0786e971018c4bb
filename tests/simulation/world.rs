//! The daemon's inside without its threads: journal on a disk that can lose power, fold, decisions,
//! one sink; and what must hold whenever the power comes back.

use super::hospital::{Event, Hospital};
use super::message::{FEEDS, Feed};
use super::oracle::Oracle;
use super::random::Random;
use pentamer::cache::Memory;
use pentamer::core::extract::extract;
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::fold::state::{Batch, State};
use pentamer::core::fold::{self, views};
use pentamer::core::policy::Policy;
use pentamer::core::time::{Span, Timestamp};
use pentamer::journal::{
    Appender, Draft, Fingerprint, ModelDisk, Options, Reader, Stored, WriterHandle, open,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// The one sink's name.
const SINK: &str = "pager";

/// The power went off: nothing that was not synced is certain.
pub struct PowerCut;

/// From start to power cut.
struct Life {
    appender: Appender,
    writer: WriterHandle,
    reader: Reader,
}

impl Life {
    /// A reader from the journal's beginning, and how far it is synced.
    fn whole_journal(&self) -> (Reader, JournalPosition) {
        let through = self.appender.status().borrow().synced;
        let reader = self.appender.reader(JournalPosition::START);
        (reader.expect("a reader"), through)
    }
}

/// What was acknowledged, to be found again.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Acknowledged {
    event: usize,
    duplicate_of: Option<JournalPosition>,
}

/// Everything.
pub struct World<'h> {
    hospital: &'h Hospital,
    by_control: HashMap<(&'static str, &'h str), usize>,
    policy: Policy,
    random: Random,
    runtime: Runtime,
    disk: ModelDisk,
    power_off: Option<u64>,
    /// The next alert is not delivered in peace.
    cut_at_alert: bool,
    life: Life,
    pub state: Memory,
    /// The state as an earlier flush would have left it on a disk.
    flushed: Memory,
    pub oracle: Oracle,
    /// The oracle was told of everything up to here.
    told: JournalPosition,
    acknowledged: BTreeMap<JournalPosition, Acknowledged>,
    /// How often each alert was given to the sink.
    pub sent: BTreeMap<String, u32>,
    pub power_cuts: u32,
    pub rebuilds: u32,
    pub duplicates: usize,
    /// Decided by time alone.
    pub deadlines: usize,
}

fn options() -> Options {
    Options {
        segment_size: 1 << 20,
        reserve: 0,
        retry: Duration::from_micros(200),
        prepare_ahead: false,
        ..Options::new("/data", || super::hospital::YEAR)
    }
}

fn live(disk: &ModelDisk, state: &Memory) -> Life {
    let (journal, recovery) = open(Arc::new(disk.clone()), options()).expect("the journal opens");
    assert_eq!(recovery.damage, [], "a power cut damages nothing");
    let (appender, writer) = journal.start();
    let at = state.position().expect("a position");
    let reader = appender.reader(at).expect("a reader");
    Life {
        appender,
        writer,
        reader,
    }
}

/// A copy of a state as it stands.
fn copied(state: &Memory) -> Memory {
    let copy = Memory::new();
    let entries = state.scan(&[], &[], usize::MAX).expect("a readable state");
    let changes = entries.into_iter().map(|(key, value)| (key, Some(value)));
    let batch = Batch {
        changes: changes.collect(),
    };
    let at = state.position().expect("a position");
    copy.commit(batch, at).expect("committed");
    copy
}

/// Like `Folder::apply`.
pub fn fold_into(state: &dyn State, facts: &[(JournalPosition, Fact)], policy: &Policy) {
    let read = |received: &Received, position, policy: &Policy| extract(received, position, policy);
    let applied = fold::apply(facts, state, policy, &read).expect("a readable state");
    state
        .commit(applied.batch, applied.through)
        .expect("committed");
}

/// Facts folded as one batch at most, as in the engine.
const BATCH: usize = 1_024;

impl<'h> World<'h> {
    pub fn new(hospital: &'h Hospital, seed: u64) -> Self {
        let disk = ModelDisk::new();
        let state = Memory::new();
        let control = |(number, event): (usize, &'h Event)| {
            (
                (FEEDS[event.feed].application, event.control.as_str()),
                number,
            )
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        Self {
            hospital,
            // Of those sent again the first one.
            by_control: hospital
                .events
                .iter()
                .enumerate()
                .rev()
                .map(control)
                .collect(),
            policy: Policy::built_in(),
            random: Random::new(seed ^ 0x5EED),
            runtime: runtime.expect("a runtime"),
            life: live(&disk, &state),
            disk,
            power_off: None,
            cut_at_alert: false,
            state,
            flushed: Memory::new(),
            oracle: Oracle::default(),
            told: JournalPosition::START,
            acknowledged: BTreeMap::new(),
            sent: BTreeMap::new(),
            power_cuts: 0,
            rebuilds: 0,
            duplicates: 0,
            deadlines: 0,
        }
    }

    /// Lives through all events, with so many power cuts.
    pub fn live_through(&mut self, power_cuts: usize) {
        let events = self.hospital.events.len();
        let mut cuts: Vec<usize> = (0..power_cuts)
            .map(|_| self.random.below(events as u64) as usize)
            .collect();
        cuts.sort_unstable();
        let mut cuts = cuts.into_iter().peekable();
        let mut flush = 0;
        let mut next = 0;
        while next < events {
            let end = self.end_of_batch(next);
            if cuts.next_if(|at| *at < end).is_some() {
                if self.random.chance(0.5) {
                    self.cut_at_alert = true;
                } else {
                    self.cut_power_within(24);
                }
            }
            let at = self.now(end);
            match self.a_while(next..end, at) {
                Ok(()) => next = end,
                // What was not acknowledged is sent again.
                Err(PowerCut) => self.start_again(at),
            }
            if next >= flush {
                self.flushed = copied(&self.state);
                flush = next + 1 + self.random.below(1 + events as u64 / 8) as usize;
            }
        }
        self.power_off = None;
        self.cut_at_alert = false;
        self.disk.lose_power_at(u64::MAX);
        assert!(self.a_while(events..events, self.now(events)).is_ok());
    }

    fn cut_power_within(&mut self, calls: u64) {
        let at = self.disk.operations() + self.random.below(calls);
        self.disk.lose_power_at(at);
        self.power_off = Some(at);
    }

    /// Messages that come close together are decided together; after an outage of hours many are.
    fn end_of_batch(&mut self, start: usize) -> usize {
        let together = if self.random.chance(0.002) {
            Span::seconds(3_600 * self.random.between(1, 10))
        } else {
            Span::seconds(self.random.between(1, 900))
        };
        let events = &self.hospital.events;
        let due = events[start].due;
        let rest = events.iter().skip(start);
        start
            + rest
                .take_while(|event| event.due.since(due) <= together)
                .count()
                .max(1)
    }

    /// The clock when the messages before `end` have come.
    fn now(&self, end: usize) -> Timestamp {
        let last = self.hospital.events.get(end.saturating_sub(1));
        last.map_or(super::hospital::YEAR, |event| event.due)
    }

    /// Messages come, are folded, decided about, and the alerts go out.
    fn a_while(&mut self, events: std::ops::Range<usize>, now: Timestamp) -> Result<(), PowerCut> {
        self.meet_deadlines(
            self.hospital
                .events
                .get(events.start)
                .map_or(now, |e| e.due),
        )?;
        let mut next = events.start;
        while next < events.end {
            let size = 1 + self.random.below(8) as usize;
            let group = next..events.end.min(next + size);
            next = group.end;
            let drafts = group
                .clone()
                .map(|number| self.draft(number, now))
                .collect();
            let stored = self.store(drafts)?;
            for (event, stored) in group.zip(stored) {
                let acknowledged = Acknowledged {
                    event,
                    duplicate_of: stored.duplicate_of,
                };
                self.duplicates += usize::from(stored.duplicate_of.is_some());
                let before = self.acknowledged.insert(stored.position, acknowledged);
                assert!(before.is_none(), "position {} given twice", stored.position);
            }
        }
        self.fold();
        self.decide()?;
        self.deliver(now)
    }

    /// Like `Folder::meet_deadline`: what time alone decides before the next message comes.
    fn meet_deadlines(&mut self, until: Timestamp) -> Result<(), PowerCut> {
        let next = |state: &Memory| fold::next_deadline(state).expect("a readable state");
        while let Some(at) = next(&self.state).filter(|at| *at < until) {
            self.record(Fact::Deadline { at })?;
            self.deadlines += 1;
        }
        Ok(())
    }

    fn draft(&self, number: usize, now: Timestamp) -> Draft {
        let event = &self.hospital.events[number];
        Draft {
            fact: Fact::Received(Received {
                origin: Origin {
                    listener: FEEDS[event.feed].listener.to_owned(),
                    peer: "192.0.2.1:4000".to_owned(),
                },
                received_at: now,
                part: (0, 1),
                raw: event.raw.clone().into(),
            }),
            fingerprint: Some(fingerprint(event.feed, &event.control, &event.raw)),
        }
    }

    fn store(&mut self, group: Vec<Draft>) -> Result<Vec<Stored>, PowerCut> {
        let Life {
            appender, writer, ..
        } = &self.life;
        let Some(power_off) = self.power_off else {
            return appender.append_blocking(group).map_err(|_| PowerCut);
        };
        let disk = &self.disk;
        self.runtime.block_on(async {
            let mut status = appender.status();
            let mut answer = appender.submit(group).await.map_err(|_| PowerCut)?;
            loop {
                if disk.operations() > power_off {
                    writer.stop();
                }
                tokio::select! {
                    stored = &mut answer => return stored.map_err(|_| PowerCut),
                    _ = status.changed() => {}
                }
            }
        })
    }

    fn record(&mut self, fact: Fact) -> Result<(), PowerCut> {
        self.store(vec![fact.into()])?;
        self.fold();
        Ok(())
    }

    /// Folds what is synced, and tells the oracle of it.
    fn fold(&mut self) {
        let synced = self.life.appender.status().borrow().synced;
        loop {
            let mut facts = Vec::new();
            while facts.len() < BATCH {
                match self.life.reader.next(synced).expect("a whole journal") {
                    Some(fact) => facts.push(fact),
                    None => break,
                }
            }
            if facts.is_empty() {
                return;
            }
            for (position, fact) in &facts {
                if *position > self.told {
                    self.told = *position;
                    self.tell(fact);
                }
            }
            fold_into(&self.state, &facts, &self.policy);
        }
    }

    fn tell(&mut self, fact: &Fact) {
        if let Fact::Received(received) = fact {
            let event = &self.hospital.events[self.event(received)];
            self.oracle.take(event, received.received_at);
        }
    }

    /// Which event a message in the journal is.
    fn event(&self, received: &Received) -> usize {
        let text = String::from_utf8_lossy(&received.raw);
        let mut fields = text.split('|');
        let application = fields.nth(2).expect("MSH-3");
        let control = fields.nth(6).expect("MSH-10");
        let known = FEEDS.iter().find(|feed| feed.application == application);
        let application = known.expect("a feed").application;
        self.by_control[&(application, control)]
    }

    /// Like `Folder::decide`: over all that is folded, and again until nothing is left.
    fn decide(&mut self) -> Result<(), PowerCut> {
        self.oracle.settle(&self.hospital.people);
        while let Some(decided) = fold::decide(&self.state, &self.policy).expect("a readable state")
        {
            self.record(Fact::Decided(decided))?;
        }
        Ok(())
    }

    /// Like the queue of a sink: next alert, `Attempted`, send, `Delivered`, next.
    fn deliver(&mut self, at: Timestamp) -> Result<(), PowerCut> {
        loop {
            let next = views::next_alert(&self.state, SINK).expect("a readable state");
            let Some(next) = next else { return Ok(()) };
            if std::mem::take(&mut self.cut_at_alert) {
                self.cut_power_within(5);
            }
            let (sink, alert_id) = (SINK.to_owned(), next.transition.alert_id.0);
            if next.attempted.is_none() {
                self.record(Fact::Attempted {
                    sink: sink.clone(),
                    alert_id: alert_id.clone(),
                    at,
                })?;
            }
            let times = self.sent.entry(alert_id.clone()).or_default();
            assert!(
                *times == 0 || next.attempted.is_some(),
                "{alert_id} sent again without a word of it"
            );
            *times += 1;
            self.record(Fact::Delivered { sink, alert_id, at })?;
        }
    }

    /// After a power cut: the journal as the disk may have kept it, the state as an earlier flush left
    /// it, or lost.
    fn start_again(&mut self, now: Timestamp) {
        self.power_cuts += 1;
        self.cut_at_alert = false;
        self.power_off = None;
        self.life.writer.stop();
        let image = self.disk.image(self.random.draw() % 1_000);
        let flushed = std::mem::take(&mut self.flushed);
        let life = live(&image, &flushed);
        let old = std::mem::replace(&mut self.life, life);
        drop((old.reader, old.appender));
        old.writer.join();
        self.disk = image;
        self.state = flushed;
        self.fold();
        self.rebuild();
        self.flushed = copied(&self.state);
        let decided = self.decide().and_then(|()| self.deliver(now));
        assert!(decided.is_ok(), "the power is on");
    }

    /// Reads the journal from its beginning: what was acknowledged is there, and gives the same state.
    pub fn rebuild(&mut self) {
        self.rebuilds += 1;
        let (mut reader, through) = self.life.whole_journal();
        let rebuilt = Memory::new();
        let mut facts = Vec::new();
        let mut known = 0;
        let mut expected = JournalPosition::START;
        loop {
            let next = reader.next(through).expect("a whole journal");
            if let Some((position, fact)) = &next {
                expected = expected.next();
                assert_eq!(*position, expected);
                known += usize::from(self.is_as_acknowledged(*position, fact));
            }
            let is_last = next.is_none();
            facts.extend(next);
            if is_last || facts.len() > self.random.below(BATCH as u64) as usize {
                fold_into(&rebuilt, &facts, &self.policy);
                facts.clear();
            }
            if is_last {
                break;
            }
        }
        assert_eq!(
            known,
            self.acknowledged.len(),
            "what was acknowledged is there"
        );
        assert_eq!(
            rebuilt.position().expect("read"),
            self.state.position().expect("read")
        );
        let (live, rebuilt) = (views::dump(&self.state), views::dump(&rebuilt));
        assert!(
            live.expect("a readable state") == rebuilt.expect("a readable state"),
            "the rebuilt state is the live one"
        );
    }

    /// Whether a fact was acknowledged; then it must be what was.
    fn is_as_acknowledged(&self, position: JournalPosition, fact: &Fact) -> bool {
        let Some(Acknowledged {
            event,
            duplicate_of,
        }) = self.acknowledged.get(&position)
        else {
            return false;
        };
        match fact {
            Fact::Received(received) => {
                assert_eq!(*duplicate_of, None);
                assert!(
                    received.raw == self.hospital.events[*event].raw,
                    "{position} is another"
                );
            }
            Fact::SeenAgain { first, .. } => assert_eq!(*duplicate_of, Some(*first)),
            other => panic!("{position} is {other:?}"),
        }
        true
    }

    /// All alerts in the order of their log.
    pub fn alerts(&self) -> Vec<pentamer::core::episode::Transition> {
        let alerts = views::alerts(&self.state, 0, usize::MAX).expect("a readable state");
        alerts
            .into_iter()
            .map(|(_, transition)| transition)
            .collect()
    }

    /// Everything received as one batch, decided once: no path at all.
    pub fn at_once(&self) -> Memory {
        let (mut reader, through) = self.life.whole_journal();
        let state = Memory::new();
        let mut messages = Vec::new();
        while let Some((position, fact)) = reader.next(through).expect("a whole journal") {
            if matches!(fact, Fact::Received(_)) {
                messages.push((position, fact));
            }
        }
        for batch in messages.chunks(BATCH) {
            fold_into(&state, batch, &self.policy);
        }
        let decided = fold::decide(&state, &self.policy).expect("a readable state");
        if let Some(decided) = decided {
            fold_into(
                &state,
                &[(through.next(), Fact::Decided(decided))],
                &self.policy,
            );
        }
        state
    }
}

/// How the listener knows a message again.
fn fingerprint(feed: usize, control: &str, raw: &[u8]) -> Fingerprint {
    let Feed {
        listener,
        application,
        ..
    } = &FEEDS[feed];
    Fingerprint::of(
        listener,
        application.as_bytes(),
        b"HOSP",
        control.as_bytes(),
        raw,
    )
}

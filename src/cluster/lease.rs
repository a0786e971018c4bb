//! Who decides: one lease a site in a bucket, with revision checks and everybody's own steady clock.
//!
//! The holder renews it; whoever sees no renewal for the whole term takes it with an epoch of one more. Clocks
//! are never compared: a term is measured from when its renewal was seen. And nothing is trusted to it alone: the
//! one who takes it puts a [`Held`] into the stream, and from there on the stream takes nothing of the former one
//! (see the invariants of this room).

use super::link::{Expects, Link, LinkError};
use super::message::{EPOCH, Going};
use super::right::{Chain, Right};
use super::tail::Tail;
use super::writer::HOLDER;
use crate::clock;
use crate::config::Cluster;
use crate::core::fact::{Fact, Held, JournalPosition};
use crate::core::time::Timestamp;
use crate::journal::{Hold, Inlet, Record, encode_fact};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Renewals within a term.
const RENEWALS: u32 = 4;

/// What stands in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Term {
    /// Who has it; `None` where it was given away.
    pub holder: Option<String>,
    /// Rises by one with every taking.
    pub epoch: u64,
    /// When it was last renewed, by the holder's clock; for people.
    pub at: Timestamp,
}

/// What an instance says of itself in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Presence {
    /// `[cluster] stream`.
    pub stream: String,
    /// Its version.
    pub version: String,
    /// Up to here the stream is known to it.
    pub reached: u64,
    /// Facts up to here stand behind both checkpoints that it keeps.
    #[serde(default)]
    pub floor: u64,
    /// It holds the right to decide.
    pub holds: bool,
    /// It takes none.
    pub drained: bool,
    /// When it said so.
    pub at: Timestamp,
}

/// How the lease stands, as this instance sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Who decides, as far as it is known.
    pub holder: Option<String>,
    /// The epoch.
    pub epoch: u64,
    /// It is this instance.
    pub is_ours: bool,
    /// This instance was told to take none.
    pub drained: bool,
}

/// The running lease; clones share it.
#[derive(Clone)]
pub struct Lease {
    shared: Arc<Shared>,
}

struct Shared {
    link: Arc<Link>,
    right: Arc<Right>,
    tail: Arc<Tail>,
    name: String,
    term: Duration,
    standing: watch::Sender<Standing>,
    released: watch::Sender<bool>,
}

/// What was last seen in the bucket, and since when it stands there.
struct Seen {
    revision: u64,
    term: Option<Term>,
    since: Instant,
}

impl Lease {
    pub(super) fn start(
        runtime: &Runtime,
        link: Arc<Link>,
        inlet: Inlet,
        tail: Arc<Tail>,
        cluster: &Cluster,
        stop: CancellationToken,
    ) -> Self {
        let name = instance_name(cluster);
        let mut random = [0_u8; 4];
        // Only to tell this start from another one of the same name.
        let _ = getrandom::fill(&mut random);
        let right = Arc::new(Right {
            instance: format!("{name}.{:08x}", u32::from_le_bytes(random)),
            chain: Mutex::new(None),
            inlet,
            lost: Notify::new(),
        });
        let lease = Self {
            shared: Arc::new(Shared {
                link,
                right,
                tail,
                name,
                term: cluster.lease,
                standing: watch::Sender::default(),
                released: watch::Sender::new(false),
            }),
        };
        let running = lease.clone();
        runtime.spawn(async move { running.run(stop).await });
        lease
    }

    /// What the writer asks before it stores what only the holder may.
    pub(super) fn lost(&self) -> Arc<Right> {
        Arc::clone(&self.shared.right)
    }

    /// How it stands.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.shared.standing.subscribe()
    }

    /// This instance's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Gives it away for good: this instance ends.
    pub async fn release(&self) {
        self.shared.released.send_replace(true);
        let mut standing = self.standing();
        let given = standing.wait_for(|now| !now.is_ours);
        let _ = tokio::time::timeout(self.shared.term, given).await;
    }

    async fn run(&self, stop: CancellationToken) {
        let shared = &self.shared;
        let every = shared.term / RENEWALS;
        let mut seen: Option<Seen> = None;
        let mut released = shared.released.subscribe();
        let mut valid_until = clock::monotonic();
        let mut turn = 0_u32;
        loop {
            let begun = clock::monotonic();
            if self.holds() && begun >= valid_until {
                // Whether or not somebody took it: it is not ours to say any more.
                shared.right.end();
            }
            let step = self.step(&mut seen, &mut valid_until);
            // A server that does not answer must not make us believe that the term goes on.
            let stepped = tokio::time::timeout(shared.term / 2, step).await;
            if !matches!(stepped, Ok(Ok(()))) {
                // What came of it is to be looked up.
                seen = seen.filter(|seen| !is_ours(seen, &shared.right));
            }
            self.say(&seen);
            if turn.is_multiple_of(RENEWALS) {
                let aside = async {
                    self.ask_whether_drained().await?;
                    self.be_present().await
                };
                let _ = tokio::time::timeout(every / 2, aside).await;
            }
            turn = turn.wrapping_add(1);
            let left = every.saturating_sub(begun.elapsed());
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(left) => {}
                () = shared.right.lost.notified() => {}
                Ok(()) = released.changed() => {}
            }
        }
    }

    fn holds(&self) -> bool {
        self.shared.right.chain().is_some()
    }

    async fn step(
        &self,
        seen: &mut Option<Seen>,
        valid_until: &mut Instant,
    ) -> Result<(), LinkError> {
        let shared = &self.shared;
        let drained = *shared.released.borrow() || shared.standing.borrow().drained;
        let mine = seen
            .as_ref()
            .is_some_and(|seen| is_ours(seen, &shared.right));
        if !(mine && self.holds()) {
            self.look(seen).await?;
        }
        let Some(now) = seen.as_mut() else {
            return Ok(());
        };
        let mine = is_ours(now, &shared.right);
        let epoch = now.term.as_ref().map_or(0, |term| term.epoch);
        let asked = clock::monotonic();
        if mine && self.holds() {
            let holder = (!drained).then(|| shared.right.instance().to_owned());
            if drained {
                // First of all: what was decided before is stored, nothing is decided after.
                shared.right.end();
            }
            *now = self.put(holder, epoch, now.revision).await?;
            *valid_until = asked + shared.term - shared.term / RENEWALS;
            return Ok(());
        }
        if self.holds() {
            shared.right.end();
        }
        let is_over = now.term.as_ref().is_none_or(|term| {
            // One that was ours and is not held is not renewed: nobody loses by taking it at once.
            term.holder.is_none() || mine || now.since.elapsed() >= shared.term
        });
        if is_over && !drained {
            let holder = Some(shared.right.instance().to_owned());
            *now = self.put(holder, epoch + 1, now.revision).await?;
            self.take(epoch + 1).await?;
            *valid_until = asked + shared.term - shared.term / RENEWALS;
        }
        Ok(())
    }

    /// Reads what stands in the bucket, from its leader.
    async fn look(&self, seen: &mut Option<Seen>) -> Result<(), LinkError> {
        let found = read::<Term>(&self.shared.link, &self.key()).await?;
        let (revision, term) = match found {
            Some((revision, term)) => (revision, Some(term)),
            None => (0, None),
        };
        if seen.as_ref().is_none_or(|seen| seen.revision != revision) {
            *seen = Some(Seen {
                revision,
                term,
                since: clock::monotonic(),
            });
        }
        Ok(())
    }

    fn key(&self) -> String {
        format!("lease.{}", self.shared.link.name)
    }

    async fn put(
        &self,
        holder: Option<String>,
        epoch: u64,
        revision: u64,
    ) -> Result<Seen, LinkError> {
        let term = Term {
            holder,
            epoch,
            at: clock::now(),
        };
        let revision = write(&self.shared.link, &self.key(), &term, Some(revision)).await?;
        Ok(Seen {
            revision,
            term: Some(term),
            since: clock::monotonic(),
        })
    }

    /// Puts the mark of a new epoch into the stream; from then on it is ours.
    async fn take(&self, epoch: u64) -> Result<(), LinkError> {
        let shared = &self.shared;
        let (last, headers) = shared.link.newest(HOLDER).await?;
        let newest = headers
            .get(EPOCH)
            .and_then(|epoch| epoch.as_str().parse().ok());
        if newest.is_some_and(|newest: u64| newest >= epoch) {
            // The bucket was lost and begun anew: its epochs go on from the stream's.
            let newest = newest.unwrap_or_default();
            let found = read::<Term>(&shared.link, &self.key()).await?;
            let revision = found.map_or(0, |(revision, _)| revision);
            self.put(None, newest, revision).await?;
            return Err(LinkError::Overtaken);
        }
        let held = Fact::Held(Held {
            epoch,
            holder: shared.name.clone(),
            at: clock::now(),
        });
        let encoded = encode_fact(&held).map_err(LinkError::away)?;
        let from = format!("{}.held.{epoch}", shared.right.instance());
        let going = Going {
            encoded,
            id: from.clone(),
            from,
            epoch: Some(epoch),
        };
        let ack = shared
            .link
            .publish(HOLDER, Expects::OnSubject(last), &going)
            .await?
            .done()
            .await?;
        let position = JournalPosition(ack.sequence);
        shared.tail.stored(Record {
            position,
            kind: going.encoded.kind,
            version: going.encoded.version,
            meta: going.encoded.meta.into(),
            raw: going.encoded.raw,
        });
        let inlet = &shared.right.inlet;
        inlet.synced(position);
        *shared.right.chain() = Some(Chain {
            epoch,
            last: ack.sequence,
        });
        inlet.set_hold(Some(Hold {
            epoch,
            since: position,
        }));
        Ok(())
    }

    fn say(&self, seen: &Option<Seen>) {
        let term = seen.as_ref().and_then(|seen| seen.term.clone());
        let is_ours = self.holds();
        self.shared.standing.send_if_modified(|standing| {
            let next = Standing {
                holder: term
                    .as_ref()
                    .and_then(|term| term.holder.as_deref())
                    .map(|holder| plain(holder).to_owned()),
                epoch: term.as_ref().map_or(0, |term| term.epoch),
                is_ours,
                drained: standing.drained,
            };
            std::mem::replace(standing, next.clone()) != next
        });
    }

    async fn be_present(&self) -> Result<(), LinkError> {
        let shared = &self.shared;
        let drained = shared.standing.borrow().drained;
        let presence = Presence {
            stream: shared.link.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            reached: shared.tail.reached(),
            floor: shared.right.inlet.floor().0,
            holds: self.holds(),
            drained,
            at: clock::now(),
        };
        let key = presence_key(&shared.link.name, &shared.name);
        write(&shared.link, &key, &presence, None).await.map(drop)
    }

    async fn ask_whether_drained(&self) -> Result<(), LinkError> {
        let shared = &self.shared;
        let key = drain_key(&shared.link.name, &shared.name);
        let found = read::<bool>(&shared.link, &key).await?;
        let drained = found.is_some_and(|(_, drained)| drained);
        shared.standing.send_if_modified(|standing| {
            let changed = standing.drained != drained;
            standing.drained = drained;
            changed
        });
        Ok(())
    }
}

fn is_ours(seen: &Seen, right: &Right) -> bool {
    let holder = seen.term.as_ref().and_then(|term| term.holder.as_deref());
    holder == Some(right.instance())
}

/// An instance's name without its start.
pub(super) fn plain(instance: &str) -> &str {
    instance.rsplit_once('.').map_or(instance, |(name, _)| name)
}

/// `[cluster] instance`, or the machine's name.
fn instance_name(cluster: &Cluster) -> String {
    cluster.instance.clone().unwrap_or_else(|| {
        let system = rustix::system::uname();
        let name = system.nodename().to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name: String = name.chars().filter(|c| plain(*c)).take(64).collect();
        match name.is_empty() {
            true => "pentamer".to_owned(),
            false => name,
        }
    })
}

pub(super) fn presence_key(stream: &str, name: &str) -> String {
    format!("instance.{stream}.{name}")
}

pub(super) fn drain_key(stream: &str, name: &str) -> String {
    format!("drain.{stream}.{name}")
}

/// What stands under a key, and its revision.
pub(super) async fn read<T: serde::de::DeserializeOwned>(
    link: &Link,
    key: &str,
) -> Result<Option<(u64, T)>, LinkError> {
    let subject = format!("$KV.{}.{key}", super::link::BUCKET);
    match link.bucket.get_last_raw_message_by_subject(&subject).await {
        Ok(found) => Ok(serde_json::from_slice(&found.payload)
            .ok()
            .map(|value| (found.sequence, value))),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(LinkError::away(error)),
    }
}

/// Puts something under a key: where a revision is given, only in its place. The new revision.
pub(super) async fn write<T: Serialize>(
    link: &Link,
    key: &str,
    value: &T,
    revision: Option<u64>,
) -> Result<u64, LinkError> {
    let subject = format!("$KV.{}.{key}", super::link::BUCKET);
    let payload = serde_json::to_vec(value).map_err(LinkError::away)?;
    let mut publish = PublishMessage::build().payload(payload.into());
    if let Some(revision) = revision {
        publish = publish.expected_last_subject_sequence(revision);
    }
    let sent = link.context.send_publish(subject, publish).await;
    match sent.map_err(LinkError::away)?.await {
        Ok(ack) => Ok(ack.sequence),
        Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
            Err(LinkError::Overtaken)
        }
        Err(error) => Err(LinkError::away(error)),
    }
}

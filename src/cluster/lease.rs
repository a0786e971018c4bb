//! Who decides: one lease a site in a bucket, with revision checks and everybody's own steady clock.
//!
//! The holder renews it; whoever sees no renewal for the whole term takes it with an epoch of one more. Clocks
//! are never compared: a term is measured from when its renewal was seen. And nothing is trusted to it alone: the
//! one who takes it puts a [`Held`] into the stream, and from there on the stream takes nothing of the former one
//! (see the invariants of this room).

use super::bucket::{
    Plan, Presence, Term, drain_key, lease_key, plan_key, presence_key, read, write,
};
use super::link::{Expects, Link, LinkError};
use super::message::{EPOCH, Going};
use super::plan::Planner;
use super::right::{Chain, Right};
use super::tail::Tail;
use super::writer::HOLDER;
use crate::clock;
use crate::config::Cluster;
use crate::core::fact::{Fact, Held, JournalPosition};
use crate::journal::{Hold, Inlet, Record, encode_fact};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Whoever did not take what was offered is not offered it again before so many terms.
const REFUSED_FOR: u32 = 20;
/// Renewals within a term.
const RENEWALS: u32 = 4;

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
    weight: Option<u64>,
    only_receives: bool,
    plan: Mutex<Planned>,
    current: AtomicBool,
    standing: watch::Sender<Standing>,
    released: watch::Sender<bool>,
}

/// Who is to have it, where that is planned.
#[derive(Default)]
struct Planned {
    instance: Option<String>,
    /// Whoever was offered it lately and did not take it.
    refused: Option<(String, Instant)>,
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
                weight: (cluster.spread && !cluster.only_receives).then_some(cluster.weight),
                only_receives: cluster.only_receives,
                plan: Mutex::default(),
                current: AtomicBool::new(false),
                standing: watch::Sender::default(),
                released: watch::Sender::new(false),
            }),
        };
        if cluster.spread {
            let planner = Planner {
                link: Arc::clone(&lease.shared.link),
                name: lease.shared.right.instance().to_owned(),
                term: cluster.lease,
                stop: stop.clone(),
            };
            runtime.spawn(planner.run());
        }
        let running = lease.clone();
        runtime.spawn(async move { running.run(stop).await });
        lease
    }

    /// What the writer asks before it stores what only the holder may.
    pub(super) fn lost(&self) -> Arc<Right> {
        Arc::clone(&self.shared.right)
    }

    /// Whether what this instance folded stands at the end of the stream: else it is not offered the right.
    pub fn set_current(&self, current: bool) {
        self.shared.current.store(current, Ordering::Relaxed);
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
                    self.ask_for_the_plan().await?;
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
        let drained =
            shared.only_receives || *shared.released.borrow() || shared.standing.borrow().drained;
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
            let offered = (!drained).then(|| self.offered()).flatten();
            let goes = drained || offered.is_some();
            let holder = (!goes).then(|| shared.right.instance().to_owned());
            if goes {
                // First of all: what was decided before is stored, nothing is decided after.
                shared.right.end();
            }
            *now = self.put(holder, offered, epoch, now.revision).await?;
            *valid_until = asked + shared.term - shared.term / RENEWALS;
            return Ok(());
        }
        if self.holds() {
            shared.right.end();
        }
        let is_over = now.term.as_ref().is_none_or(|term| {
            // One that was ours and is not held is not renewed: nobody loses by taking it at once.
            let is_free = term.holder.is_none() && self.is_for_us(term);
            is_free || mine || now.since.elapsed() >= shared.term
        });
        if is_over && !drained {
            let offered = now.term.as_ref().and_then(|term| term.offered.clone());
            self.plan().refused = offered
                .filter(|offered| *offered != shared.name)
                .map(|offered| (offered, clock::monotonic()));
            let holder = Some(shared.right.instance().to_owned());
            *now = self.put(holder, None, epoch + 1, now.revision).await?;
            self.take(epoch + 1).await?;
            *valid_until = asked + shared.term - shared.term / RENEWALS;
        }
        Ok(())
    }

    fn plan(&self) -> MutexGuard<'_, Planned> {
        self.shared
            .plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is to have the right in our place.
    fn offered(&self) -> Option<String> {
        let shared = &self.shared;
        let plan = self.plan();
        let planned = plan.instance.clone().filter(|name| *name != shared.name)?;
        let refused = plan
            .refused
            .as_ref()
            .is_some_and(|(name, at)| *name == planned && at.elapsed() < shared.term * REFUSED_FOR);
        (!refused).then_some(planned)
    }

    fn is_for_us(&self, term: &Term) -> bool {
        let offered = term.offered.as_ref();
        offered.is_none_or(|offered| *offered == self.shared.name)
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
        lease_key(&self.shared.link.name)
    }

    async fn put(
        &self,
        holder: Option<String>,
        offered: Option<String>,
        epoch: u64,
        revision: u64,
    ) -> Result<Seen, LinkError> {
        let term = Term {
            holder,
            offered,
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
            self.put(None, None, newest, revision).await?;
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
                holder: term.as_ref().and_then(Term::name),
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
            current: shared.current.load(Ordering::Relaxed),
            weight: shared.weight,
            at: clock::now(),
        };
        let key = presence_key(&shared.link.name, &shared.name);
        write(&shared.link, &key, &presence, None).await.map(drop)
    }

    async fn ask_for_the_plan(&self) -> Result<(), LinkError> {
        let shared = &self.shared;
        if shared.weight.is_some() {
            let found = read::<Plan>(&shared.link, &plan_key(&shared.link.name)).await?;
            self.plan().instance = found.map(|(_, plan)| plan.instance);
        }
        Ok(())
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

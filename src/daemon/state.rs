//! The state to fold into: the cache on disk behind its guard, or memory; and another one when it fails.

use crate::cache::{self, Guarded, Memory, Opened, Opening, Sled};
use crate::clock;
use crate::config::{CacheKind, Config};
use crate::core::fact::JournalPosition;
use crate::core::fold::state::State;
use crate::core::policy::Policy;
use crate::engine::FreshState;
use crate::notice::{NoticeKind, Notices};
use crate::seal::Keyring;
use crate::telemetry::events;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// How long checking the cache may take before it is rebuilt instead.
const VERIFY_WITHIN: Duration = Duration::from_secs(60);
/// So many rebuilds within this time are one after another; then the disk is left alone.
const REBUILDS: usize = 3;
const REBUILDS_WITHIN: Duration = Duration::from_secs(3_600);
/// How long a call may take when the daemon ends: what is not folded is folded at the next start.
const AT_THE_END: Duration = Duration::from_secs(5);

/// Looks after the state of one daemon.
pub(super) struct Keeper {
    /// `None` where the state is in memory by configuration.
    disk: Option<Disk>,
    notices: Notices,
    inside: Mutex<Inside>,
}

struct Disk {
    dir: PathBuf,
    memory: u64,
    /// How long a call may take before the state is given up.
    patience: Duration,
    /// Hash of the tables in force.
    policy: Mutex<String>,
    keys: Keyring,
    key_file: Option<PathBuf>,
    journal_end: JournalPosition,
}

#[derive(Default)]
struct Inside {
    /// The one on disk that is in force.
    current: Option<Arc<Guarded>>,
    /// When it had to be built again.
    rebuilds: VecDeque<Instant>,
    /// One that was given up with calls under way.
    left: Option<Arc<Guarded>>,
    /// Memory it is until the daemon ends.
    in_memory: bool,
}

/// A state to begin with.
pub(super) struct Begun {
    pub(super) state: Arc<dyn State>,
    /// Facts up to here were counted by earlier runs (WIRE 12.12).
    pub(super) counted_through: JournalPosition,
}

impl Keeper {
    pub(super) fn new(
        config: &Config,
        policy: &Policy,
        keys: &Keyring,
        journal_end: JournalPosition,
        notices: Notices,
    ) -> Arc<Self> {
        let storage = &config.storage;
        let on_disk = storage.cache == CacheKind::Sled;
        Arc::new(Self {
            disk: on_disk.then(|| Disk {
                dir: storage.dir.join("cache"),
                memory: storage.cache_memory,
                patience: storage.cache_wait,
                policy: Mutex::new(policy.hash()),
                keys: keys.clone(),
                key_file: storage.encryption_key_file.clone(),
                journal_end,
            }),
            notices,
            inside: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the cache as configured. Never fails: in the end there is memory.
    pub(super) fn open(&self, journal_end: JournalPosition) -> Begun {
        let rebuilt = |state| Begun {
            state,
            // All that is in the journal by now was counted when it came.
            counted_through: journal_end,
        };
        let Some(disk) = &self.disk else {
            return rebuilt(Arc::new(Memory::new()));
        };
        match cache::open_guarded(&disk.opening(&this_program(), &disk.policy())) {
            Ok(Opened::Good(sled)) => {
                let counted_through = sled.position().unwrap_or(journal_end);
                Begun {
                    state: self.in_force(sled),
                    counted_through,
                }
            }
            Ok(Opened::Rebuild {
                state,
                why,
                expected,
            }) => {
                if let Some(why) = why {
                    events::cache_rebuild(&why);
                    if !expected {
                        self.note_rebuild(&why);
                    }
                }
                rebuilt(self.in_force(state))
            }
            Err(error) => rebuilt(self.memory(&error.why())),
        }
    }

    /// For the fold: another state in place of one that cannot be used.
    pub(super) fn fresh_state(self: &Arc<Self>) -> FreshState {
        let keeper = Arc::clone(self);
        Arc::new(move |why: &str| keeper.replaced(why))
    }

    fn replaced(&self, why: &str) -> Arc<dyn State> {
        let Some(disk) = &self.disk else {
            return Arc::new(Memory::new());
        };
        let current = self.lock().current.take();
        if let Some(current) = current {
            current.give_up(why);
            // While it may still write, its place on the disk is not free.
            if !current.close(disk.patience) {
                return self.memory(&format!("{why}; and sled does not let go of its files"));
            }
        }
        if self.lock().in_memory {
            return Arc::new(Memory::new());
        }
        if !self.note_rebuild(why) {
            return self.memory(&format!(
                "{why}; and it had to be built again {REBUILDS} times within an hour"
            ));
        }
        self.anew(disk, why)
    }

    /// An empty state to fold into with other tables: nothing is wrong with the one that it replaces.
    pub(super) fn exchange(&self, policy: &Policy) -> Arc<dyn State> {
        let Some(disk) = &self.disk else {
            return Arc::new(Memory::new());
        };
        disk.set_policy(policy.hash());
        let why = "tables or thresholds have changed since";
        events::cache_rebuild(why);
        let current = self.lock().current.take();
        if let Some(current) = current {
            current.give_up(why);
            if !current.close(disk.patience) {
                return self.memory(&format!("{why}; and sled does not let go of its files"));
            }
        }
        if self.lock().in_memory {
            return Arc::new(Memory::new());
        }
        self.anew(disk, why)
    }

    fn anew(&self, disk: &Disk, why: &str) -> Arc<dyn State> {
        cache::set_aside(&disk.dir, why);
        match cache::fresh(&disk.opening(&this_program(), &disk.policy())) {
            Ok(sled) => self.in_force(sled),
            Err(error) => self.memory(&error.why()),
        }
    }

    /// The threads that wait for sled longer than they may; at the end of the daemon that is not long.
    pub(super) fn waiting(&self, ending: bool) -> Vec<ThreadId> {
        let current = self.lock().current.clone();
        let (Some(disk), Some(current)) = (&self.disk, current) else {
            return Vec::new();
        };
        let patience = if ending {
            disk.patience.min(AT_THE_END)
        } else {
            disk.patience
        };
        current.waiting_longer_than(patience)
    }

    /// Gives up a cache that does not answer; memory in its place.
    pub(super) fn leave_behind(&self) -> Arc<dyn State> {
        let why = "a call into sled does not return";
        let mut inside = self.lock();
        if let Some(current) = inside.current.take() {
            current.give_up(why);
            inside.left = Some(current);
        }
        drop(inside);
        self.memory(why)
    }

    /// Whether this thread is in a call into a cache that was given up, and so will not go on.
    pub(super) fn is_left_behind(&self, thread: ThreadId) -> bool {
        let left = self.lock().left.clone();
        let (Some(disk), Some(left)) = (&self.disk, left) else {
            return false;
        };
        left.waiting_longer_than(disk.patience).contains(&thread)
    }

    /// Clears what is over: no rebuild for an hour.
    pub(super) fn look(&self) {
        let mut inside = self.lock();
        forget_old(&mut inside.rebuilds);
        if inside.rebuilds.is_empty() {
            self.notices.clear(NoticeKind::CacheRebuilt);
        }
    }

    fn in_force(&self, sled: Sled) -> Arc<dyn State> {
        let state = Arc::new(Guarded::new(sled));
        self.lock().current = Some(Arc::clone(&state));
        state
    }

    /// Takes note of a rebuild; false where it is one too many.
    fn note_rebuild(&self, why: &str) -> bool {
        let mut inside = self.lock();
        forget_old(&mut inside.rebuilds);
        if inside.rebuilds.len() >= REBUILDS {
            return false;
        }
        inside.rebuilds.push_back(clock::monotonic());
        drop(inside);
        self.notices.raise(
            NoticeKind::CacheRebuilt,
            format!(
                "the cache was built again from the journal: {why}; the old one is in `cache.aside`"
            ),
        );
        true
    }

    fn memory(&self, why: &str) -> Arc<dyn State> {
        self.lock().in_memory = true;
        events::cache_in_memory(why);
        self.notices.raise(
            NoticeKind::CacheInMemory,
            format!(
                "the state is in memory until the next start: {why}; look at the disk, then restart"
            ),
        );
        Arc::new(Memory::new())
    }
}

impl Disk {
    fn policy(&self) -> String {
        let policy = self.policy.lock();
        policy.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_policy(&self, policy: String) {
        let mut held = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        *held = policy;
    }

    fn opening<'a>(&'a self, program: &'a Path, policy: &'a str) -> Opening<'a> {
        Opening {
            dir: &self.dir,
            program,
            limit: VERIFY_WITHIN,
            within: self.patience,
            memory: self.memory,
            policy,
            keys: &self.keys,
            key_file: self.key_file.as_deref(),
            journal_end: self.journal_end,
        }
    }
}

fn forget_old(rebuilds: &mut VecDeque<Instant>) {
    let now = clock::monotonic();
    rebuilds.retain(|at| now.saturating_duration_since(*at) < REBUILDS_WITHIN);
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("pentamer"))
}

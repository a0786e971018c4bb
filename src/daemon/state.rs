//! Choosing the state to fold into: the cache on disk behind its guard, or memory.

use crate::cache::{self, Memory, Opened};
use crate::config::{CacheKind, Config};
use crate::core::fact::JournalPosition;
use crate::core::fold::state::State;
use crate::core::policy::Policy;
use crate::engine::FreshState;
use crate::journal::Recovery;
use crate::telemetry::events;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long checking the cache may take before it is rebuilt instead.
const VERIFY_WITHIN: Duration = Duration::from_secs(60);

/// A state to fold into.
pub(super) struct Cache {
    pub(super) state: Arc<dyn State>,
    /// Gives an empty one when this one fails.
    pub(super) fresh: FreshState,
    /// True where the state continues what an earlier run folded.
    continues: bool,
}

impl Cache {
    /// Up to where facts were counted by earlier runs (WIRE 12.12): never on a rebuild.
    pub(super) fn counted_through(&self, journal_end: JournalPosition) -> JournalPosition {
        if self.continues {
            self.state.position().unwrap_or(journal_end)
        } else {
            journal_end
        }
    }
}

/// Opens the cache as configured. Never fails: in the end there is memory.
pub(super) fn open(config: &Config, policy: &Policy) -> Cache {
    if config.storage.cache == CacheKind::Memory {
        let fresh = Box::new(|_: &str| Arc::new(Memory::new()) as Arc<dyn State>);
        return Cache {
            state: Arc::new(Memory::new()),
            fresh,
            continues: false,
        };
    }
    let dir = config.storage.dir.join("cache");
    let hash = policy.hash();
    let memory = config.storage.cache_memory;
    let (state, continues) = open_on_disk(&dir, memory, &hash);
    let fresh = Box::new(move |why: &str| {
        cache::set_aside(&dir, why);
        open_on_disk(&dir, memory, &hash).0
    });
    Cache {
        state,
        fresh,
        continues,
    }
}

fn open_on_disk(dir: &Path, memory: u64, hash: &str) -> (Arc<dyn State>, bool) {
    match cache::open_guarded(dir, &this_program(), VERIFY_WITHIN, memory, hash) {
        Ok(Opened::Good(sled)) => (Arc::new(sled), true),
        Ok(Opened::Rebuild { state, why }) => {
            if let Some(why) = why {
                events::cache_rebuild(&why);
            }
            (Arc::new(state), false)
        }
        Err(error) => {
            events::cache_in_memory(&error.to_string());
            (Arc::new(Memory::new()), false)
        }
    }
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("pentamer"))
}

/// Tells what opening the journal found.
pub(super) fn report(recovery: &Recovery) {
    events::journal_opened(recovery.records, recovery.segments, recovery.last.0);
    if let Some(torn) = &recovery.torn {
        events::journal_torn(torn.segment, torn.offset, torn.bytes);
    }
    for unfit in &recovery.checkpoints_unfit {
        events::checkpoint_unfit(&unfit.to_string());
    }
    for damage in &recovery.damage {
        events::journal_damaged(&damage.to_string());
    }
}

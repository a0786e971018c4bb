//! The state as its readers see it: replaced as a whole when the cache is rebuilt.

use crate::core::fold::state::State;
use std::sync::{Arc, PoisonError, RwLock};

/// Shared by the fold (which writes) and deliver, web and metrics (which read).
#[derive(Clone)]
pub struct StateHandle(Arc<RwLock<Arc<dyn State>>>);

impl StateHandle {
    /// Starts with this state.
    pub fn new(state: Arc<dyn State>) -> Self {
        Self(Arc::new(RwLock::new(state)))
    }

    /// The state in force.
    pub fn get(&self) -> Arc<dyn State> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another state in force.
    pub fn replace(&self, state: Arc<dyn State>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl std::fmt::Debug for StateHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StateHandle")
    }
}

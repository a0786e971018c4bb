//! The state as its readers see it: replaced as a whole when the cache is rebuilt.

use crate::core::fold::state::{State, StateError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

/// Shared by the fold (which writes) and deliver, web and metrics (which read).
#[derive(Clone)]
pub struct StateHandle(Arc<Inside>);

struct Inside {
    state: RwLock<Arc<dyn State>>,
    /// Why a reader does not trust the state in force.
    doubt: Mutex<Option<String>>,
    doubted: Notify,
}

impl StateHandle {
    /// Starts with this state.
    pub fn new(state: Arc<dyn State>) -> Self {
        Self(Arc::new(Inside {
            state: RwLock::new(state),
            doubt: Mutex::default(),
            doubted: Notify::new(),
        }))
    }

    /// The state in force.
    pub fn get(&self) -> Arc<dyn State> {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state)
    }

    /// Reads the state in force. What fails there is a doubt about all of it, which the fold acts on.
    ///
    /// A call into the cache can take long: the connections of this worker do not wait for it.
    ///
    /// # Errors
    /// Whatever `read` says.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&dyn State) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let state = self.get();
        let in_worker = Handle::try_current()
            .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
        let done = if in_worker {
            tokio::task::block_in_place(|| read(state.as_ref()))
        } else {
            read(state.as_ref())
        };
        if let Err(error) = &done
            && Arc::ptr_eq(&state, &self.get())
        {
            self.doubt(&error.why());
        }
        done
    }

    /// Says that the state in force cannot be trusted: the fold puts another one in its place.
    pub fn doubt(&self, why: &str) {
        *self.lock_doubt() = Some(why.to_owned());
        self.0.doubted.notify_one();
    }

    /// The doubt about the state in force, once.
    pub(super) fn take_doubt(&self) -> Option<String> {
        self.lock_doubt().take()
    }

    /// Waits for a doubt.
    pub(super) async fn doubted(&self) {
        self.0.doubted.notified().await;
    }

    /// Puts another state in force.
    pub fn replace(&self, state: Arc<dyn State>) {
        let mut held = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *held, state);
        drop(held);
        // Closing it may take long; nobody who reads the new one waits for that.
        drop(old);
        self.take_doubt();
    }

    fn lock_doubt(&self) -> MutexGuard<'_, Option<String>> {
        self.0.doubt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for StateHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StateHandle")
    }
}

//! The state as its readers see it: replaced as a whole when the cache is rebuilt.

use crate::core::fold::state::{State, StateError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::{Notify, watch};

/// Shared by the fold (which writes) and deliver, web and metrics (which read).
#[derive(Clone)]
pub struct StateHandle(Arc<Inside>);

struct Inside {
    state: RwLock<Arc<dyn State>>,
    /// Why a reader does not trust the state in force.
    doubt: Mutex<Option<String>>,
    doubted: Notify,
    /// How often another state took its place.
    replaced: watch::Sender<u64>,
}

impl StateHandle {
    /// Starts with this state.
    pub fn new(state: Arc<dyn State>) -> Self {
        Self(Arc::new(Inside {
            state: RwLock::new(state),
            doubt: Mutex::default(),
            doubted: Notify::new(),
            replaced: watch::Sender::new(0),
        }))
    }

    /// The state in force.
    pub fn get(&self) -> Arc<dyn State> {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state)
    }

    /// Reads the state in force, on a thread that may wait. What fails there is a doubt about all of
    /// it, which the fold acts on.
    ///
    /// # Errors
    /// Whatever `read` says.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&dyn State) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let state = self.get();
        let done = read(state.as_ref());
        if let Err(error) = &done
            && Arc::ptr_eq(&state, &self.get())
        {
            self.doubt(&error.why());
        }
        done
    }

    /// Reads the state in force on a thread of its own: a call into the cache can take long, or never
    /// return, and neither the worker nor the task may wait for that.
    ///
    /// # Errors
    /// Whatever `read` says, or that another state was put in force meanwhile.
    pub async fn read_apart<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn State) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let handle = self.clone();
        let done = self.apart(move || handle.read(read)).await;
        let replaced = || StateError::Store("another state was put in its place".to_owned());
        done.unwrap_or_else(|| Err(replaced()))
    }

    /// Does work that reads the state on a thread of its own; `None` where another state is put in
    /// force before it is done: then it may never be.
    pub async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let mut replaced = self.0.replaced.subscribe();
        tokio::select! {
            done = tokio::task::spawn_blocking(work) => done.ok(),
            _ = replaced.changed() => None,
        }
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
        self.take_doubt();
        self.0.replaced.send_modify(|times| *times += 1);
        // Closing it may take long; nobody who reads the new one waits for that.
        drop(old);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Memory;
    use std::sync::mpsc;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap()
    }

    #[test]
    fn what_a_reader_cannot_read_is_a_doubt_once_and_only_about_the_state_in_force() {
        let handle = StateHandle::new(Arc::new(Memory::new()));
        let fails = || Err(StateError::Store("bad".to_owned()));
        assert!(handle.read(|_| fails() as Result<(), _>).is_err());
        assert_eq!(handle.take_doubt().as_deref(), Some("bad"));
        assert_eq!(handle.take_doubt(), None);
        let late = handle.read(|_| {
            handle.replace(Arc::new(Memory::new()));
            fails() as Result<(), _>
        });
        assert!(late.is_err());
        assert_eq!(handle.take_doubt(), None, "the old one is gone already");
    }

    #[test]
    fn nobody_waits_for_a_state_that_was_replaced() {
        let handle = StateHandle::new(Arc::new(Memory::new()));
        let (hold, held) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        let runtime = runtime();
        let reader = handle.clone();
        let read = runtime.spawn(async move {
            let hangs = move |_: &dyn State| {
                let _ = begun.send(());
                let _ = held.recv();
                Ok(())
            };
            reader.read_apart(hangs).await
        });
        begins.recv().unwrap();
        handle.replace(Arc::new(Memory::new()));
        assert!(runtime.block_on(read).unwrap().is_err());
        drop(hold);
        let found = handle.read_apart(|state: &dyn State| state.position());
        assert!(runtime.block_on(found).is_ok());
    }
}

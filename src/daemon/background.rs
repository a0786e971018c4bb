//! Threads apart from those of all else.

use std::io;
use tokio::runtime::{Handle, Runtime};

/// Threads that copy for all relays.
const THREADS: usize = 2;

/// The threads of the relays. Apart from those of all else: a sink, a page or a log that holds up a
/// thread holds up no feed.
pub(super) struct Background {
    pub(super) handle: Handle,
    runtime: Option<Runtime>,
}

impl Background {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("relay")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Background {
    /// Where nothing may block.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

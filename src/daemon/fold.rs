//! The fold's thread and who looks after it: a call into the cache that never returns must stop nothing.
//!
//! A thread in such a call cannot be ended. It is retired (whatever it gets back in the end is an error,
//! and it does nothing more), and another fold begins in memory.

use super::state::Keeper;
use crate::engine::{Folder, StateHandle};
use crate::pulse::Pulse;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The fold yields to the acknowledgements: a laboratory's interface waits for each of those, and a
/// page may come some milliseconds later. Under full load it still gets a quarter of a core.
const FOLD_NICENESS: i32 = 5;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A fold's thread.
struct Running {
    thread: JoinHandle<()>,
    retired: Arc<AtomicBool>,
}

/// What the fold is looked after with.
pub(super) struct LookedAfter {
    pub(super) keeper: Arc<Keeper>,
    pub(super) state: StateHandle,
    /// Of the one who looks.
    pub(super) pulse: Pulse,
}

/// Starts the fold; the thread returned ends when the fold has.
pub(super) fn start(
    folder: Folder,
    with: LookedAfter,
    stop: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("fold-watch".to_owned());
    let spare = folder.successor();
    let (begun, first) = std::sync::mpsc::channel();
    let watch = thread.spawn(move || {
        let running = match run(folder, std::thread::current()) {
            Ok(running) => running,
            Err(error) => return drop(begun.send(Err(error))),
        };
        let _ = begun.send(Ok(()));
        look_after(running, &spare, &with, &stop);
    })?;
    first.recv().map_err(io::Error::other)??;
    Ok(watch)
}

fn run(folder: Folder, watch: Thread) -> io::Result<Running> {
    let retired = folder.retired();
    let thread = std::thread::Builder::new().name("fold".to_owned());
    let thread = thread.spawn(move || {
        // Of this thread alone. Where it is not allowed, nothing is lost but the order.
        let _ = rustix::process::nice(FOLD_NICENESS);
        folder.run();
        watch.unpark();
    })?;
    Ok(Running { thread, retired })
}

fn look_after(mut running: Running, spare: &Folder, with: &LookedAfter, stop: &CancellationToken) {
    let LookedAfter {
        keeper,
        state,
        pulse,
    } = with;
    while !running.thread.is_finished() {
        std::thread::park_timeout(LOOK_EVERY);
        pulse.beat();
        keeper.look();
        let fold = running.thread.thread().id();
        let waiting = keeper.waiting(stop.is_cancelled());
        // It may have followed a reader into the cache that was given up for that one.
        let left_behind = keeper.is_left_behind(fold);
        if waiting.is_empty() && !left_behind {
            continue;
        }
        let memory = keeper.leave_behind();
        if !waiting.contains(&fold) && !left_behind {
            // A reader waits, the fold does not: it replaces the state by itself.
            state.doubt("a call into sled does not return");
            continue;
        }
        running.retired.store(true, Ordering::Release);
        if stop.is_cancelled() {
            // Nothing is lost: what was not folded is folded at the next start.
            return;
        }
        let next = spare.successor();
        next.begin_again(|| memory);
        match run(next, std::thread::current()) {
            Ok(next) => running = next,
            // Without a thread nothing is folded; `/readyz` and the notice say so.
            Err(_) => return,
        }
    }
    let _ = running.thread.join();
}

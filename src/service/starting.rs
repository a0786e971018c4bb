//! A long start: the service manager is told to wait for as long as it really goes on.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What a start that goes on is given.
const MORE: Duration = Duration::from_secs(120);
/// Less of the processor's time between two looks is standing still.
const LITTLE: Duration = Duration::from_millis(50);

/// A start under way; drop it when the ports are bound.
///
/// A journal of a hundred gigabytes is read in minutes, and the manager's patience ends before. It is
/// told to wait on while this process computes; one that stands still is not helped.
#[derive(Debug)]
pub struct Starting(#[expect(dead_code, reason = "its end is the sign")] Option<Sender<()>>);

impl Starting {
    /// From now on.
    pub fn begin() -> Self {
        if !super::is_managed() {
            return Self(None);
        }
        super::status("starting: reading the journal");
        let (going_on, ended) = channel();
        let thread = std::thread::Builder::new().name("start-watch".to_owned());
        let watch = move || {
            let mut before = computed();
            while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = computed();
                if now.saturating_sub(before) >= LITTLE {
                    super::extend(MORE);
                }
                before = now;
            }
        };
        // Without the thread the manager waits as long as its unit says.
        let _ = thread.spawn(watch);
        Self(Some(going_on))
    }
}

/// The processor's time that this process has had.
fn computed() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(spent.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_shows() {
        let before = computed();
        for number in 0..20_000_000_u64 {
            std::hint::black_box(number);
        }
        assert!(computed() > before);
    }
}

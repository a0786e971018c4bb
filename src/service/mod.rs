//! systemd, as the daemon sees it: what it is told (`sd_notify`), the sockets that it hands over, and
//! how long it waits. Without systemd every function here does nothing.

mod sockets;
mod starting;

pub use sockets::{Handed, HandedError};
pub use starting::Starting;

use sd_notify::NotifyState;
use std::time::Duration;

/// Whether a service manager wants to be told.
#[expect(
    clippy::disallowed_methods,
    reason = "the service manager speaks through the environment"
)]
pub fn is_managed() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some_and(|path| !path.is_empty())
}

/// How long it waits for a sign of life before it ends and starts the daemon again; `None` where it
/// does not watch.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|every| is_managed() && !every.is_zero())
}

/// The daemon takes messages: the start, or a reload, is done.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// One line for `systemctl status`.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The configuration is being read again; [`ready`] says that it is done.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[
            NotifyState::Reloading,
            now,
            NotifyState::Status("reading the configuration again"),
        ]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The daemon ends, and may take so long for it.
pub fn stopping(within: Duration) {
    tell(&[
        NotifyState::Stopping,
        extension(within),
        NotifyState::Status("ending: frames under way are finished"),
    ]);
}

/// All parts of the daemon were seen alive.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// What is under way (a start, an end) may take so long from now on.
fn extend(by: Duration) {
    tell(&[extension(by)]);
}

fn extension(by: Duration) -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX))
}

/// A service manager that does not listen is its own trouble.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

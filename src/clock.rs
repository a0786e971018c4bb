//! The one place that asks the machine for the time.

use crate::core::time::Timestamp;

/// Now, UTC.
#[expect(clippy::disallowed_methods, reason = "the shell's one wall clock")]
pub fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map(|elapsed| i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX));
    Timestamp::from_micros(since_epoch.unwrap_or(0))
}

/// A monotonic instant, for waiting and for latencies.
#[expect(clippy::disallowed_methods, reason = "the shell's one monotonic clock")]
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

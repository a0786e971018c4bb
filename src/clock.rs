//! The one place that asks the machine for the time.

use crate::core::time::Timestamp;
use crate::failpoints;

/// Now, UTC.
#[expect(clippy::disallowed_methods, reason = "the shell's one wall clock")]
pub fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map(|elapsed| i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX));
    // A test sets the clock by so many seconds.
    let set_by = failpoints::number("clock-seconds").saturating_mul(1_000_000);
    Timestamp::from_micros(since_epoch.unwrap_or(0).saturating_add(set_by))
}

/// A monotonic instant, for waiting and for latencies.
#[expect(clippy::disallowed_methods, reason = "the shell's one monotonic clock")]
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

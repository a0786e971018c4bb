//! Faults that the end-to-end tests can switch on and off in the real binary while it runs.
//!
//! Compiled in only with the feature `failpoints`: with `PENTAMER_FAULTS=DIR`, the fault `NAME` is on
//! while a file `DIR/NAME` exists. Without the feature every question is answered `false` at compile time.

/// Is this fault on?
#[cfg(feature = "failpoints")]
#[expect(
    clippy::disallowed_methods,
    reason = "a test's switch, never in a release build"
)]
pub fn on(name: &str) -> bool {
    std::env::var_os("PENTAMER_FAULTS")
        .is_some_and(|dir| std::path::Path::new(&dir).join(name).exists())
}

/// Is this fault on? Never, without the feature.
#[cfg(not(feature = "failpoints"))]
pub const fn on(_name: &str) -> bool {
    false
}

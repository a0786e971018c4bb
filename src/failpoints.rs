//! Faults that the end-to-end tests can switch on and off in the real binary while it runs.
//!
//! Compiled in only with the feature `failpoints`: with `PENTAMER_FAULTS=DIR`, the fault `NAME` is on
//! while a file `DIR/NAME` exists. Without the feature every question is answered `false` at compile time.

#[cfg(feature = "failpoints")]
#[expect(
    clippy::disallowed_methods,
    reason = "a test's switch, never in a release build"
)]
fn file(name: &str) -> Option<std::path::PathBuf> {
    let dir = std::env::var_os("PENTAMER_FAULTS")?;
    Some(std::path::Path::new(&dir).join(name))
}

/// Is this fault on?
#[cfg(feature = "failpoints")]
pub fn on(name: &str) -> bool {
    file(name).is_some_and(|file| file.exists())
}

/// Is this fault on? Never, without the feature.
#[cfg(not(feature = "failpoints"))]
pub const fn on(_name: &str) -> bool {
    false
}

/// Is this fault on? It is switched off by asking, so that it happens once.
#[cfg(feature = "failpoints")]
pub fn once(name: &str) -> bool {
    on(name) && file(name).is_some_and(|file| std::fs::remove_file(file).is_ok())
}

/// Is this fault on? Never, without the feature.
#[cfg(not(feature = "failpoints"))]
pub const fn once(_name: &str) -> bool {
    false
}

/// Goes no further while this fault is on.
#[cfg(feature = "failpoints")]
pub fn stall(name: &str) {
    while on(name) {
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

/// Goes no further while this fault is on: it never is, without the feature.
#[cfg(not(feature = "failpoints"))]
pub const fn stall(_name: &str) {}

/// The number that a test wrote into the fault's file; 0 where there is none.
#[cfg(feature = "failpoints")]
pub fn number(name: &str) -> i64 {
    file(name)
        .and_then(|file| std::fs::read_to_string(file).ok())
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// Always 0, without the feature.
#[cfg(not(feature = "failpoints"))]
pub const fn number(_name: &str) -> i64 {
    0
}

//! The systemd journal: every field of a log line as a field of its own, `PENTAMER_EVENT=…`.

use rustix::fs::fstat;

/// Where the journal is behind stderr, systemd says so by device and inode: a stderr that was
/// redirected elsewhere is not the journal, whatever the environment says.
#[expect(
    clippy::disallowed_methods,
    reason = "the service manager speaks through the environment"
)]
pub(super) fn is_behind_stderr() -> bool {
    let Ok(said) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    fstat(std::io::stderr()).is_ok_and(|stat| said == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Lines to the journal; `None` where it cannot be reached: then they go to stderr as they are.
pub(super) fn layer() -> Option<tracing_journald::Layer> {
    let layer = tracing_journald::layer().ok()?;
    Some(
        layer
            .with_field_prefix(Some("PENTAMER".to_owned()))
            .with_syslog_identifier("pentamer".to_owned()),
    )
}

//! The systemd journal: each line as people read it, and every field of it as a field of its own,
//! `PENTAMER_EVENT=…`.
//!
//! Written here and not by `tracing-journald`, whose `MESSAGE` is the bare text: `journalctl -u pentamer`
//! would say "notice", and not which.

use rustix::fs::fstat;
use std::fmt::{self, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Where the journal takes entries (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const SOCKET: &str = "/run/systemd/journal/socket";
/// Longer values are cut: one datagram holds an entry.
const LONGEST_VALUE: usize = 16 * 1024;

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

/// Lines to the journal.
pub(super) struct Journal(UnixDatagram);

impl Journal {
    /// `None` where it cannot be reached: then lines go to stderr as they are.
    pub(super) fn open() -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        // A journal that is stopped must not stop the daemon.
        socket.set_nonblocking(true).ok()?;
        let connected: io::Result<()> = socket.connect(SOCKET);
        connected.ok().map(|()| Self(socket))
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        let entry = entry.finish(*event.metadata().level());
        if self.0.send(&entry).is_err() {
            // It was restarted: its socket is a new one.
            let _ = self.0.connect(SOCKET).and_then(|()| self.0.send(&entry));
        }
    }
}

/// An entry in the making.
#[derive(Default)]
struct Entry {
    message: String,
    shown: String,
    fields: Vec<u8>,
}

impl Entry {
    fn add(&mut self, name: &str, value: &str) {
        if name == "message" {
            self.message.push_str(value);
            return;
        }
        if name != "event" {
            let _ = write!(self.shown, " {name}={value}");
        }
        let name: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .collect();
        put(&mut self.fields, &format!("PENTAMER_{name}"), value);
    }

    fn finish(mut self, level: Level) -> Vec<u8> {
        let priority = match level {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "6",
            _ => "7",
        };
        put(&mut self.fields, "PRIORITY", priority);
        put(&mut self.fields, "SYSLOG_IDENTIFIER", "pentamer");
        let message = format!("{}{}", self.message, self.shown);
        put(&mut self.fields, "MESSAGE", &message);
        self.fields
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format!("{value:?}"));
    }
}

/// A field: the name, the length as eight bytes, and the value, so that it may hold anything.
fn put(fields: &mut Vec<u8>, name: &str, value: &str) {
    let mut length = value.len().min(LONGEST_VALUE);
    while !value.is_char_boundary(length) {
        length -= 1;
    }
    let value = value.get(..length).unwrap_or_default();
    fields.extend_from_slice(name.as_bytes());
    fields.push(b'\n');
    fields.extend_from_slice(&(value.len() as u64).to_le_bytes());
    fields.extend_from_slice(value.as_bytes());
    fields.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_people_read_and_each_field() {
        let mut entry = Entry::default();
        entry.add("message", "notice");
        entry.add("event", "notice_raised");
        entry.add("kind", "disk_low");
        entry.add("two-lines", "a\nb");
        let entry = entry.finish(Level::WARN);
        let text = String::from_utf8_lossy(&entry);
        let field = |name: &str, value: &str| {
            let length = (value.len() as u64).to_le_bytes();
            format!("{name}\n{}{value}\n", String::from_utf8_lossy(&length))
        };
        for (name, value) in [
            ("PENTAMER_EVENT", "notice_raised"),
            ("PENTAMER_KIND", "disk_low"),
            ("PENTAMER_TWO_LINES", "a\nb"),
            ("PRIORITY", "4"),
            ("MESSAGE", "notice kind=disk_low two-lines=a\nb"),
        ] {
            assert!(
                text.contains(&field(name, value)),
                "{name} is not in {text}"
            );
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_cut_between_characters() {
        let mut fields = Vec::new();
        put(&mut fields, "A", &format!("x{}", "é".repeat(LONGEST_VALUE)));
        assert!(fields.len() < LONGEST_VALUE + 16);
        assert!(String::from_utf8(fields[10..].to_vec()).is_ok());
    }
}

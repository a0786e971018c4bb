//! `[storage]`, `[limits]` and `[log]`.

use super::keys::{LIMITS, LOG, STORAGE};
use super::layer::Raw;
use super::problem::Problem;
use super::section::Section;
use std::path::PathBuf;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

/// What holds the folded state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// On disk, below the data directory.
    Sled,
    /// In memory; built anew from the journal at each start.
    Memory,
}

/// `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The data directory; a relative one is below the working directory.
    pub dir: PathBuf,
    /// Bytes of the disk that are left free (WIRE A-70); 0 is off.
    pub reserve: u64,
    /// Bytes of one segment of the journal.
    pub segment_size: u64,
    /// How long segments are kept that both checkpoints have passed; `None` is for ever.
    pub retention: Option<Duration>,
    /// Bytes of all segments above which the oldest such segment is dropped; 0 is no limit.
    pub retention_size: u64,
    /// Bytes of facts from one checkpoint to the next.
    pub checkpoint_after: u64,
    /// Time from one checkpoint to the next, where there are fewer bytes.
    pub checkpoint_every: Duration,
    /// What holds the folded state.
    pub cache: CacheKind,
    /// Bytes of memory for it.
    pub cache_memory: u64,
    /// How long one call into it may take before the state goes on in memory.
    pub cache_wait: Duration,
    /// Keys that journal, checkpoints and cache are sealed with; `None` is off.
    pub encryption_key_file: Option<PathBuf>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("pentamer-data"),
            reserve: 1 << 30,
            segment_size: 64 << 20,
            retention: Some(Duration::from_hours(400 * 24)),
            retention_size: 64 << 30,
            checkpoint_after: 256 << 20,
            checkpoint_every: Duration::from_hours(6),
            cache: CacheKind::Sled,
            cache_memory: 16 << 20,
            cache_wait: Duration::from_secs(30),
            encryption_key_file: None,
        }
    }
}

pub(super) const CACHES: &[(&str, CacheKind)] =
    &[("sled", CacheKind::Sled), ("memory", CacheKind::Memory)];

pub(super) fn storage(raw: &Raw, problems: &mut Vec<Problem>) -> Storage {
    let default = Storage::default();
    let mut section = Section::open(&STORAGE, raw.section(STORAGE.name), problems);
    Storage {
        dir: section
            .parsed(
                "dir",
                "a directory",
                "name the directory that holds journal, checkpoints and cache",
                path,
            )
            .unwrap_or(default.dir),
        reserve: section
            .size("reserve", 0..=1 << 50)
            .unwrap_or(default.reserve),
        segment_size: section
            .size("segment_size", 64 << 10..=4 << 30)
            .unwrap_or(default.segment_size),
        retention: section
            .duration_or_off("retention", DAY..=DAY * 36_525)
            .unwrap_or(default.retention),
        retention_size: section
            .size("retention_size", 0..=1 << 50)
            .unwrap_or(default.retention_size),
        checkpoint_after: section
            .size("checkpoint_after", 64 << 10..=1 << 40)
            .unwrap_or(default.checkpoint_after),
        checkpoint_every: section
            .duration("checkpoint_every", Duration::from_mins(1)..=DAY * 30)
            .unwrap_or(default.checkpoint_every),
        cache: section.choice("cache", CACHES).unwrap_or(default.cache),
        cache_memory: section
            .size("cache_memory", 1 << 20..=1 << 40)
            .unwrap_or(default.cache_memory),
        cache_wait: section
            .duration(
                "cache_wait",
                Duration::from_secs(1)..=Duration::from_secs(3_600),
            )
            .unwrap_or(default.cache_wait),
        encryption_key_file: section.parsed(
            "encryption_key_file",
            "a file",
            "name the file with the keys, one a line, or remove the key",
            path,
        ),
    }
}

/// A path that is not empty and holds no NUL.
pub(super) fn path(text: &str) -> Option<PathBuf> {
    (!text.trim().is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all frames in assembly (WIRE F-52).
    pub frame_memory: u64,
    /// Bytes of memory that wait for the journal at one relay (WIRE P-6).
    pub tap_queue: u64,
    /// Bytes of disk beyond that, at one relay; 0 is off.
    pub tap_spill: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_memory: 256 << 20,
            tap_queue: 64 << 20,
            tap_spill: 1 << 30,
        }
    }
}

pub(super) fn limits(raw: &Raw, problems: &mut Vec<Problem>) -> Limits {
    let default = Limits::default();
    let mut section = Section::open(&LIMITS, raw.section(LIMITS.name), problems);
    Limits {
        frame_memory: section
            .size("frame_memory", 1 << 10..=1 << 40)
            .unwrap_or(default.frame_memory),
        tap_queue: section
            .size("tap_queue", 1 << 20..=1 << 40)
            .unwrap_or(default.tap_queue),
        tap_spill: section
            .size("tap_spill", 0..=1 << 50)
            .unwrap_or(default.tap_spill),
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, the journal's fields under systemd, else human.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// The least pressing lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And warnings.
    Warn,
    /// And what happens.
    Info,
    /// And details.
    Debug,
    /// And every step.
    Trace,
}

impl LogLevel {
    /// As `tracing` names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Form of the lines.
    pub format: LogFormat,
    /// Which lines.
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            level: LogLevel::Info,
        }
    }
}

pub(super) const LOG_FORMATS: &[(&str, LogFormat)] = &[
    ("auto", LogFormat::Auto),
    ("human", LogFormat::Human),
    ("json", LogFormat::Json),
];
const LOG_LEVELS: &[(&str, LogLevel)] = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

pub(super) fn log(raw: &Raw, problems: &mut Vec<Problem>) -> Log {
    let default = Log::default();
    let mut section = Section::open(&LOG, raw.section(LOG.name), problems);
    Log {
        format: section
            .choice("format", LOG_FORMATS)
            .unwrap_or(default.format),
        level: section.choice("level", LOG_LEVELS).unwrap_or(default.level),
    }
}

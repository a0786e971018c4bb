//! The journal: one append-only log of facts, which is the truth (DESIGN.md, Shape 1).
//!
//! # Invariants
//!
//! 1. A fact is answered for only after `fdatasync` of its bytes (WIRE P-STORE).
//! 2. Positions are 1, 2, 3, …; a position that was answered for is never given again, even if its
//!    record is lost.
//! 3. A segment gets its name only when its first records are synced. Every position below its first
//!    one was synced by then; records of earlier segments from that position on are void.
//! 4. Nothing synced is written over, and a file whose sync failed is never synced again.
//! 5. Any bytes can be opened: what is whole is read, what is lost is named.
//!
//! # Layout
//!
//! `journal/0000000001.seg` and so on (`.segz` once closed and compressed): a header of 64 bytes, then
//! records at multiples of 8 bytes, each a header of 40 bytes, a JSON meta part and the raw bytes.
//! `checkpoints/` holds the folded state at two positions; segments behind both may be dropped.
//! `docs/journal-format.md` has the fields. `lock` in the data directory keeps a second daemon out.
//!
//! # Recovery
//!
//! All segments are read and all checksums verified. Every record says which positions were synced
//! when it was written, so a bad place before such a proof is [`Damage`], and one behind all proofs
//! is a [`TornTail`], which nobody was answered for. Whole records behind all proofs are copied into
//! a new segment before anything relies on them: they may be in memory only.

mod active;
mod appender;
mod aside;
mod backup;
mod checkpoint;
mod cursor;
mod damage;
mod disk;
mod duplicates;
mod encode;
mod error;
mod keeper;
mod layout;
mod log;
mod model_disk;
mod open;
mod os_disk;
mod packed;
mod patched;
mod prepare;
mod queue;
mod reader;
mod recovery;
mod sealing;
mod segments;
mod table;
mod writer;

#[cfg(test)]
mod tests;

pub use appender::{Appender, Draft, Stats};
pub use aside::{Aside, set_aside};
pub use backup::{BackupError, Copied, backup};
pub use checkpoint::{
    Arriving, CHECKPOINT_VERSION, Checkpoint, Kept, TakeError, Taking, Unfit, Window,
    remove_checkpoints,
};
pub use damage::{Damage, DamageKind, TornTail};
pub use disk::{Disk, DiskFile, DiskLock};
pub use duplicates::Fingerprint;
pub(crate) use duplicates::{Index, Preview, Verdict};
pub(crate) use encode::{Encoded, encode_fact, kind};
pub use error::{AppendError, DecodeError, JournalError, ReadError};
pub use keeper::{Keeper, Tidied};
pub use layout::{FORMAT_VERSION, MAX_PAYLOAD};
pub use log::{
    Beside, Hold, Log, LogReader, Record, has_segments, numbers_in, open_beside, read_mark,
    remove_with_all, write_mark,
};
pub(crate) use log::{Inlet, seen_again};
pub use model_disk::{Fault, ModelDisk};
pub use open::{
    Inspection, Journal, Options, Retention, WriterHandle, inspect, inspect_with, open,
};
pub use os_disk::OsDisk;
pub(crate) use queue::{Group, KnownBy, Queued};
pub use reader::Reader;
pub use recovery::Recovery;
pub use writer::{Status, Stored, Storing};

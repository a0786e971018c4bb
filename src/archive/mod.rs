//! Archives: files of any size with messages, read as a stream of chunks that each hold whole messages.
//!
//! [`folder`] lists, [`open`](mod@open) opens a file whatever it is compressed by, [`Chunks`] cuts its bytes
//! where a message or a frame begins, and [`messages`] finds the messages of a chunk. A chunk is as
//! large as its longest message at most, so nothing here grows with the archive.

mod chunks;
pub mod folder;
mod messages;
mod open;

pub use chunks::{Chunk, Chunks, LARGEST, SIZE, Spares};
pub use messages::{Part, kept, messages};
pub use open::{Reading, input, open};

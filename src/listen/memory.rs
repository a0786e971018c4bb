//! A bound on the memory of all frames in assembly (WIRE F-52).

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of frames in assembly, over all connections of all listeners.
#[derive(Debug)]
pub struct FrameMemory {
    limit: usize,
    held: AtomicUsize,
}

impl FrameMemory {
    /// A bound of so many bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            held: AtomicUsize::new(0),
        }
    }

    /// True while connections that have begun no frame must wait.
    pub fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.limit
    }
}

/// One connection's part of it; given back when the connection ends.
#[derive(Debug)]
pub(super) struct Share<'a> {
    memory: &'a FrameMemory,
    mine: usize,
}

impl<'a> Share<'a> {
    pub(super) const fn new(memory: &'a FrameMemory) -> Self {
        Self { memory, mine: 0 }
    }

    /// The connection holds so many bytes now.
    pub(super) fn set(&mut self, bytes: usize) {
        if bytes >= self.mine {
            self.memory
                .held
                .fetch_add(bytes - self.mine, Ordering::Relaxed);
        } else {
            self.memory
                .held
                .fetch_sub(self.mine - bytes, Ordering::Relaxed);
        }
        self.mine = bytes;
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::{FrameMemory, Share};

    #[test]
    fn what_a_connection_held_is_free_when_it_ends() {
        let memory = FrameMemory::new(10);
        let mut one = Share::new(&memory);
        let mut other = Share::new(&memory);
        one.set(6);
        assert!(!memory.is_full());
        other.set(4);
        assert!(memory.is_full());
        other.set(1);
        assert!(!memory.is_full());
        other.set(9);
        drop(one);
        assert!(!memory.is_full());
        drop(other);
        assert_eq!(memory.held.load(std::sync::atomic::Ordering::Relaxed), 0);
    }
}

//! A closed segment on a disk that does not give all of it back: what cannot be read reads as zeros, and
//! is then found and named like any other damage.
//!
//! Only for segments with another one behind them, whose first position proves what was stored before.
//! Of the last one nobody could say where it ends, so there an error stays an error.

use super::disk::{DiskFile, OnlyRead};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Skipped after one error; a disk can take seconds for each, so after every further one twice as much.
const FIRST_STEP: u64 = 4 << 10;
const LARGEST_STEP: u64 = 1 << 20;
const EIO: i32 = 5;

pub(crate) struct Patched {
    file: Arc<dyn DiskFile>,
    step: AtomicU64,
    /// Set once something could not be read.
    met: Arc<AtomicBool>,
}

impl Patched {
    pub fn new(file: Arc<dyn DiskFile>, met: Arc<AtomicBool>) -> Self {
        Self {
            file,
            step: AtomicU64::new(FIRST_STEP),
            met,
        }
    }
}

impl OnlyRead for Patched {
    fn bytes_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let is_bad = |read: &io::Result<usize>| {
            let code = read.as_ref().err().and_then(io::Error::raw_os_error);
            code == Some(EIO)
        };
        let read = self.file.read_at(buffer, offset);
        if !is_bad(&read) {
            self.step.store(FIRST_STEP, Ordering::Relaxed);
            return read;
        }
        self.met.store(true, Ordering::Relaxed);
        let page = FIRST_STEP - offset % FIRST_STEP;
        let step = self.step.load(Ordering::Relaxed);
        if step == FIRST_STEP {
            // What stands before the bad place is whole.
            let mut pages = buffer.len() as u64 / FIRST_STEP / 2;
            while pages > 0 {
                let size = page + (pages - 1) * FIRST_STEP;
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                let part = buffer.get_mut(..size).unwrap_or_default();
                let read = self.file.read_at(part, offset);
                if !is_bad(&read) {
                    return read;
                }
                pages /= 2;
            }
        }
        self.step
            .store((step * 2).min(LARGEST_STEP), Ordering::Relaxed);
        let left = self.file.len()?.saturating_sub(offset);
        let size = left.min(step - FIRST_STEP + page);
        let size = buffer
            .len()
            .min(usize::try_from(size).unwrap_or(usize::MAX));
        buffer.get_mut(..size).unwrap_or_default().fill(0);
        Ok(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::disk::read_full_at;
    use std::ops::Range;

    /// A file of ones, of which some bytes cannot be read.
    struct Bad(Range<u64>);

    impl OnlyRead for Bad {
        fn bytes_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let end = (offset + buffer.len() as u64).min(LEN);
            if offset < self.0.end && self.0.start < end {
                return Err(io::Error::from_raw_os_error(EIO));
            }
            let size = (end - offset.min(end)) as usize;
            buffer[..size].fill(1);
            Ok(size)
        }
        fn size(&self) -> io::Result<u64> {
            Ok(LEN)
        }
    }

    const LEN: u64 = (3 << 20) + 77;

    #[test]
    fn what_cannot_be_read_is_zero_and_the_rest_is_there() {
        for bad in [
            0..1,
            5_000..5_001,
            100_000..101_000,
            LEN - 1..LEN,
            0..LEN,
            LEN..LEN,
        ] {
            let met = Arc::new(AtomicBool::new(false));
            let file = Patched::new(Arc::new(Bad(bad.clone())), Arc::clone(&met));
            let mut read = vec![9; LEN as usize + 10];
            assert_eq!(read_full_at(&file, &mut read, 0).unwrap() as u64, LEN);
            let zeros = read.iter().filter(|byte| **byte == 0).count() as u64;
            let size = bad.end - bad.start;
            assert!(
                zeros >= size && zeros <= size + 2 * FIRST_STEP,
                "{bad:?}: {zeros}"
            );
            assert!(bad.clone().all(|at| read[at as usize] == 0), "{bad:?}");
            assert_eq!(met.load(Ordering::Relaxed), size > 0);
        }
    }
}

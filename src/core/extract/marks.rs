//! Where the lines and fields of a message end, found 64 bytes at once: a glance at a message asks for so many short
//! fields that looking for each separator alone would cost more than all else.

use wide::u8x16;

/// Bytes that are looked at together; one bit of a mask each.
const BLOCK: usize = 64;

/// Goes over the separators of a message once, line by line.
pub(super) struct Marks<'m> {
    raw: &'m [u8],
    /// Where the block at hand begins, and where the next one does.
    block: usize,
    next: usize,
    /// `|`, CR and LF of the block at hand that were not passed yet.
    stops: u64,
    /// CR and LF of it.
    ends: u64,
    /// What was seen in all blocks so far.
    all: u8x16,
    least: u8x16,
}

impl<'m> Marks<'m> {
    pub(super) fn new(raw: &'m [u8]) -> Self {
        Self {
            raw,
            block: 0,
            next: 0,
            stops: 0,
            ends: 0,
            all: u8x16::splat(0),
            least: u8x16::splat(u8::MAX),
        }
    }

    /// Where the separators of a line stand that is all there is.
    pub(super) fn bars(mut self) -> impl Iterator<Item = usize> + use<'m> {
        std::iter::from_fn(move || {
            let stop = self.stop();
            let bar = (stop != 0).then(|| self.place(stop));
            self.stops ^= stop;
            bar
        })
    }

    /// The line that begins there; the line before must have been ended.
    pub(super) fn line(&mut self, begin: usize) -> Line<'_, 'm> {
        Line {
            marks: self,
            line: begin,
            number: 0,
            begin,
            over: false,
        }
    }

    /// All bytes that were passed are ASCII.
    pub(super) fn is_ascii(&self) -> bool {
        self.all.to_bitmask() == 0
    }

    /// A NUL is among the bytes that were passed.
    pub(super) fn has_nul(&self) -> bool {
        self.least.simd_eq(u8x16::splat(0)).to_bitmask() != 0
    }

    /// The next separator, of fields or lines, as its bit in the block at hand; none behind the last one.
    fn stop(&mut self) -> u64 {
        while self.stops == 0 {
            if !self.load() {
                return 0;
            }
        }
        self.stops & self.stops.wrapping_neg()
    }

    /// Passes over the rest of the line: where it ends.
    fn end(&mut self) -> usize {
        loop {
            // Nothing that was passed is of a later line.
            let ends = self.stops & self.ends;
            if ends != 0 {
                let end = ends & ends.wrapping_neg();
                self.stops &= !(end | end.wrapping_sub(1));
                return self.place(end);
            }
            if !self.load() {
                self.stops = 0;
                return self.raw.len();
            }
        }
    }

    /// Where a separator of the block at hand stands.
    const fn place(&self, stop: u64) -> usize {
        self.block + stop.trailing_zeros() as usize
    }

    /// Looks at the next block; false behind the last one.
    fn load(&mut self) -> bool {
        let rest = self.raw.get(self.next..).unwrap_or_default();
        if rest.is_empty() {
            return false;
        }
        self.block = self.next;
        self.next += BLOCK;
        if let Some(bytes) = rest.first_chunk() {
            self.look(bytes);
        } else {
            let mut padded = [b' '; BLOCK];
            for (to, from) in padded.iter_mut().zip(rest) {
                *to = *from;
            }
            self.look(&padded);
        }
        true
    }

    fn look(&mut self, bytes: &[u8; BLOCK]) {
        let (mut bars, mut ends) = (0, 0);
        let (parts, _) = bytes.as_chunks::<16>();
        for (number, part) in (0_u32..).zip(parts) {
            let part = u8x16::new(*part);
            let bar = part.simd_eq(u8x16::splat(b'|'));
            let end = part.simd_eq(u8x16::splat(b'\r')) | part.simd_eq(u8x16::splat(b'\n'));
            bars |= u64::from(bar.to_bitmask()) << (number * 16);
            ends |= u64::from(end.to_bitmask()) << (number * 16);
            self.all |= part;
            self.least = self.least.min(part);
        }
        self.stops = bars | ends;
        self.ends = ends;
    }
}

/// One line, whose fields are asked for in their order.
pub(super) struct Line<'c, 'm> {
    marks: &'c mut Marks<'m>,
    /// Where it begins.
    line: usize,
    /// The part that is next, and where that begins.
    number: usize,
    begin: usize,
    /// It has no more.
    over: bool,
}

impl<'m> Line<'_, 'm> {
    /// What stands between separators: part 3 is field 3 of a segment, and MSH-4 of a header. Empty where it has no
    /// such part, and for one that was passed.
    pub(super) fn part(&mut self, number: usize) -> &'m [u8] {
        let marks = &mut *self.marks;
        if self.over || self.number > number {
            return &[];
        }
        let mut begin = self.begin;
        while self.number < number {
            let stop = marks.stop();
            if stop == 0 || stop & marks.ends != 0 {
                self.over = true;
                return &[];
            }
            marks.stops ^= stop;
            self.number += 1;
            begin = marks.place(stop) + 1;
        }
        let stop = marks.stop();
        let end = match stop {
            0 => marks.raw.len(),
            stop => marks.place(stop),
        };
        if stop == 0 || stop & marks.ends != 0 {
            self.over = true;
        } else {
            marks.stops ^= stop;
        }
        self.number += 1;
        self.begin = end + 1;
        marks.raw.get(begin..end).unwrap_or_default()
    }

    /// Passes over the rest: the whole line, and where the next one begins.
    pub(super) fn end(self) -> (&'m [u8], usize) {
        let end = self.marks.end();
        let line = self.marks.raw.get(self.line..end).unwrap_or_default();
        (line, end + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, looking at each byte.
    fn lines(raw: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let lines = raw.split(|byte| matches!(byte, b'\r' | b'\n'));
        lines
            .map(|line| {
                line.split(|byte| *byte == b'|')
                    .map(<[u8]>::to_vec)
                    .collect()
            })
            .collect()
    }

    fn separated() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            4 => any::<u8>(),
            3 => Just(b'|'),
            1 => prop_oneof![Just(b'\r'), Just(b'\n')],
            8 => b'A'..=b'Z',
        ];
        proptest::collection::vec(byte, 0..400)
    }

    proptest! {
        #[test]
        fn parts_and_lines_are_those_that_a_look_at_each_byte_finds(
            raw in separated(),
            asked in proptest::collection::vec(0_usize..12, 0..6),
        ) {
            let mut asked = asked;
            asked.sort_unstable();
            asked.dedup();
            let mut marks = Marks::new(&raw);
            let mut begin = 0;
            for whole in lines(&raw) {
                let mut line = marks.line(begin);
                for number in &asked {
                    let part = whole.get(*number).map(Vec::as_slice).unwrap_or_default();
                    prop_assert_eq!(line.part(*number), part);
                }
                let (found, next) = line.end();
                prop_assert_eq!(found, whole.join(&b'|'));
                begin = next;
            }
            prop_assert_eq!(begin, raw.len() + 1);
            prop_assert_eq!(marks.is_ascii(), raw.is_ascii());
            prop_assert_eq!(marks.has_nul(), raw.contains(&0));
        }
    }

    #[test]
    fn separators_of_a_line_are_found_in_every_block() {
        let line = "PID|1||".to_owned() + &"x".repeat(130) + "|y|";
        assert_eq!(
            Marks::new(line.as_bytes()).bars().collect::<Vec<_>>(),
            [3, 5, 6, 137, 139]
        );
        assert_eq!(Marks::new(b"").bars().count(), 0);
    }

    #[test]
    fn a_part_that_was_passed_is_empty() {
        let mut marks = Marks::new(b"PID|1||4711");
        let mut line = marks.line(0);
        assert_eq!(line.part(3), b"4711");
        assert_eq!(line.part(1), b"");
        assert_eq!(line.end(), (&b"PID|1||4711"[..], 12));
    }
}

//! Frames: any bytes, cut anyhow. The outcome is that of the whole; nothing is lost without a count.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentamer::core::mllp::{Decoder, Event, Limits};

fn decoded(pieces: &[&[u8]], limits: Limits) -> (Vec<Event>, String) {
    let mut decoder = Decoder::new(limits);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut events);
    }
    decoder.finish(&mut events);
    (events, format!("{:?}", decoder.take_counts()))
}

fuzz_target!(|input: (bool, bool, Vec<u8>, &[u8])| {
    let (small, commits, cuts, stream) = input;
    let mut limits = Limits {
        commits,
        ..Limits::default()
    };
    if small {
        limits = Limits {
            max_message: 40,
            max_junk: 30,
            kept_head: 8,
            max_discard: 100,
            commits,
        };
    }
    let mut places: Vec<usize> = cuts
        .iter()
        .map(|cut| usize::from(*cut) % (stream.len() + 1))
        .collect();
    places.push(stream.len());
    places.sort_unstable();
    let mut from = 0;
    let pieces: Vec<&[u8]> = places
        .iter()
        .map(|to| &stream[std::mem::replace(&mut from, *to)..*to])
        .collect();
    let whole = decoded(&[stream], limits);
    assert_eq!(decoded(&pieces, limits), whole);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(decoded(&bytes, limits), whole);
    let kept: usize = whole
        .0
        .iter()
        .map(|event| match event {
            Event::Frame(content) | Event::Truncated(content) => content.len(),
            Event::TooLarge { head, .. } => head.len(),
            Event::Commit(_) | Event::JunkLimit | Event::DiscardLimit => 0,
        })
        .sum();
    assert!(
        kept <= stream.len(),
        "nothing comes out that did not come in"
    );
});

//! Every row of WIRE 1.2 and 1.3, and the law that cutting does not matter.

use super::{Decoder, Event, FrameCounts, Limits, Phase};
use bytes::Bytes;
use proptest::prelude::*;

fn decode(bytes: &[u8]) -> (Vec<Event>, FrameCounts) {
    decode_cut(bytes, &[], Limits::default())
}

fn decode_cut(bytes: &[u8], cuts: &[usize], limits: Limits) -> (Vec<Event>, FrameCounts) {
    let mut decoder = Decoder::new(limits);
    let mut events = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let to = cut.clamp(from, bytes.len());
        decoder.push(&bytes[from..to], &mut events);
        from = to;
    }
    decoder.finish(&mut events);
    (events, decoder.take_counts())
}

fn frame(content: &[u8]) -> Event {
    Event::Frame(Bytes::copy_from_slice(content))
}

fn counts(of: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    of.to_vec()
}

macro_rules! rows {
    ($($name:ident: $bytes:expr => [$($event:expr),*], $counts:expr;)*) => {$(
        #[test]
        fn $name() {
            let (events, seen) = decode($bytes);
            assert_eq!(events, vec![$($event),*] as Vec<Event>);
            assert_eq!(seen.iter().collect::<Vec<_>>(), counts(&$counts));
        }
    )*};
}

rows! {
    f10_a_frame: b"\x0bMSH|a\r\x1c\r" => [frame(b"MSH|a\r")], [];
    f11_padding: b"\r\n\0 \t\xef\xbb\xbf\x0ba\x1c\r" => [frame(b"a")], [("interframe_padding", 8)];
    f11_half_a_bom: b"\xef\xbb\x0ba\x1c\r" => [frame(b"a")], [("junk_bytes", 2)];
    f11_a_bom_after_half_a_bom: b"\xef\xef\xbb\xbf\x0ba\x1c\r" => [frame(b"a")], [("interframe_padding", 3), ("junk_bytes", 1)];
    f12_junk: b"log line\r\n\x0ba\x1c\r" => [frame(b"a")], [("interframe_padding", 3), ("junk_bytes", 7)];
    f16_fs_vt: b"\x0ba\x1c\x0bb\x1c\r" => [frame(b"a"), frame(b"b")], [("fs_without_cr", 1)];
    f17_fs_lf: b"\x0ba\x1c\n" => [frame(b"a")], [("fs_lf", 1)];
    f18_fs_fin: b"\x0ba\x1c" => [frame(b"a")], [("fs_without_cr", 1)];
    f19_fs_fs: b"\x0ba\x1c\x1c\r" => [frame(b"a\x1c")], [];
    f20_fs_is_data: b"\x0ba\x1cb\x1c\r" => [frame(b"a\x1cb")], [("fs_in_body", 1)];
    f21_resync: b"\x0bMSH|x\x0bMSH|y\x1c\r" => [Event::Truncated(Bytes::from_static(b"MSH|x")), frame(b"MSH|y")], [("resync", 1)];
    f21_resync_with_bom: b"\x0bx\x0b\xef\xbb\xbfBHS|y\x1c\r" => [Event::Truncated(Bytes::from_static(b"x")), frame(b"\xef\xbb\xbfBHS|y")], [("resync", 1)];
    f21_resync_with_crlf: b"\x0bx\x0b\r\nFHS|y\x1c\r" => [Event::Truncated(Bytes::from_static(b"x")), frame(b"\r\nFHS|y")], [("resync", 1)];
    f22_vt_is_data: b"\x0ba\x0bMSHx\x1c\r" => [frame(b"a\x0bMSHx")], [("vt_in_body", 1)];
    f22_vt_then_end: b"\x0ba\x0b\x1c\r" => [frame(b"a\x0b")], [("vt_in_body", 1)];
    f22_vt_vt_msh: b"\x0ba\x0b\x0bMSH|\x1c\r" => [Event::Truncated(Bytes::from_static(b"a\x0b")), frame(b"MSH|")], [("resync", 1), ("vt_in_body", 1)];
    f23_fin_in_body: b"\x0bMSH|a" => [Event::Truncated(Bytes::from_static(b"MSH|a"))], [];
    f23_fin_while_looking_ahead: b"\x0bMSH|a\x0bMS" => [Event::Truncated(Bytes::from_static(b"MSH|a\x0bMS"))], [("vt_in_body", 1)];
    f30_pipelined: b"\x0ba\x1c\r\n\x0bb\x1c\r" => [frame(b"a"), frame(b"b")], [("interframe_padding", 1)];
    f33_empty: b"\x0b\x1c\r\x0b\r\x1c\r\x0b\t\x1c\r\x0b\xef\xbb\xbf\x1c\r" => [], [("empty_frames", 4)];
    f44_unframed: b"MSH|^~\\&|LAB\rPID|1\r" => [], [("interframe_padding", 2), ("junk_bytes", 17), ("unframed_msh", 1)];
    f45_frame_in_frame: b"\x0b\x0bMSH|\x1c\r\x1c\r" => [frame(b"MSH|")], [("interframe_padding", 1), ("junk_bytes", 1), ("resync", 1)];
    f73_commit_block: b"\x0b\x06\x1c\r\x0b\x15\x1c\r" => [], [("mllp2_block_on_mllp1", 2)];
}

#[test]
fn f12_too_much_junk_closes() {
    let limits = Limits {
        max_junk: 4,
        ..Limits::default()
    };
    let (events, seen) = decode_cut(b"abcd e\x0bx\x1c\r", &[], limits);
    assert_eq!(events, [Event::JunkLimit]);
    assert_eq!((seen.junk_bytes, seen.junk_closed), (5, 1));
    let (events, _) = decode_cut(b"abcd\x0bx\x1c\rabcd\x0by\x1c\r", &[], limits);
    assert_eq!(events, [frame(b"x"), frame(b"y")], "a frame ends the run");
}

#[test]
fn f50_too_large_is_read_to_its_end() {
    let limits = Limits {
        max_message: 4,
        kept_head: 3,
        max_discard: 64,
        ..Limits::default()
    };
    let (events, _) = decode_cut(
        b"\x0babcd\x1c\r\x0babcde\x0bMSH|\x1cx\x1c\r\x0bok\x1c\r",
        &[],
        limits,
    );
    let head = Bytes::from_static(b"abc");
    assert_eq!(
        events,
        [
            frame(b"abcd"),
            Event::TooLarge {
                head: head.clone(),
                len: 12
            },
            frame(b"ok")
        ]
    );
    let (events, _) = decode_cut(&[&b"\x0b"[..], &[b'a'; 65]].concat(), &[], limits);
    let head = Bytes::from_static(b"aaa");
    assert_eq!(
        events,
        [Event::TooLarge { head, len: 65 }, Event::DiscardLimit]
    );
}

#[test]
fn f18_and_f37_the_callers_timers() {
    let mut decoder = Decoder::new(Limits::default());
    let mut events = Vec::new();
    decoder.push(b"\x0ba\x1c", &mut events);
    assert_eq!((decoder.phase(), events.len()), (Phase::End, 0));
    decoder.end_grace_over(&mut events);
    assert_eq!(events, [frame(b"a")]);
    decoder.push(b"\r\x0bstalled", &mut events);
    assert_eq!((decoder.phase(), decoder.frame_bytes()), (Phase::Body, 7));
    decoder.give_up(&mut events);
    assert_eq!(events[1], Event::Truncated(Bytes::from_static(b"stalled")));
    assert_eq!(decoder.phase(), Phase::Idle);
    assert_eq!(decoder.take_counts().interframe_padding, 1);
}

#[test]
fn f33_padding_and_byte_order_marks_in_any_order_are_empty() {
    let (events, seen) = decode(b"\x0b\r\n\xef\xbb\xbf\xef\xbb\xbf \x1c\r");
    assert_eq!((events.len(), seen.empty_frames), (0, 1));
}

#[test]
fn f50_the_head_is_kept_beyond_a_smaller_limit() {
    let limits = Limits {
        max_message: 4,
        kept_head: 6,
        max_discard: 64,
        ..Limits::default()
    };
    let head = Bytes::from_static(b"abcdef");
    let bytes = b"\x0babcdefgh\x1c\r\x0bok\x1c\r";
    for cuts in [&[][..], &[3], &[5], &[6, 7], &[9]] {
        let (events, _) = decode_cut(bytes, cuts, limits);
        let large = Event::TooLarge {
            head: head.clone(),
            len: 8,
        };
        assert_eq!(events, [large, frame(b"ok")], "{cuts:?}");
    }
}

#[test]
fn f50_discarding_ends_with_the_time_for_it() {
    let limits = Limits {
        max_message: 4,
        ..Limits::default()
    };
    let mut decoder = Decoder::new(limits);
    let mut events = Vec::new();
    decoder.push(b"\x0babcd", &mut events);
    decoder.discard_over(&mut events);
    assert!(events.is_empty());
    decoder.push(b"e", &mut events);
    assert_eq!(decoder.phase(), Phase::Discarding);
    decoder.discard_over(&mut events);
    decoder.push(b"\x1c\r\x0bnext\x1c\r", &mut events);
    let head = Bytes::from_static(b"abcde");
    assert_eq!(
        events,
        [Event::TooLarge { head, len: 5 }, Event::DiscardLimit]
    );
}

#[test]
fn n5_debug_shows_no_content() {
    let mut decoder = Decoder::new(Limits::default());
    let mut events = Vec::new();
    decoder.push(b"\x0bZZMARKERZZ\x1c\r\x0bZZMARKERZZ", &mut events);
    let shown = format!("{events:?} {decoder:?}");
    assert!(
        !shown.contains("MARKER") && shown.contains("10 bytes"),
        "{shown}"
    );
    let ascii = format!("{:?}", b"ZZMARKERZZ").replace(['[', ']'], "");
    assert!(!shown.contains(&ascii), "{shown}");
}

/// Bytes that mean something to the machine come often.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(vec![0x0b]),
        Just(vec![0x1c]),
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"MSH|".to_vec()),
        Just(b"BHS|".to_vec()),
        Just(b"MSHA".to_vec()),
        Just(vec![0xef, 0xbb, 0xbf]),
        Just(vec![0xef]),
        Just(vec![0x06]),
        Just(vec![0]),
        any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(byte, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn cutting_does_not_matter(bytes in bytes(), cuts in prop::collection::vec(0_usize..80, 0..8), max in 1_usize..40, kept_head in 1_usize..40) {
        let limits = Limits { max_message: max, max_junk: 12, kept_head, max_discard: 60, commits: false };
        let mut cuts = cuts;
        cuts.sort_unstable();
        let single: Vec<usize> = (0..bytes.len()).collect();
        let whole = decode_cut(&bytes, &[], limits);
        prop_assert_eq!(&decode_cut(&bytes, &cuts, limits), &whole);
        prop_assert_eq!(&decode_cut(&bytes, &single, limits), &whole);
    }

    #[test]
    fn content_without_marks_comes_out_as_it_went_in(contents in prop::collection::vec("[A-Za-z|^&\r\n]{1,40}", 1..5)) {
        let bytes: Vec<u8> = contents.iter().flat_map(|c| [b"\x0b", c.as_bytes(), b"\x1c\r"].concat()).collect();
        let (events, _) = decode(&bytes);
        let expected: Vec<Event> = contents
            .iter()
            .filter(|c| !c.bytes().all(|b| matches!(b, b'\r' | b'\n')))
            .map(|c| frame(c.as_bytes()))
            .collect();
        prop_assert_eq!(events, expected);
    }

    #[test]
    fn memory_is_bounded_by_the_content(bytes in bytes()) {
        let mut decoder = Decoder::new(Limits { max_message: 32, kept_head: 8, ..Limits::default() });
        let mut events = Vec::new();
        for byte in &bytes {
            decoder.push(&[*byte], &mut events);
            prop_assert!(decoder.held() <= 2 * 32 && decoder.held() <= 64);
        }
    }
}

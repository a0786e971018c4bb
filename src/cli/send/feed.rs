//! Frames on their way to the connections: of files, or made one after the other and spread over receivers.

use super::archive::Frame;
use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// A frame, and its number among all that are sent: that says when it is due.
pub(super) type Numbered = (u64, Frame);

/// Frames that wait for a connection.
const AHEAD: usize = 64;

/// All frames in order, so many times. Ends early where nobody takes them.
pub(super) fn of_files(frames: Vec<Frame>, repeat: u64) -> Receiver<Numbered> {
    let (give, take) = channel(AHEAD);
    tokio::spawn(async move {
        let mut number = 0;
        for _ in 0..repeat {
            for frame in &frames {
                if give.send((number, frame.clone())).await.is_err() {
                    return;
                }
                number += 1;
            }
        }
    });
    take
}

/// What became of messages that were made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spread {
    /// How many were for each receiver, taken or not.
    pub each: Vec<u64>,
    /// All of them were made; false where nobody took them any more.
    pub whole: bool,
}

/// Doors to receivers; who is gone takes nothing more.
pub(super) struct Doors(Vec<Option<Sender<Numbered>>>);

impl Doors {
    /// So many, and what comes out of each.
    pub(super) fn new(count: usize) -> (Self, Vec<Receiver<Numbered>>) {
        let (doors, takes) = (0..count)
            .map(|_| {
                let (give, take) = channel(AHEAD);
                (Some(give), take)
            })
            .unzip();
        (Self(doors), takes)
    }

    /// Gives each message to the receiver that it names, in order; waits where that one has enough. To be
    /// called on a thread that may wait.
    pub(super) fn spread(mut self, messages: impl Iterator<Item = (usize, Vec<u8>)>) -> Spread {
        let mut each = vec![0; self.0.len()];
        for (number, (to, raw)) in (0..).zip(messages) {
            let (Some(door), Some(count)) = (self.0.get_mut(to), each.get_mut(to)) else {
                continue;
            };
            *count += 1;
            let frame = Frame::of(Bytes::from(raw));
            let given = door
                .as_ref()
                .map(|give| give.blocking_send((number, frame)));
            if matches!(given, Some(Err(_))) {
                *door = None;
            }
            if self.0.iter().all(Option::is_none) {
                return Spread { each, whole: false };
            }
        }
        Spread { each, whole: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: usize) -> Vec<u8> {
        format!("MSH|^~\\&|A|B|||2026||ORU^R01|{number}|P|2.5\r").into_bytes()
    }

    #[test]
    fn each_receiver_gets_its_own_in_order_and_one_that_is_gone_holds_up_nobody() {
        let (doors, mut takes) = Doors::new(2);
        let mut one = takes.remove(0);
        drop(takes);
        let messages = (0..300).map(|number| (number % 2, message(number)));
        let spreading = std::thread::spawn(move || doors.spread(messages));
        let mut numbers = Vec::new();
        while let Some((number, frame)) = one.blocking_recv() {
            assert_eq!(frame.messages.len(), 1);
            numbers.push(number);
        }
        assert_eq!(numbers, (0..300).step_by(2).collect::<Vec<u64>>());
        let spread = spreading.join().expect("ended");
        assert_eq!(spread.each, [150, 150]);
        assert!(spread.whole);
    }

    #[test]
    fn where_everybody_is_gone_no_more_is_made() {
        let (doors, takes) = Doors::new(1);
        drop(takes);
        let endless = (0..).map(|number| (0, message(number)));
        let spread = doors.spread(endless);
        assert_eq!((spread.each, spread.whole), (vec![1], false));
    }
}

//! Connections that send frames and wait for their answers.

use super::answer::{Answer, Code, Frames, answers};
use super::archive::{Answers, Frame};
use super::feed::Numbered;
use super::tally::Tally;
use crate::tls::Client;
use bytes::{BufMut as _, Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// Where frames are sent, and how.
pub(super) struct Plan {
    /// Host and port.
    pub address: String,
    /// With TLS.
    pub tls: Option<Client>,
    /// Connections at once.
    pub connections: u32,
    /// Unanswered frames at once on each connection.
    pub in_flight: usize,
    /// Pause from one frame to the next, over all connections.
    pub interval: Option<Duration>,
    /// For a connection, a write and an answer.
    pub timeout: Duration,
}

/// The plan while it is carried out: connections take frames one after the other.
struct Work {
    plan: Plan,
    started: Instant,
    frames: Mutex<Receiver<Numbered>>,
}

impl Work {
    /// The next frame, if one still comes. What is not waited for any more is not lost.
    async fn take(&self) -> Option<Numbered> {
        self.frames.lock().await.recv().await
    }

    /// When a frame may be sent.
    fn due(&self, number: u64) -> Instant {
        let offset = self
            .plan
            .interval
            .map_or(Duration::ZERO, |interval| interval.mul_f64(number as f64));
        self.started + offset
    }
}

/// Sends all frames that come, or what can be sent until the peer is gone or the user has had enough
/// (ctrl-c); how long that took.
pub(super) async fn send_all(
    plan: Plan,
    frames: Receiver<Numbered>,
    tally: &Arc<Tally>,
) -> Duration {
    let started = Instant::now();
    let work = Arc::new(Work {
        started,
        frames: Mutex::new(frames),
        plan,
    });
    let mut connections = JoinSet::new();
    for _ in 0..work.plan.connections {
        connections.spawn(carry_out(Arc::clone(&work), Arc::clone(tally)));
    }
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        Ok(()) = tokio::signal::ctrl_c() => tally.error("interrupted".to_owned()),
    }
    started.elapsed()
}

/// One connection, made anew when it is lost, until no frame is left or none can be made.
async fn carry_out(work: Arc<Work>, tally: Arc<Tally>) {
    let mut next = work.take().await;
    while next.is_some() {
        let stream = match connect(&work.plan).await {
            Ok(stream) => stream,
            Err(error) => {
                tally.error(format!("cannot connect: {error}"));
                return;
            }
        };
        let mut connection = Connection {
            work: &work,
            tally: &tally,
            waiting: VecDeque::new(),
        };
        let end = connection.serve(stream, &mut next).await;
        let lost = connection.give_up();
        // A peer that closes between two messages is no trouble: the next one gets a new connection.
        if let Err(error) = end
            && lost
        {
            tally.error(format!("connection lost: {error}"));
        }
        if next.is_none() {
            next = work.take().await;
        }
    }
}

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

async fn connect(plan: &Plan) -> std::io::Result<(Reader, Writer)> {
    let stream = timeout(plan.timeout, TcpStream::connect(&plan.address)).await??;
    stream.set_nodelay(true)?;
    let Some(tls) = &plan.tls else {
        let (reader, writer) = stream.into_split();
        return Ok((Box::new(reader), Box::new(writer)));
    };
    let stream = timeout(plan.timeout, tls.connect(stream)).await??;
    let (reader, writer) = tokio::io::split(stream);
    Ok((Box::new(reader), Box::new(writer)))
}

/// A frame that was sent and is not answered in full.
struct Waiting {
    sent_at: Instant,
    messages: Vec<Open>,
}

/// A message that waits for its answer.
struct Open {
    control_id: Bytes,
    both: bool,
    /// The commit of a message that awaits its application answer too, and how long it took.
    commit: Option<(Code, Duration)>,
}

struct Connection<'a> {
    work: &'a Work,
    tally: &'a Tally,
    /// Oldest first.
    waiting: VecDeque<Waiting>,
}

impl Connection<'_> {
    /// Sends and receives until nothing is left (`Ok`) or the connection is of no more use.
    async fn serve(
        &mut self,
        (reader, mut writer): (Reader, Writer),
        next: &mut Option<Numbered>,
    ) -> std::io::Result<()> {
        let plan = &self.work.plan;
        let mut frames = Frames::new(reader);
        let (mut silent, mut over) = (false, false);
        loop {
            let room = self.waiting.len() < plan.in_flight;
            if next.is_none() && over && self.waiting.is_empty() {
                break;
            }
            let wanted = next.is_none() && room && !over;
            let due = next.as_ref().filter(|_| room);
            let due = due.map(|(number, _)| self.work.due(*number));
            let deadline = self
                .waiting
                .front()
                .map(|oldest| oldest.sent_at + plan.timeout);
            tokio::select! {
                frame = frames.next() => match frame? {
                    Some(frame) => self.receive(&frame),
                    None => return Err(std::io::Error::other("the peer closed without an answer")),
                },
                taken = self.work.take(), if wanted => {
                    over = taken.is_none();
                    *next = taken;
                }
                () = at(due) => {
                    let Some((_, frame)) = next.take() else {
                        continue;
                    };
                    silent |= self.expect(&frame);
                    let frame = framed(&frame.content);
                    timeout(plan.timeout, async {
                        writer.write_all(&frame).await?;
                        writer.flush().await
                    })
                    .await??;
                }
                () = at(deadline) => return Err(std::io::Error::other("no answer in time")),
            }
        }
        writer.shutdown().await?;
        if silent {
            // Messages without answers are known to have arrived only when the peer closes; refusals may come.
            let until = Instant::now() + plan.timeout.min(Duration::from_secs(2));
            while let Ok(Ok(Some(frame))) = tokio::time::timeout_at(until, frames.next()).await {
                self.receive(&frame);
            }
        }
        Ok(())
    }

    /// Puts a frame that is about to be sent among those that wait. True if it asks for no answer at all.
    fn expect(&mut self, frame: &Frame) -> bool {
        self.tally.sent(frame.messages.len() as u64);
        let mut messages = Vec::with_capacity(frame.messages.len());
        for message in &frame.messages {
            if message.answers == Answers::None {
                self.tally.unasked();
            } else {
                messages.push(Open {
                    control_id: message.control_id.clone(),
                    both: message.answers == Answers::Two,
                    commit: None,
                });
            }
        }
        let silent = messages.is_empty();
        if !silent {
            self.waiting.push_back(Waiting {
                sent_at: Instant::now(),
                messages,
            });
        }
        silent
    }

    fn receive(&mut self, frame: &Bytes) {
        for answer in answers(frame) {
            self.pair(&answer);
        }
        self.waiting.retain(|frame| !frame.messages.is_empty());
    }

    /// Gives an answer to the oldest message with its control id; one without an id to the oldest of all.
    fn pair(&mut self, answer: &Answer) {
        let exact = |open: &Open| open.control_id == answer.control_id;
        let anonymous = |_: &Open| answer.control_id.is_empty();
        let place = self.position(exact).or_else(|| self.position(anonymous));
        let found = place.and_then(|(frame, message)| {
            let waiting = self.waiting.get_mut(frame)?;
            let latency = waiting.sent_at.elapsed();
            let open = waiting.messages.get_mut(message)?;
            if open.both && open.commit.is_none() && answer.code == Code::Ca {
                open.commit = Some((answer.code, latency));
                return Some(None);
            }
            let open = waiting.messages.swap_remove(message);
            Some(Some(open.commit.map_or(latency, |(_, first)| first)))
        });
        match found {
            Some(Some(latency)) => self.tally.answered(answer.code, latency),
            Some(None) => {}
            None => self.tally.unexpected(answer.code),
        }
    }

    fn position(&self, fits: impl Fn(&Open) -> bool) -> Option<(usize, usize)> {
        self.waiting
            .iter()
            .enumerate()
            .find_map(|(frame, waiting)| {
                let message = waiting.messages.iter().position(&fits)?;
                Some((frame, message))
            })
    }

    /// Counts what never got its answer, and tells whether there was any; a message with a commit was accepted.
    fn give_up(&mut self) -> bool {
        let mut lost = false;
        for open in self.waiting.drain(..).flat_map(|frame| frame.messages) {
            match open.commit {
                Some((code, latency)) => self.tally.answered(code, latency),
                None => {
                    lost = true;
                    self.tally.unanswered();
                }
            }
        }
        lost
    }
}

/// Waits for a moment; for ever where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// `<VT> content <FS><CR>` in one piece (WIRE F-1).
fn framed(content: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(content.len() + 3);
    frame.put_u8(0x0b);
    frame.put_slice(content);
    frame.put_slice(&[0x1c, b'\r']);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::super::feed;
    use super::*;

    #[tokio::test]
    async fn frames_are_due_at_the_rate_and_taken_once() {
        let frame = Frame {
            content: Bytes::new(),
            messages: Vec::new(),
        };
        let work = Work {
            plan: Plan {
                address: String::new(),
                tls: None,
                connections: 1,
                in_flight: 1,
                interval: Some(Duration::from_millis(10)),
                timeout: Duration::ZERO,
            },
            started: Instant::now(),
            frames: Mutex::new(feed::of_files(vec![frame; 2], 2)),
        };
        let mut taken = Vec::new();
        while let Some((number, _)) = work.take().await {
            taken.push(number);
        }
        assert_eq!(taken, [0, 1, 2, 3]);
        assert_eq!(work.due(3) - work.started, Duration::from_millis(30));
    }
}

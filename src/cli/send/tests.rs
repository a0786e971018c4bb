//! The client against a small server that answers as it is told.

use super::answer::Frames;
use super::archive::frames;
use super::client::{Plan, send_all};
use super::feed::of_files;
use super::tally::{Sum, Tally};
use super::*;
use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

fn message(id: usize) -> String {
    format!("MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301||ORU^R01|{id}|P|2.5.1\rPID|1||ZZMARKERZZ\r")
}

fn archive_of(count: usize) -> Vec<Frame> {
    let text: String = (1..=count).map(message).collect();
    frames(Bytes::from(text), false)
}

fn plan(address: &str) -> Plan {
    Plan {
        address: address.to_owned(),
        tls: None,
        connections: 1,
        in_flight: 1,
        interval: None,
        timeout: Duration::from_secs(10),
    }
}

async fn send(plan: Plan, frames: Vec<Frame>, repeat: u64) -> Sum {
    let once: usize = frames.iter().map(|frame| frame.messages.len()).sum();
    let tally = Arc::new(Tally::new(indicatif::ProgressBar::hidden()));
    let elapsed = send_all(plan, of_files(frames, repeat), &tally).await;
    tally.finish(once as u64 * repeat, elapsed)
}

/// The control id of a message.
fn id_of(frame: &Bytes) -> String {
    let text = String::from_utf8_lossy(frame);
    text.split('|').nth(9).unwrap_or_default().to_owned()
}

fn ack(code: &str, id: &str) -> Vec<u8> {
    format!("\x0bMSH|^~\\&|PENT\rMSA|{code}|{id}\r\x1c\r").into_bytes()
}

/// What the server does with a frame's content: the bytes to write back, or `None` to close.
type Script = dyn Fn(&Bytes) -> Option<Vec<u8>> + Send + Sync;

/// A server on a free port that follows a script on each connection.
async fn server(script: impl Fn(&Bytes) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let script: Arc<Script> = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(follow(stream, Arc::clone(&script)));
        }
    });
    address
}

async fn follow(stream: TcpStream, script: Arc<Script>) {
    let (reader, mut writer) = stream.into_split();
    let mut frames = Frames::new(reader);
    while let Ok(Some(frame)) = frames.next().await {
        match script(&frame) {
            Some(answer) => writer.write_all(&answer).await.expect("written"),
            None => return,
        }
    }
}

#[tokio::test]
async fn everything_is_accepted_over_several_connections() {
    let address = server(|frame| Some(ack("AA", &id_of(frame)))).await;
    let mut plan = plan(&address);
    plan.connections = 3;
    plan.in_flight = 4;
    let sum = send(plan, archive_of(40), 2).await;
    assert!(sum.all_accepted(), "{sum}");
    assert_eq!((sum.sent, sum.accepted()), (80, 80));
    assert_eq!(sum.latencies.len(), 80);
    assert!(!sum.to_string().contains("ZZMARKERZZ"));
}

#[tokio::test]
async fn answers_are_paired_by_id_and_not_by_order() {
    // Three messages in flight are answered last first: the refusal is that of message 2.
    let held = std::sync::Mutex::new(Vec::new());
    let address = server(move |frame| {
        let mut held = held.lock().expect("alone");
        held.push(id_of(frame));
        if held.len() < 3 {
            return Some(Vec::new());
        }
        let answers = held.drain(..).rev().map(|id| {
            let code = if id == "2" { "AR" } else { "AA" };
            ack(code, &id)
        });
        Some(answers.collect::<Vec<_>>().concat())
    })
    .await;
    let mut plan = plan(&address);
    plan.in_flight = 3;
    let sum = send(plan, archive_of(3), 1).await;
    assert_eq!((sum.accepted(), sum.refused(), sum.unexpected), (2, 1, 0));
    assert!(!sum.all_accepted());
}

#[tokio::test]
async fn an_answer_to_nothing_answers_nothing() {
    let address = server(|frame| Some([ack("AA", "999"), ack("AA", &id_of(frame))].concat())).await;
    let sum = send(plan(&address), archive_of(2), 1).await;
    assert_eq!((sum.accepted(), sum.unexpected), (2, 2));
    assert!(sum.all_accepted());
}

#[tokio::test]
async fn a_peer_that_closes_leaves_one_unanswered_and_gets_the_rest() {
    let address = server(|frame| (id_of(frame) != "2").then(|| ack("AA", &id_of(frame)))).await;
    let sum = send(plan(&address), archive_of(3), 1).await;
    assert_eq!((sum.sent, sum.accepted(), sum.unanswered), (3, 2, 1));
    assert!(!sum.all_accepted());
    assert!(
        sum.errors
            .iter()
            .any(|error| error.starts_with("connection lost"))
    );
}

#[tokio::test]
async fn a_peer_that_never_answers_is_left_after_the_time_out() {
    let address = server(|_| Some(Vec::new())).await;
    let mut plan = plan(&address);
    plan.timeout = Duration::from_millis(50);
    let sum = send(plan, archive_of(1), 1).await;
    assert_eq!((sum.sent, sum.unanswered), (1, 1));
}

#[tokio::test]
async fn nobody_there_means_nothing_sent() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("bound").to_string()
    };
    let sum = send(plan(&address), archive_of(2), 1).await;
    assert_eq!((sum.messages, sum.sent), (2, 0));
    assert!(!sum.all_accepted());
    assert!(
        sum.errors
            .iter()
            .any(|error| error.starts_with("cannot connect"))
    );
}

#[tokio::test]
async fn enhanced_mode_waits_for_both_answers_or_none() {
    let ask = |id: usize, commit: &str, application: &str| {
        format!(
            "MSH|^~\\&|LAB|HOSP|||20260301||ORU^R01|{id}|P|2.5.1|||{commit}|{application}\rPID|1\r"
        )
    };
    let text = [ask(1, "AL", "AL"), ask(2, "NE", "NE"), ask(3, "AL", "NE")].concat();
    let address = server(|frame| {
        let id = id_of(frame);
        Some(match id.as_str() {
            "1" => [ack("CA", &id), ack("AA", &id)].concat(),
            "2" => Vec::new(),
            _ => ack("CA", &id),
        })
    })
    .await;
    let sum = send(plan(&address), frames(Bytes::from(text), false), 1).await;
    assert!(sum.all_accepted(), "{sum}");
    assert_eq!(
        (sum.sent, sum.accepted(), sum.unasked, sum.unexpected),
        (3, 2, 1, 0)
    );
}

#[tokio::test]
async fn a_batch_sent_whole_gets_one_answer_a_message() {
    let text = format!("BHS|^~\\&|LAB\r{}{}BTS|2\r", message(1), message(2));
    let address = server(|_| {
        Some(b"\x0bBHS|^~\\&\rMSH|^~\\&\rMSA|AA|1\rMSH|^~\\&\rMSA|AE|2\rBTS|2\r\x1c\r".to_vec())
    })
    .await;
    let sum = send(plan(&address), frames(Bytes::from(text), true), 1).await;
    assert_eq!((sum.sent, sum.accepted(), sum.refused()), (2, 1, 1));
}

#[test]
fn rates_as_people_write_them() {
    assert_eq!(interval("100/s"), Ok(Duration::from_millis(10)));
    assert_eq!(interval("100"), Ok(Duration::from_millis(10)));
    assert_eq!(interval("30/min"), Ok(Duration::from_secs(2)));
    for wrong in ["0", "-1/s", "x", "5/week", "", "inf"] {
        assert!(interval(wrong).is_err(), "{wrong}");
    }
}

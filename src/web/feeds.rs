//! `/api/v1/feeds`: each sending system, its rhythm, its clock, its framing, and how long it waits.

use super::problem::Problem;
use super::{Seen, json};
use crate::clock;
use crate::core::feed::{LocalHour, Moment, SLOTS, judge, local_seconds};
use crate::core::fold::views::{self, Feed};
use crate::core::policy::Policy;
use crate::telemetry::peers::Peer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    /// There is one page.
    next: Option<String>,
}

/// A feed; without a name where somebody connects and no message of his could be read.
#[derive(Serialize)]
pub(super) struct Item {
    pub(super) listener: String,
    /// `MSH-3/MSH-4`.
    pub(super) feed: Option<String>,
    /// Address of the last sender.
    pub(super) peer: String,
    pub(super) messages: u64,
    pub(super) first_message_at: Option<String>,
    pub(super) last_message_at: Option<String>,
    pub(super) silence: Option<SilenceView>,
    pub(super) clock: Option<ClockView>,
    pub(super) rhythm: Option<RhythmView>,
    pub(super) connection: Option<ConnectionView>,
    /// What somebody should look at, in words.
    pub(super) warnings: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct SilenceView {
    pub(super) seconds: i64,
    /// Messages that usually come in such a time.
    pub(super) expected: f64,
    pub(super) beyond_rhythm: bool,
}

#[derive(Serialize)]
pub(super) struct ClockView {
    /// MSH-7 of the last message less its receipt.
    pub(super) skew_seconds: Option<f64>,
    /// By how much the sender's clock is wrong, where all of its last messages say so.
    pub(super) off_seconds: Option<i32>,
}

#[derive(Serialize)]
pub(super) struct RhythmView {
    pub(super) timezone: String,
    /// Usual messages in each hour of the week from Monday 00:00; null while too little is known.
    pub(super) per_hour: Vec<Option<u32>>,
}

/// Since the daemon started, of all feeds from this address.
#[derive(Serialize)]
pub(super) struct ConnectionView {
    pub(super) since: String,
    pub(super) answers: u64,
    pub(super) ack_mean_seconds: Option<f64>,
    pub(super) ack_longest_seconds: Option<f64>,
    /// How often its framing was not as the standard has it, by WIRE's names.
    pub(super) lenient_framing: BTreeMap<&'static str, u64>,
}

/// `GET /api/v1/feeds`: `{"items": [{"listener", "feed", "peer", …}], "next": null}`.
pub(super) async fn list(State(seen): State<Seen>) -> Result<Response, Problem> {
    let items = items(&seen).await?;
    let page = Page { items, next: None };
    let body = serde_json::to_vec(&page).unwrap_or_default();
    Ok(json(StatusCode::OK, body))
}

/// All feeds.
pub(super) async fn items(seen: &Seen) -> Result<Vec<Item>, Problem> {
    let feeds = seen.state.read_apart(views::feeds).await?;
    let policy = Arc::clone(&seen.policy.borrow());
    let mut peers = BTreeMap::new();
    for ((listener, address), peer) in seen.peers.list() {
        peers.insert((listener, address.to_string()), peer);
    }
    let mut named = BTreeSet::new();
    let mut items: Vec<Item> = feeds
        .iter()
        .map(|feed| {
            let address = canonical(&feed.mark.peer);
            let at = (feed.listener.clone(), address);
            let peer = peers.get(&at);
            let item = item(feed, peer, &policy, seen);
            named.insert(at);
            item
        })
        .collect();
    for (at, peer) in &peers {
        if !named.contains(at) {
            items.push(nameless(at, peer, seen));
        }
    }
    Ok(items)
}

fn canonical(address: &str) -> String {
    let parsed: Option<IpAddr> = address.parse().ok();
    parsed.map_or_else(|| address.to_owned(), |ip| ip.to_canonical().to_string())
}

fn item(feed: &Feed, peer: Option<&Peer>, policy: &Policy, seen: &Seen) -> Item {
    let mark = &feed.mark;
    let moment = Moment {
        now: clock::now(),
        listening_since: seen.listening_since,
    };
    let zone = &policy.site.zone;
    let silence = judge(mark, &feed.rhythm, zone, moment);
    let mut warnings = Vec::new();
    if silence.beyond {
        warnings.push(format!(
            "silent beyond its rhythm: {:.0} messages usually come in such a time",
            silence.expected
        ));
    }
    if let Some(off) = mark.clock_off() {
        let way = if off > 0 { "ahead" } else { "behind" };
        warnings.push(format!(
            "its clock is {} s {way} of ours",
            off.saturating_abs()
        ));
    }
    warnings.extend(peer.map(framing_warnings).unwrap_or_default());
    Item {
        listener: feed.listener.clone(),
        feed: Some(feed.name.clone()),
        peer: mark.peer.clone(),
        messages: mark.messages,
        first_message_at: Some(mark.first.to_rfc3339()),
        last_message_at: Some(mark.last.to_rfc3339()),
        silence: Some(SilenceView {
            seconds: silence.seconds,
            expected: (silence.expected * 10.0).round() / 10.0,
            beyond_rhythm: silence.beyond,
        }),
        clock: Some(ClockView {
            skew_seconds: mark.skew_micros.map(|micros| micros as f64 / 1e6),
            off_seconds: mark.clock_off(),
        }),
        rhythm: Some(RhythmView {
            timezone: policy.site.timezone.clone(),
            per_hour: week(feed, local_seconds(moment.now, zone)),
        }),
        connection: peer.map(|peer| connection(peer, seen)),
        warnings,
    }
}

/// The week that ends now, in the order of its hours.
fn week(feed: &Feed, now: i64) -> Vec<Option<u32>> {
    let mut hours = vec![None; usize::from(SLOTS)];
    for back in 0..i64::from(SLOTS) {
        let hour = LocalHour::of(now - back * 3_600);
        if let Some(place) = hours.get_mut(usize::from(hour.slot())) {
            *place = feed.rhythm.usual(hour);
        }
    }
    hours
}

fn nameless((listener, address): &(String, String), peer: &Peer, seen: &Seen) -> Item {
    let mut warnings = framing_warnings(peer);
    if warnings.is_empty() {
        warnings.push("it has sent nothing that has a readable header".to_owned());
    }
    Item {
        listener: listener.clone(),
        feed: None,
        peer: address.clone(),
        messages: 0,
        first_message_at: None,
        last_message_at: None,
        silence: None,
        clock: None,
        rhythm: None,
        connection: Some(connection(peer, seen)),
        warnings,
    }
}

fn connection(peer: &Peer, seen: &Seen) -> ConnectionView {
    ConnectionView {
        since: seen.listening_since.to_rfc3339(),
        answers: peer.answers,
        ack_mean_seconds: peer.mean_answer_seconds(),
        ack_longest_seconds: (peer.answers > 0).then_some(peer.answer_seconds.1),
        lenient_framing: peer.framing.clone(),
    }
}

/// What its framing says of a sender, in words (WIRE F-12, F-44).
fn framing_warnings(peer: &Peer) -> Vec<String> {
    let said = |name: &str| match name {
        "unframed_msh" => "the sender does not frame: messages without a start block are not taken",
        "fs_without_cr" => "frames end without a carriage return",
        "fs_lf" => "frames end with a line feed instead of a carriage return",
        "fs_in_body" | "vt_in_body" => "frame characters stand inside messages",
        "resync" => "frames are broken off by the begin of another",
        "junk_bytes" => "bytes come between the frames",
        "junk_closed" => "so many bytes came between frames that the connection was closed",
        "mllp2_block_on_mllp1" => "the sender speaks MLLP release 2",
        _ => "its framing is not as the standard has it",
    };
    let counts = peer.framing.iter();
    counts
        .map(|(name, times)| format!("{} ({name}: {times})", said(name)))
        .collect()
}

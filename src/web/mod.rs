//! HTTP: `/healthz`, `/readyz`, `/metrics`, and feeds, patients and notices under `/api/v1/`.
//!
//! Patients' data is in answers only. No request is logged: paths hold identifiers.

mod access;
mod alerts;
mod audit;
mod cluster;
mod door;
mod facts;
mod feeds;
mod guard;
mod links;
mod messages;
mod notices;
mod openapi;
mod pages;
mod patients;
mod problem;
mod query;
mod queue;
mod reassess;
mod replay;
mod serve;
mod statics;
mod stream;
mod undecided;
mod worklist;

pub use access::{Access, Rules};
pub use audit::Auditor;
pub use messages::read_search;
pub use pages::clinical::STEPS;
pub use undecided::Undecided;

use crate::clock;
use crate::cluster::Outlook;
use crate::core::fact::JournalPosition;
use crate::core::fold::state::State as Folded;
use crate::core::fold::views;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use crate::deliver::{Handle, Signer};
use crate::engine::{Progress, StateHandle};
use crate::index::Index;
use crate::journal::{Appender, Status, Storing};
use crate::notice::{Notice, NoticeKind, Notices};
use crate::telemetry::events;
use crate::telemetry::peers::Peers;
use crate::tls::Server;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use metrics_exporter_prometheus::PrometheusHandle;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Facts not yet folded above which the fold is behind: some seconds of its work.
pub const BEHIND: u64 = 100_000;

/// Bytes of a request's body at most.
const LARGEST_BODY: usize = 64 * 1024;

/// What the pages look at.
#[derive(Clone)]
pub struct Seen {
    /// The journal's standing.
    pub status: watch::Receiver<Status>,
    /// The fold's.
    pub progress: watch::Receiver<Progress>,
    /// The state, for what is counted when it is asked for.
    pub state: StateHandle,
    /// How many patients were undecided.
    pub undecided: Arc<Undecided>,
    /// The sinks, whose queues are counted when they are asked for.
    pub sinks: watch::Receiver<Vec<Handle>>,
    /// Checks signed links.
    pub signer: Option<Signer>,
    /// One acknowledgement by link at a time.
    pub turn: Arc<tokio::sync::Mutex<()>>,
    /// The policy in force.
    pub policy: watch::Receiver<Arc<Policy>>,
    /// The door to the journal, for what people do.
    pub appender: Appender,
    /// What an operator must act on.
    pub notices: Notices,
    /// What is seen of each sender.
    pub peers: Arc<Peers>,
    /// When this run began.
    pub listening_since: Timestamp,
    /// Some relay lets its feed pass whatever happens here (WIRE P-7).
    pub open_relay: bool,
    /// All listeners are bound.
    pub bound: Arc<AtomicBool>,
    /// The recorder.
    pub metrics: PrometheusHandle,
    /// Who may ask.
    pub access: Arc<Access>,
    /// Where every look at a patient is recorded.
    pub auditor: Auditor,
    /// Changes with every fact that a person made: what lists show may be other than before.
    pub acts: watch::Receiver<u64>,
    /// Counts them.
    pub acted: watch::Sender<u64>,
    /// Streams that may be open at once.
    pub streams: Arc<Semaphore>,
    /// The index of messages; `None` where it cannot be kept.
    pub index: Option<Index>,
    /// What was last heard of the other instances; `None` where facts are in a journal of this one's own.
    pub cluster: Option<Outlook>,
    /// Suggested next steps that are shown, by their words (CLINICAL 7.6).
    pub next_steps: Arc<[String]>,
    /// The daemon ends: what stays open ends too.
    pub stop: CancellationToken,
}

/// Streams of events that may be open at once.
pub const STREAMS: usize = stream::MOST;

/// A bound HTTP port.
pub struct Bound {
    socket: TcpListener,
    seen: Seen,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Seen {
    /// Whether the daemon is ready, as `/readyz` says it: 200 or 503, and why.
    pub fn readiness(&self) -> (StatusCode, String) {
        readiness(
            self.bound.load(Ordering::Acquire),
            &self.status.borrow(),
            &self.progress.borrow(),
            &self.notices.list(),
        )
    }
}

/// Binds the HTTP port, or takes the socket that was bound for it before the daemon started.
pub async fn bind(
    at: SocketAddr,
    handed: Option<std::net::TcpListener>,
    seen: Seen,
) -> io::Result<Bound> {
    let socket = match handed {
        Some(socket) => {
            let local = socket.local_addr()?;
            if !seen.access.rules().has_users() && !local.ip().to_canonical().is_loopback() {
                let why = format!(
                    "the pages show patients, and without users only loopback may serve them, not the socket {local} that was handed over"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket)?
        }
        None => TcpListener::bind(at).await?,
    };
    let address = socket.local_addr()?;
    Ok(Bound {
        socket,
        seen,
        address,
    })
}

impl Bound {
    /// Serves until the daemon ends.
    pub async fn serve(self, tls: Option<Arc<Server>>, stop: CancellationToken) -> io::Result<()> {
        let door = serve::Door::open(self.socket, self.address, tls);
        let service = routes(self.seen).into_make_service_with_connect_info::<serve::Client>();
        axum::serve(door, service)
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .await
    }
}

/// All routes, each of which stands in [`door::ROUTES`] too.
fn routes(seen: Seen) -> Router {
    let api = Router::new()
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/cluster", get(cluster::show))
        .route("/api/v1/feeds", get(feeds::list))
        .route("/api/v1/notices", get(notices::list))
        .route("/api/v1/alerts", get(alerts::list))
        .route("/api/v1/alerts/{id}", get(alerts::show))
        .route("/api/v1/alerts/{id}/ack", post(alerts::acknowledge))
        .route("/api/v1/mutes", get(alerts::mutes).post(alerts::mute))
        .route("/api/v1/mutes/{id}/lift", post(alerts::lift))
        .route("/api/v1/queue", get(queue::list))
        .route("/api/v1/queue/{sink}", get(queue::show))
        .route("/api/v1/queue/{sink}/dead", get(queue::dead))
        .route("/api/v1/queue/{sink}/requeue", post(queue::requeue))
        .route("/api/v1/queue/{sink}/replay", post(queue::replay))
        .route("/api/v1/queue/{sink}/test", post(queue::test))
        .route("/api/v1/openapi.json", get(openapi::show))
        .route("/api/v1/messages", get(messages::list))
        .route("/api/v1/messages/{position}", get(messages::show))
        .route("/api/v1/messages/{position}/raw", get(messages::raw))
        .route("/api/v1/messages/{position}/again", post(messages::again))
        .route("/api/v1/quarantine", get(messages::quarantine))
        .route(
            "/api/v1/reassess",
            get(reassess::preview).post(reassess::act),
        )
        .route(
            "/api/v1/replay",
            post(replay::take).layer(DefaultBodyLimit::max(replay::LARGEST_BODY)),
        )
        .route("/api/v1/quarantine/{id}/retry", post(messages::again))
        .route("/api/v1/review", get(worklist::api_review))
        .route("/api/v1/stream", get(stream::stream))
        .route("/api/v1/worklist", get(worklist::api))
        .route("/api/v1/patients/{key}", get(patients::show))
        .route("/api/v1/patients/{key}/unmerge", post(patients::unmerge));
    let pages = Router::new()
        .route("/", get(pages::worklist::show))
        .route("/alerts/{id}", get(pages::alert::show))
        .route("/alerts/{id}/ack", post(pages::alert::acknowledge))
        .route("/alerts/{id}/mute", post(pages::alert::mute))
        .route("/alerts/{id}/lift", post(pages::alert::lift))
        .route("/patients/{key}", get(pages::patient::show))
        .route("/patients/{key}/note", post(pages::patient::note))
        .route("/messages", get(pages::messages::list))
        .route("/messages/{position}", get(pages::messages::show))
        .route("/messages/{position}/again", post(pages::messages::again))
        .route("/feeds", get(pages::operating::feeds))
        .route("/queue", get(pages::operating::queue))
        .route("/queue/{sink}/requeue", post(pages::operating::requeue))
        .route("/cluster", get(pages::cluster::show))
        .route("/quarantine", get(pages::quarantine::show))
        .route("/quarantine/retry", post(pages::quarantine::retry))
        .route("/audit", get(pages::operating::audit))
        .route("/static/{file}", get(statics::show))
        .route(
            "/sign-in",
            get(pages::sign_in::show).post(pages::sign_in::enter),
        )
        .route("/sign-out", post(pages::sign_in::leave));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .route("/ack/{token}", get(links::show).post(links::acknowledge))
        .merge(api)
        .merge(pages)
        .fallback(door::nowhere)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(seen.clone(), door::door))
        .with_state(seen)
}

/// An answer of JSON.
fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body).into_response()
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(State(seen): State<Seen>) -> Response {
    let failing = matches!(seen.status.borrow().storing, Storing::Failing { .. });
    let notices = seen.notices.list();
    let (code, mut text) = seen.readiness();
    if failing && seen.open_relay {
        text.insert_str(0, "degraded, relays go on: ");
    }
    for notice in &notices {
        text.push_str(&format!(
            "notice {} since {}: {}\n",
            notice.kind.word(),
            notice.since.to_rfc3339(),
            notice.text
        ));
    }
    (code, text).into_response()
}

/// Ready = listeners bound, journal writable, fold not behind (WIRE 12.14).
fn readiness(
    bound: bool,
    status: &Status,
    progress: &Progress,
    notices: &[Notice],
) -> (StatusCode, String) {
    let not = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why);
    let stands = |kind| notices.iter().any(|notice| notice.kind == kind);
    if !bound {
        return not("starting: listeners are not bound yet\n".to_owned());
    }
    if let Storing::Failing { why, .. } = status.storing {
        return not(format!("cannot store: {why}\n"));
    }
    if matches!(status.storing, Storing::Aside { .. }) {
        return (
            StatusCode::OK,
            "ready, and messages are kept here until JetStream answers\n".to_owned(),
        );
    }
    if stands(NoticeKind::DiskFailing) {
        return not("cannot store: the disk does not answer\n".to_owned());
    }
    let lag = status.synced.0.saturating_sub(progress.folded.0);
    if !progress.current || lag > BEHIND || stands(NoticeKind::FoldBehind) {
        return not(format!(
            "folding, {} %\n",
            percent(progress.folded, status.synced)
        ));
    }
    (StatusCode::OK, "ready\n".to_owned())
}

fn percent(folded: JournalPosition, synced: JournalPosition) -> u64 {
    folded
        .0
        .saturating_mul(100)
        .checked_div(synced.0)
        .unwrap_or(100)
        .min(100)
}

async fn metrics_page(State(seen): State<Seen>) -> Response {
    // The fold first: a message that is acknowledged but not folded must show as lag.
    let folded = seen.progress.borrow().folded;
    events::fold_lag(seen.status.borrow().synced.0.saturating_sub(folded.0));
    // What the state cannot say now is left out; the doubt about it is the fold's.
    let sinks = seen.sinks.borrow().clone();
    let undecided = Arc::clone(&seen.undecided);
    let counted = move |state: &dyn Folded| {
        events::undecided(undecided.count(state)?);
        for Handle { name: sink, .. } in &sinks {
            let (depth, oldest) = views::queue_depth(state, sink)?;
            let waiting = oldest.map_or(0, |at| clock::now().since(at).as_micros().max(0));
            events::queue(sink, depth, waiting as f64 / 1e6);
        }
        Ok(())
    };
    let _ = seen.state.read_apart(counted).await;
    for ((listener, address), peer) in seen.peers.list() {
        let lenient = peer.framing.values().sum();
        let mean = peer.mean_answer_seconds();
        events::peer_seen(&listener, &address.to_string(), lenient, mean);
    }
    seen.metrics.run_upkeep();
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        seen.metrics.render(),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_bound_writable_and_folded() {
        let status = |synced| Status {
            synced: JournalPosition(synced),
            storing: Storing::Good,
        };
        let progress = |folded, current| Progress {
            folded: JournalPosition(folded),
            current,
        };
        let said = |bound, status: Status, progress| {
            let (code, text) = readiness(bound, &status, &progress, &[]);
            (code.as_u16(), text.trim_end().to_owned())
        };
        assert_eq!(said(true, status(9), progress(7, true)).0, 200);
        assert_eq!(said(false, status(9), progress(9, true)).0, 503);
        let folding = said(true, status(200), progress(100, false));
        assert_eq!(folding, (503, "folding, 50 %".to_owned()));
        let behind = said(true, status(400_000), progress(300_000 - 1, true));
        assert_eq!(behind, (503, "folding, 74 %".to_owned()));
        let failing = Status {
            storing: Storing::Failing {
                since: clock::monotonic(),
                why: "disk_full",
            },
            ..status(9)
        };
        let failing = said(true, failing, progress(9, true));
        assert_eq!(failing, (503, "cannot store: disk_full".to_owned()));
    }
    #[test]
    fn a_disk_or_a_fold_that_stands_still_is_not_ready() {
        let status = Status {
            synced: JournalPosition(9),
            storing: Storing::Good,
        };
        let progress = Progress {
            folded: JournalPosition(8),
            current: true,
        };
        for (kind, expected) in [
            (NoticeKind::DiskFailing, 503),
            (NoticeKind::FoldBehind, 503),
            (NoticeKind::DiskLow, 200),
            (NoticeKind::JournalDamaged, 200),
            (NoticeKind::CheckpointDamaged, 200),
        ] {
            let notices = Notices::new();
            notices.raise(kind, "why");
            let (code, _) = readiness(true, &status, &progress, &notices.list());
            assert_eq!(code.as_u16(), expected, "{}", kind.word());
        }
    }
}

//! `/cluster`: who decides, who stands by, and how the stream is that they share.

use super::frame::Frame;
use super::operating::seconds;
use super::page;
use crate::cluster::{Last, Outlook, Overview};
use crate::web::Seen;
use crate::web::access::Asking;
use crate::web::door::NO_ROUTE;
use crate::web::problem::Problem;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

struct Row {
    name: String,
    is_ours: bool,
    does: &'static str,
    tag: &'static str,
    behind: u64,
    version: String,
    heard: String,
}

struct Stream {
    name: String,
    first: u64,
    last: u64,
    replicas: usize,
    leader: Option<String>,
    /// Servers that lag or are away.
    behind: Vec<String>,
    holder: Option<String>,
    epoch: u64,
    age: String,
    asked: String,
    rows: Vec<Row>,
}

struct Own {
    name: String,
    does: &'static str,
    tag: &'static str,
    /// Who decides, as far as it knows, and in which epoch: 0 where it knows of none.
    holder: Option<String>,
    epoch: u64,
}

#[derive(Template)]
#[template(path = "cluster.html")]
struct Cluster {
    frame: Frame,
    own: Own,
    trouble: Option<String>,
    stream: Option<Stream>,
}

/// `GET /cluster`. Waits for nobody: what JetStream said last is shown, with how old it is.
pub(in crate::web) async fn show(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
) -> Result<Response, Problem> {
    let outlook = seen.cluster.as_ref().ok_or(NO_ROUTE)?;
    let frame = Frame::new(&seen, Some(&asking), "Cluster", "/cluster").with_notices(&seen);
    let heard = outlook.heard();
    let stream = heard.last.as_deref();
    let stream = stream.map(|last| shown(last, outlook.name(), &frame));
    Ok(page(&Cluster {
        own: own(outlook),
        trouble: heard.trouble,
        stream,
        frame,
    }))
}

fn own(outlook: &Outlook) -> Own {
    let standing = outlook.standing();
    let does = match (standing.drained, standing.is_ours) {
        (true, _) => "drained",
        (_, true) => "decides",
        _ => "stands by",
    };
    Own {
        name: outlook.name().to_owned(),
        does,
        tag: tag(does),
        holder: standing.holder,
        epoch: standing.epoch,
    }
}

/// How what an instance does is marked.
fn tag(does: &str) -> &'static str {
    match does {
        "decides" => "good",
        "drained" => "prompt",
        "silent" => "bad",
        _ => "",
    }
}

fn shown(last: &Last, own: &str, frame: &Frame) -> Stream {
    let found: &Overview = &last.overview;
    let rows = found.instances.iter().map(|one| {
        let does = found.does(one);
        Row {
            name: one.name.clone(),
            is_ours: one.name == own,
            does,
            tag: tag(does),
            behind: found.behind_by(one),
            version: one.version.clone(),
            heard: frame.to_the_second(&one.at.to_rfc3339()),
        }
    });
    Stream {
        name: found.stream.clone(),
        first: found.first,
        last: found.last,
        replicas: found.replicas,
        leader: found.leader.clone(),
        behind: found.behind.clone(),
        holder: found.holder.clone(),
        epoch: found.epoch,
        age: seconds(i64::try_from(last.age().as_secs()).unwrap_or(i64::MAX)),
        asked: frame.to_the_second(&last.at.to_rfc3339()),
        rows: rows.collect(),
    }
}

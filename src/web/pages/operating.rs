//! `/feeds`, `/queue`, `/audit`: what an operator looks at.

use super::clinical::spaced;
use super::frame::Frame;
use super::patient::NO_FORM;
use super::{page, part};
use crate::core::fold::state::State as Folded;
use crate::core::fold::views;
use crate::users::Role;
use crate::web::Seen;
use crate::web::access::Asking;
use crate::web::audit::{Asked, entries};
use crate::web::door::check_form;
use crate::web::feeds;
use crate::web::problem::Problem;
use crate::web::query;
use crate::web::queue::row;
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;
use serde_json::Value;

struct FeedRow {
    name: String,
    listener: String,
    peer: String,
    messages: u64,
    last: String,
    silence: String,
    silent: bool,
    clock: String,
    answers: String,
    warnings: Vec<String>,
    href: String,
    /// Height of each hour of a day, 0 to 20, with what it stands for.
    bars: Vec<(usize, u32, String)>,
}

#[derive(Template)]
#[template(path = "feeds.html")]
struct Feeds {
    frame: Frame,
    rows: Vec<FeedRow>,
}

/// `GET /feeds`.
pub(in crate::web) async fn feeds(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
) -> Result<Response, Problem> {
    let frame = Frame::new(&seen, Some(&asking), "Feeds", "/feeds").with_notices(&seen);
    let items = feeds::items(&seen).await?;
    let rows = items
        .into_iter()
        .map(|item| feed_row(item, &frame))
        .collect();
    Ok(page(&Feeds { frame, rows }))
}

/// A length of time in one unit.
pub(super) fn seconds(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn feed_row(item: feeds::Item, frame: &Frame) -> FeedRow {
    let name = item.feed.clone();
    let silence = item.silence.as_ref();
    let answers = item.connection.as_ref().and_then(|connection| {
        let mean = connection.ack_mean_seconds?;
        Some(format!(
            "{:.1} ms on average, {:.1} ms at most",
            mean * 1e3,
            connection.ack_longest_seconds.unwrap_or_default() * 1e3
        ))
    });
    let week = item
        .rhythm
        .map(|rhythm| rhythm.per_hour)
        .unwrap_or_default();
    FeedRow {
        href: name.as_deref().map_or_else(
            || "/messages".to_owned(),
            |name| format!("/messages?feed={}", part(name)),
        ),
        name: name.unwrap_or_else(|| "no readable header".to_owned()),
        listener: item.listener,
        peer: item.peer,
        messages: item.messages,
        last: item
            .last_message_at
            .as_deref()
            .map_or_else(|| "never".to_owned(), |at| frame.to_the_second(at)),
        silence: silence.map_or_else(|| "–".to_owned(), |one| seconds(one.seconds)),
        silent: silence.is_some_and(|one| one.beyond_rhythm),
        clock: match item
            .clock
            .as_ref()
            .map(|clock| (clock.off_seconds, clock.skew_seconds))
        {
            Some((Some(off), _)) => format!("{off} s wrong"),
            Some((None, Some(_))) => "right".to_owned(),
            _ => "not known".to_owned(),
        },
        answers: answers.unwrap_or_else(|| "–".to_owned()),
        warnings: item.warnings,
        bars: bars(&week),
    }
}

/// The usual day of a week, hour by hour, as heights.
fn bars(week: &[Option<u32>]) -> Vec<(usize, u32, String)> {
    let mut day = [(0_u32, 0_u32); 24];
    for (slot, usual) in week.iter().enumerate() {
        if let (Some((sum, count)), Some(usual)) = (day.get_mut(slot % 24), usual) {
            *sum = sum.saturating_add(*usual);
            *count = count.saturating_add(1);
        }
    }
    let means: Vec<Option<u32>> = day
        .iter()
        .map(|(sum, count)| sum.checked_div(*count))
        .collect();
    let most = means.iter().flatten().max().copied().unwrap_or_default();
    if most == 0 {
        return Vec::new();
    }
    means
        .into_iter()
        .enumerate()
        .map(|(hour, mean)| {
            let mean = mean.unwrap_or_default();
            let height = mean
                .saturating_mul(20)
                .checked_div(most)
                .unwrap_or_default();
            (hour, height, format!("{hour}:00 usually {mean}"))
        })
        .collect()
}

struct SinkRow {
    name: String,
    kind: String,
    waiting: String,
    oldest: String,
    dead: String,
    last: String,
    failing: Option<String>,
    /// The next that wait, and those refused for good.
    next: Vec<(String, String)>,
    refused: Vec<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct Queue {
    frame: Frame,
    rows: Vec<SinkRow>,
    may_mend: bool,
}

/// Rows of a queue that are shown.
const WAITING: usize = 10;

/// `GET /queue`.
pub(in crate::web) async fn queue(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
) -> Result<Response, Problem> {
    let frame = Frame::new(&seen, Some(&asking), "Queue", "/queue").with_notices(&seen);
    let handles = seen.sinks.borrow().clone();
    let read = move |state: &dyn Folded| {
        let mut found = Vec::new();
        for handle in &handles {
            let about = row(state, handle)?;
            let next = views::queued(state, &handle.name, 0, WAITING)?;
            let dead = views::dead(state, &handle.name, 0, WAITING)?;
            found.push((handle.name.clone(), about, next, dead));
        }
        Ok(found)
    };
    let found = seen.state.read_apart(read).await?;
    let text = |value: &Value| match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => frame.to_the_second(text),
        other => other.to_string(),
    };
    let rows = found.into_iter().map(|(name, about, next, dead)| SinkRow {
        name,
        kind: text(&about["kind"]),
        waiting: text(&about["waiting"]),
        oldest: text(&about["oldest"]),
        dead: text(&about["dead"]),
        last: text(&about["last_delivered"]),
        failing: about["last_error"]
            .as_str()
            .map(|error| format!("{error} (failing since {})", text(&about["failing_since"]))),
        next: next
            .into_iter()
            .map(|one| {
                let kind = crate::core::alert::kind_word(one.transition.kind);
                let at = frame.to_the_second(&one.transition.at.to_rfc3339());
                (one.transition.alert_id.0, format!("{}, {at}", spaced(kind)))
            })
            .collect(),
        refused: dead
            .iter()
            .map(|one| {
                let row = crate::core::worklist::dead(one);
                let id = one.0.transition.alert_id.0.clone();
                (
                    id,
                    text(&row["dead_at"]),
                    row["reason"].as_str().unwrap_or_default().to_owned(),
                )
            })
            .collect(),
    });
    let rows = rows.collect();
    let may_mend = asking.who.may(Role::Operator);
    Ok(page(&Queue {
        frame,
        rows,
        may_mend,
    }))
}

#[derive(Deserialize)]
pub(in crate::web) struct RequeueForm {
    csrf: String,
}

/// `POST /queue/{sink}/requeue`: all dead letters of a sink once more.
pub(in crate::web) async fn requeue(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(name): Path<String>,
    form: Result<Form<RequeueForm>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|_| NO_FORM)?;
    check_form(&seen, &asking, &form.csrf)?;
    crate::web::queue::requeue_all(&seen, &asking, &name).await?;
    Ok(Redirect::to("/queue").into_response())
}

struct AuditRow {
    number: u64,
    at: String,
    by: String,
    from: String,
    act: String,
    subject: String,
    hash: String,
    broken: bool,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    frame: Frame,
    rows: Vec<AuditRow>,
    by: String,
    act: String,
    subject: String,
    next: Option<String>,
    breaks: u64,
}

const ENTRIES: usize = 100;

/// `GET /audit`.
pub(in crate::web) async fn audit(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    RawQuery(asked): RawQuery,
) -> Result<Response, Problem> {
    let asked = query::read(
        asked.as_deref().unwrap_or_default(),
        &["by", "act", "subject"],
    )?;
    let text = |name| asked.text(name).unwrap_or_default().trim().to_owned();
    let (by, act, subject) = (text("by"), text("act"), text("subject"));
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let wanted = Asked {
        by: given(&by),
        act: given(&act),
        subject: given(&subject),
    };
    let cursor = asked.paging()?.cursor;
    let (found, next, breaks) = entries(&seen, wanted, cursor, ENTRIES).await?;
    let frame = Frame::new(&seen, Some(&asking), "Audit", "/audit");
    let next = next.map(|next| {
        let (by, act, subject) = (part(&by), part(&act), part(&subject));
        format!("/audit?by={by}&act={act}&subject={subject}&cursor={next}")
    });
    let rows = found.into_iter().map(|entry| {
        let hash: String = entry.audited.hash().chars().take(12).collect();
        AuditRow {
            number: entry.audited.number,
            at: frame.to_the_second(&entry.audited.at.to_rfc3339()),
            by: entry.audited.by,
            from: entry.audited.from,
            act: spaced(&entry.audited.act),
            subject: entry.audited.subject.into_exposed(),
            hash,
            broken: entry.broken,
        }
    });
    let rows = rows.collect();
    Ok(page(&Audit {
        frame,
        rows,
        by,
        act,
        subject,
        next,
        breaks,
    }))
}

//! `/feeds`, `/queue`, `/quarantine`, `/audit`: what an operator looks at.

use super::clinical::spaced;
use super::frame::{Frame, sentence};
use super::patient::NO_FORM;
use super::{page, part};
use crate::core::extract::Extraction;
use crate::core::fact::Reason;
use crate::core::fold::state::State as Folded;
use crate::core::fold::values::QuarantineEntry;
use crate::core::fold::views::{self, QuarantineFilter};
use crate::core::message;
use crate::users::Role;
use crate::web::Seen;
use crate::web::access::Asking;
use crate::web::audit::{Asked, entries};
use crate::web::door::check_form;
use crate::web::feeds;
use crate::web::messages::{Kept, kept, once_more};
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
use std::collections::BTreeMap;

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

fn seconds(seconds: i64) -> String {
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

struct Group {
    reason: String,
    word: &'static str,
    feed: String,
    listener: String,
    count: usize,
    last: String,
    place: String,
    remedy: String,
    snippet: Option<String>,
    messages: Vec<(u64, String)>,
    more: usize,
    newest: QuarantineEntry,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct Quarantine {
    frame: Frame,
    groups: Vec<Group>,
    looked_at: usize,
    cut: bool,
    may_mend: bool,
}

/// Entries that are grouped, and messages of a group that are linked.
const GROUPED: usize = 2_000;
const LINKED: usize = 8;
/// Messages of a group that one press reads again.
const RETRIED: usize = 200;

/// `GET /quarantine`: by reason and feed.
pub(in crate::web) async fn quarantine(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
) -> Result<Response, Problem> {
    seen.auditor.note(&asking, "view_quarantine", "").await?;
    let frame = Frame::new(&seen, Some(&asking), "Quarantine", "/quarantine");
    let read = |state: &dyn Folded| {
        views::quarantine_newest_first(state, &QuarantineFilter::default(), None, GROUPED)
    };
    let found = seen.state.read_apart(read).await?;
    let looked_at = found.len();
    let mut groups: BTreeMap<(Reason, String, String), Group> = BTreeMap::new();
    for entry in found {
        let refusal = &entry.refusal;
        let key = (refusal.reason, entry.feed.clone(), entry.listener.clone());
        let group = groups.entry(key).or_insert_with(|| Group {
            reason: sentence(&spaced(refusal.reason.word())),
            word: refusal.reason.word(),
            feed: entry.feed.clone(),
            listener: entry.listener.clone(),
            count: 0,
            last: frame.to_the_second(&entry.received_at.to_rfc3339()),
            place: refusal.place.to_string(),
            remedy: refusal.remedy.clone(),
            snippet: None,
            messages: Vec::new(),
            more: 0,
            newest: entry.clone(),
        });
        group.count = group.count.saturating_add(1);
        let is_new = group
            .messages
            .last()
            .is_none_or(|(at, _)| *at != entry.position.0);
        if is_new && group.messages.len() < LINKED {
            let id = if entry.control_id.is_empty() {
                format!("at {}", entry.position.0)
            } else {
                entry.control_id.clone()
            };
            group.messages.push((entry.position.0, id));
        } else if is_new {
            group.more = group.more.saturating_add(1);
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    for group in &mut groups {
        group.snippet = snippet(&seen, &group.newest).await;
    }
    let may_mend = asking.who.may(Role::Operator);
    Ok(page(&Quarantine {
        frame,
        groups,
        looked_at,
        cut: looked_at >= GROUPED,
        may_mend,
    }))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Lines for the configuration that would mend the newest of a group.
async fn snippet(seen: &Seen, entry: &QuarantineEntry) -> Option<String> {
    let listener = quoted(&entry.listener);
    let of_listener = |lines: &str| {
        Some(format!(
            "# in the table of this listener\n[[listener]]\nname = {listener}\n{lines}\n"
        ))
    };
    match entry.refusal.reason {
        Reason::AmbiguousNumber => {
            of_listener("decimal = \",\"  # or \".\": whichever this sender means")
        }
        Reason::TooLarge => of_listener("max_message = \"64 MiB\""),
        Reason::CharsetDamage => {
            of_listener("charset = \"windows-1252\"  # the set that this sender really sends")
        }
        Reason::NoPatientId => Some(
            "[site]\n# which identifier is the patient's, best first; an empty part is any\n\
             patient_id = [{ authority = \"\", type = \"MR\" }]\n"
                .to_owned(),
        ),
        Reason::NoUnit | Reason::UnknownUnit | Reason::CodeTextMismatch | Reason::CodeConflict => {
            of_code(seen, entry).await
        }
        _ => None,
    }
}

/// A row for the code of the result that was refused.
async fn of_code(seen: &Seen, entry: &QuarantineEntry) -> Option<String> {
    let (_, Kept::Message(received)) = kept(seen, entry.position.0).await.ok()? else {
        return None;
    };
    let view = message::view(&received.raw, "auto", &Extraction::default()).into_exposed();
    let obx = view
        .segments
        .iter()
        .find(|one| one.name == "OBX" && one.occurrence == entry.refusal.place.occurrence)?;
    let field = |number: u32| obx.fields.iter().find(|field| field.number == number);
    let identifier = field(3)?.text.clone();
    let parts: Vec<&str> = identifier.split('^').collect();
    let code = parts.first().copied().unwrap_or_default();
    let name = parts.get(1).copied().unwrap_or_default();
    let system = parts.get(2).copied().unwrap_or_default();
    let analyte = ["IgM", "IgG", "IgA"]
        .into_iter()
        .find(|one| identifier.to_lowercase().contains(&one.to_lowercase()));
    let says = field(6).map_or_else(|| "no unit".to_owned(), |unit| unit.text.clone());
    Some(format!(
        "# {} sent {} with {}\n[[analyte]]\nanalyte = {}\nsystem = {}\ncode = {}\nfeed = {}\n\
         default_unit = \"g/L\"  # what the laboratory means; ask it\n",
        one_line(&entry.feed),
        one_line(name),
        one_line(&says),
        quoted(analyte.unwrap_or("IgM")),
        quoted(system),
        quoted(code),
        quoted(&entry.feed),
    ))
}

/// For a comment of TOML.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[derive(Deserialize)]
pub(in crate::web) struct RetryForm {
    csrf: String,
    reason: String,
    #[serde(default)]
    feed: String,
    listener: String,
}

/// `POST /quarantine/retry`: the messages of a group are read again, by the tables in force.
pub(in crate::web) async fn retry(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    form: Result<Form<RetryForm>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|_| NO_FORM)?;
    check_form(&seen, &asking, &form.csrf)?;
    let filter = QuarantineFilter {
        reason: serde_json::from_value(Value::from(form.reason)).map_err(|_| NO_FORM)?,
        listener: Some(form.listener),
        feed: Some(form.feed),
        ..QuarantineFilter::default()
    };
    let read =
        move |state: &dyn Folded| views::quarantine_newest_first(state, &filter, None, RETRIED);
    let found = seen.state.read_apart(read).await?;
    let mut positions: Vec<u64> = found.iter().map(|entry| entry.position.0).collect();
    positions.sort_unstable();
    positions.dedup();
    for position in positions {
        once_more(&seen, &asking, position).await?;
    }
    Ok(Redirect::to("/quarantine").into_response())
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

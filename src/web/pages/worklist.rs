//! `/`: the worklist and the patients to review.

use super::clinical::{class_name, spaced};
use super::frame::{Frame, sentence};
use super::patient::{sex_word, tier_text};
use super::{page, part};
use crate::clock;
use crate::core::alert::{kind_word, severity_word};
use crate::core::fold::state::State as Folded;
use crate::core::time::Timestamp;
use crate::web::Seen;
use crate::web::access::Asking;
use crate::web::problem::Problem;
use crate::web::query;
use crate::web::worklist::{Item, Listed, Person, Review, Show, list, reviews};
use askama::Template;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use std::sync::Arc;

const ROWS: usize = 100;

struct Filter {
    href: String,
    label: &'static str,
    count: usize,
    here: bool,
}

struct Row {
    episode: String,
    alert: String,
    severity: &'static str,
    class: String,
    tier: String,
    kind: String,
    who: String,
    patient: String,
    about: String,
    igm: String,
    missing: String,
    opened: String,
    age: String,
    standing: &'static str,
}

#[derive(Template)]
#[template(path = "worklist.html")]
struct Worklist {
    frame: Frame,
    filters: Vec<Filter>,
    rows: Vec<Row>,
    reviews: Vec<ReviewRow>,
    is_review: bool,
    heading: &'static str,
    place: u64,
    next: Option<String>,
}

struct ReviewRow {
    path: String,
    who: String,
    key: String,
    reason: String,
    text: String,
    first: bool,
    since: String,
}

/// `GET /`: with `show` and `cursor`.
pub(in crate::web) async fn show(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = query::read(query.as_deref().unwrap_or_default(), &["show"])?;
    let is_review = asked.text("show") == Some("review");
    let show: Show = if is_review {
        Show::Open
    } else {
        asked.word("show")?.unwrap_or_default()
    };
    let cursor = asked.paging()?.cursor.unwrap_or_default();
    let skip = usize::try_from(cursor).unwrap_or(usize::MAX);
    let act = if is_review {
        "view_review"
    } else {
        "view_worklist"
    };
    seen.auditor.note(&asking, act, "").await?;
    let now = clock::now();
    let policy = Arc::clone(&seen.policy.borrow());
    let read = move |state: &dyn Folded| {
        let rows = if is_review { 0 } else { ROWS };
        let listed = list(state, show, skip, rows, now)?;
        let reviews = if is_review {
            reviews(state, &policy, skip, ROWS, now)?
        } else {
            (Vec::new(), None)
        };
        Ok((listed, reviews))
    };
    let (listed, (reviews, more_reviews)) = seen.state.read_apart(read).await?;
    let frame = Frame::new(&seen, Some(&asking), "Worklist", "/").with_notices(&seen);
    let word = Show::ALL.iter().find(|(one, _, _)| *one == show);
    let (word, label) = word.map_or(("open", "To do"), |(_, word, label)| (*word, *label));
    let next = if is_review {
        more_reviews.map(|next| format!("/?show=review&cursor={next}"))
    } else {
        listed
            .next
            .map(|next| format!("/?show={word}&cursor={next}"))
    };
    Ok(page(&Worklist {
        filters: filters(&listed, show, is_review),
        rows: listed
            .items
            .iter()
            .map(|(item, person)| row(item, person, now, &frame))
            .collect(),
        reviews: reviews.into_iter().map(|one| review(one, &frame)).collect(),
        is_review,
        heading: if is_review { "To review" } else { label },
        place: listed.place,
        next,
        frame,
    }))
}

fn filters(listed: &Listed, show: Show, is_review: bool) -> Vec<Filter> {
    let of_episodes = Show::ALL.iter().zip(&listed.counts);
    let mut filters: Vec<Filter> = of_episodes
        .map(|((one, word, label), count)| Filter {
            href: format!("/?show={word}"),
            label,
            count: *count,
            here: *one == show && !is_review,
        })
        .collect();
    filters.push(Filter {
        href: "/?show=review".to_owned(),
        label: "Review",
        count: listed.reviews,
        here: is_review,
    });
    filters
}

/// How long ago, in the largest unit that fits.
pub(in crate::web) fn ago(at: Timestamp, now: Timestamp) -> String {
    let minutes = now.since(at).as_micros().max(0) / 60_000_000;
    match minutes {
        0 => "now".to_owned(),
        1..60 => format!("{minutes} min"),
        60..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

fn row(item: &Item, person: &Person, now: Timestamp, frame: &Frame) -> Row {
    let standing = &item.standing;
    let key = standing.filed_under.exposed();
    let mut about = sex_word(person.sex.as_deref()).to_owned();
    if let Some(age) = &person.age {
        about = format!("{age}, {about}");
    }
    let collected = person.collected.as_deref().map(|at| frame.day(at));
    let igm = person.igm.clone().unwrap_or_else(|| "–".to_owned());
    Row {
        episode: standing.episode.clone(),
        alert: standing.alert_id.clone(),
        severity: severity_word(standing.severity),
        class: class_name(&standing.classification),
        tier: tier_text(&standing.tier, standing.tier_reason.as_deref()),
        kind: sentence(&spaced(kind_word(standing.kind))),
        who: person.name.clone().unwrap_or_else(|| key.clone()),
        patient: key,
        about,
        igm: match collected {
            Some(day) => format!("{igm} on {day}"),
            None => igm,
        },
        missing: if standing.missing.is_empty() {
            "–".to_owned()
        } else {
            standing.missing.join(", ")
        },
        opened: frame.local(&standing.opened_at.to_rfc3339()),
        age: ago(standing.opened_at, now),
        standing: match (item.ack.is_some(), item.muted) {
            (_, true) => "muted",
            (true, false) => "acknowledged",
            (false, false) => "open",
        },
    }
}

fn review(one: Review, frame: &Frame) -> ReviewRow {
    ReviewRow {
        path: part(&one.patient),
        who: one.name.unwrap_or_else(|| one.patient.clone()),
        key: one.patient,
        reason: sentence(&spaced(&one.reason)),
        text: one.text.unwrap_or_default(),
        first: one.first,
        since: frame.local(&one.since),
    }
}

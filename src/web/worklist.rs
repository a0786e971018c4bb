//! The worklist: episodes that stand, by severity and age, and patients to review; for the page and the API.

use super::access::Asking;
use super::facts::NO_STATE;
use super::problem::Problem;
use super::query;
use super::{Seen, json};
use crate::clock;
use crate::core::delivery::mute::Scope;
use crate::core::fold::lists;
use crate::core::fold::state::{State as Folded, StateError};
use crate::core::fold::values::{AckMark, ReviewMark, StandingEpisode};
use crate::core::fold::{dossier, views};
use crate::core::patient::{Moment, view};
use crate::core::phi::Phi;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

/// Which episodes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Show {
    /// Not acknowledged and not muted: what is to be done.
    #[default]
    Open,
    /// The same, not confirmed yet.
    New,
    /// Low again later.
    Confirmed,
    /// Whatever is missing.
    Provisional,
    /// Somebody took note.
    Acknowledged,
    /// Nobody is paged.
    Muted,
    /// Another pattern than isolated low IgM.
    Other,
    /// All that stand.
    All,
}

impl Show {
    pub(super) const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::Open, "open", "To do"),
        (Self::New, "new", "New"),
        (Self::Confirmed, "confirmed", "Confirmed"),
        (Self::Provisional, "provisional", "Provisional"),
        (Self::Acknowledged, "acknowledged", "Acknowledged"),
        (Self::Muted, "muted", "Muted"),
        (Self::Other, "other", "Other patterns"),
        (Self::All, "all", "All"),
    ];

    fn takes(self, item: &Item) -> bool {
        let waits = item.ack.is_none() && !item.muted;
        let standing = &item.standing;
        match self {
            Self::Open => waits && !standing.other,
            Self::New => waits && !standing.other && !standing.confirmed,
            Self::Confirmed => standing.confirmed,
            Self::Provisional => !standing.other && standing.tier == "provisional",
            Self::Acknowledged => item.ack.is_some(),
            Self::Muted => item.muted,
            Self::Other => standing.other,
            Self::All => true,
        }
    }
}

/// An episode with what people did about it.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) standing: StandingEpisode,
    pub(super) ack: Option<AckMark>,
    pub(super) muted: bool,
}

/// A page of the worklist.
pub(super) struct Listed {
    pub(super) items: Vec<(Item, Person)>,
    pub(super) next: Option<usize>,
    /// How many each filter takes, in the order of [`Show::ALL`].
    pub(super) counts: Vec<usize>,
    pub(super) reviews: usize,
    /// Place of the newest alert that this knows of.
    pub(super) place: u64,
}

/// Who an alert is about, as it said.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Person {
    pub(super) key: String,
    pub(super) name: Option<String>,
    pub(super) age: Option<String>,
    pub(super) sex: Option<String>,
    pub(super) igm: Option<String>,
    pub(super) collected: Option<String>,
}

/// Reads a page: the most severe first, of these the oldest.
pub(super) fn list(
    state: &dyn Folded,
    show: Show,
    skip: usize,
    limit: usize,
    now: Timestamp,
) -> Result<Listed, StateError> {
    // First: what comes meanwhile is news to who has this page.
    let place = views::last_alert(state)?;
    let mutes = views::mutes(state)?;
    let mut items = Vec::new();
    for standing in lists::standing_episodes(state)? {
        let ack = views::acknowledgement(state, &standing.episode)?;
        let muted = mutes
            .iter()
            .filter(|mute| now < mute.until)
            .any(|mute| match &mute.scope {
                Scope::Patient(key) => *key == standing.filed_under,
                Scope::Rule(word) => *word == standing.classification,
            });
        items.push(Item {
            standing,
            ack,
            muted,
        });
    }
    let counts = Show::ALL
        .iter()
        .map(|(show, _, _)| items.iter().filter(|item| show.takes(item)).count())
        .collect();
    items.retain(|item| show.takes(item));
    items.sort_by(|a, b| {
        let key = |item: &Item| {
            (
                std::cmp::Reverse(item.standing.severity),
                item.standing.opened_at,
            )
        };
        key(a)
            .cmp(&key(b))
            .then_with(|| a.standing.episode.cmp(&b.standing.episode))
    });
    let more = items.len() > skip.saturating_add(limit);
    let mut page = Vec::new();
    for item in items.into_iter().skip(skip).take(limit) {
        let person = person(state, &item.standing.alert_id)?;
        page.push((item, person));
    }
    Ok(Listed {
        items: page,
        next: more.then(|| skip.saturating_add(limit)),
        counts,
        reviews: lists::reviews(state)?.len(),
        place,
    })
}

fn person(state: &dyn Folded, alert_id: &str) -> Result<Person, StateError> {
    let Some((_, transition)) = views::alert(state, alert_id)? else {
        return Ok(Person::default());
    };
    let alert = transition.alert.into_exposed();
    let patient = alert.patient;
    let igm = alert.evidence.iter().find(|one| one.analyte == "IgM");
    Ok(Person {
        key: transition.filed_under.exposed(),
        name: patient.name,
        age: patient.age,
        sex: patient.sex,
        igm: igm.map(|igm| match &igm.value {
            Some(value) => format!("{}{value} {}", igm.comparator, igm.unit),
            None => igm.reported.clone(),
        }),
        collected: igm.and_then(|igm| igm.observed_at.clone()),
    })
}

#[derive(Serialize)]
struct Row {
    episode_id: String,
    alert_id: String,
    severity: crate::core::episode::Severity,
    classification: String,
    tier: String,
    tier_reason: Option<String>,
    confirmed: bool,
    other_pattern: bool,
    paged: bool,
    missing: Vec<String>,
    opened_at: String,
    last_at: String,
    acknowledged: bool,
    muted: bool,
    patient: Phi<Person>,
}

#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// `GET /api/v1/worklist`: episodes that stand, with `show`, `limit`, `cursor`.
pub(super) async fn api(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = query::read(query.as_deref().unwrap_or_default(), &["show"])?;
    let show = asked.word("show")?.unwrap_or_default();
    let paging = asked.paging()?;
    seen.auditor.note(&asking, "view_worklist", "").await?;
    let now = clock::now();
    let skip = usize::try_from(paging.cursor.unwrap_or_default()).unwrap_or(usize::MAX);
    let read = move |state: &dyn Folded| list(state, show, skip, paging.limit, now);
    let listed = seen.state.read_apart(read).await?;
    let page = Page {
        next: listed.next.map(|next| next.to_string()),
        items: listed.items.into_iter().map(row).collect(),
    };
    let body = serde_json::to_vec(&page).map_err(|_| NO_STATE)?;
    Ok(json(StatusCode::OK, body))
}

fn row((item, person): (Item, Person)) -> Row {
    let standing = item.standing;
    Row {
        episode_id: standing.episode,
        alert_id: standing.alert_id,
        severity: standing.severity,
        classification: standing.classification,
        tier: standing.tier,
        tier_reason: standing.tier_reason,
        confirmed: standing.confirmed,
        other_pattern: standing.other,
        paged: standing.paged,
        missing: standing.missing,
        opened_at: standing.opened_at.to_rfc3339(),
        last_at: standing.last_at.to_rfc3339(),
        acknowledged: item.ack.is_some(),
        muted: item.muted,
        patient: Phi::new(person),
    }
}

/// A patient to review, as it stands now.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Review {
    /// `authority:id`.
    pub(super) patient: String,
    pub(super) name: Option<String>,
    /// Why, as one word.
    pub(super) reason: String,
    /// Why, in words.
    pub(super) text: Option<String>,
    /// Reported as undetectable: to be looked at first.
    pub(super) first: bool,
    pub(super) since: String,
}

/// A page of patients to review: those to be looked at first, then the oldest.
pub(super) fn reviews(
    state: &dyn Folded,
    policy: &Policy,
    skip: usize,
    limit: usize,
    now: Timestamp,
) -> Result<(Vec<Review>, Option<usize>), StateError> {
    let mut marks = lists::reviews(state)?;
    marks.sort_by(|a, b| {
        let key = |mark: &ReviewMark| (!mark.first, mark.since);
        key(a).cmp(&key(b)).then_with(|| a.patient.cmp(&b.patient))
    });
    let more = marks.len() > skip.saturating_add(limit);
    let mut page = Vec::new();
    for mark in marks.into_iter().skip(skip).take(limit) {
        let Some(dossier) = dossier::dossier(state, &mark.patient)? else {
            continue;
        };
        let current = true;
        let view = view(&dossier, policy, Moment { now, current }).into_exposed();
        page.push(Review {
            patient: mark.patient.exposed(),
            name: view.person.name,
            reason: mark.reason,
            text: view.review_text,
            first: mark.first,
            since: mark.since.to_rfc3339(),
        });
    }
    Ok((page, more.then(|| skip.saturating_add(limit))))
}

/// `GET /api/v1/review`: patients to review with the reason.
pub(super) async fn api_review(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let paging = query::read(query.as_deref().unwrap_or_default(), &[])?.paging()?;
    seen.auditor.note(&asking, "view_review", "").await?;
    let policy = std::sync::Arc::clone(&seen.policy.borrow());
    let skip = usize::try_from(paging.cursor.unwrap_or_default()).unwrap_or(usize::MAX);
    let now = clock::now();
    let read = move |state: &dyn Folded| reviews(state, &policy, skip, paging.limit, now);
    let (items, next) = seen.state.read_apart(read).await?;
    let page = Page {
        items: items.into_iter().map(Phi::new).collect(),
        next: next.map(|next| next.to_string()),
    };
    let body = serde_json::to_vec(&page).map_err(|_| NO_STATE)?;
    Ok(json(StatusCode::OK, body))
}

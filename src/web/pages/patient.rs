//! `/patients/{key}`: a person with everything of CLINICAL 7, and what people wrote down.

use super::clinical::{
    Association, Row, Step, Trend, associations, class_name, missing, panel, spaced, steps, trend,
};
use super::frame::{Frame, sentence};
use super::{page, part};
use crate::clock;
use crate::core::alert::{delivery_word, kind_word, severity_word};
use crate::core::audit::Noted;
use crate::core::clinical::observation::PatientKey;
use crate::core::episode::TransitionKind;
use crate::core::fact::Fact;
use crate::core::fold::audit;
use crate::core::fold::dossier::{self, Dossier};
use crate::core::patient::{Moment, PatientView, TransitionView, view};
use crate::core::phi::Phi;
use crate::web::Seen;
use crate::web::access::Asking;
use crate::web::door::check_form;
use crate::web::facts::{NO_STATE, given, record};
use crate::web::patients::{NO_PATIENT, key_text};
use crate::web::problem::Problem;
use askama::Template;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;
use std::sync::Arc;

pub(in crate::web) const NO_FORM: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "the form is not whole: load the page again",
);

/// One id.
pub(in crate::web) struct Identity {
    pub key: String,
    pub says: String,
}

/// One step of an episode.
pub(in crate::web) struct StepShown {
    pub n: u32,
    pub kind: String,
    pub severity: &'static str,
    pub delivery: String,
    pub at: String,
    pub alert_id: String,
    pub is_alert: bool,
    pub explanation: String,
    pub about: Option<String>,
    pub messages: Vec<u64>,
}

/// One episode.
pub(in crate::web) struct EpisodeShown {
    pub standing: String,
    pub opened: String,
    pub steps: Vec<StepShown>,
}

/// What somebody wrote down.
pub(in crate::web) struct NoteShown {
    pub by: String,
    pub at: String,
    pub text: String,
}

#[derive(Template)]
#[template(path = "patient.html")]
struct Patient {
    frame: Frame,
    path: String,
    name: String,
    facts: Vec<(&'static str, String)>,
    class: String,
    tier: Option<String>,
    severity: Option<&'static str>,
    sentence: String,
    review: Option<String>,
    review_first: bool,
    undecided: bool,
    evidence: Vec<Row>,
    trend: Trend,
    missing: Vec<String>,
    associations: Vec<Association>,
    steps: Vec<Step>,
    episodes: Vec<EpisodeShown>,
    identities: Vec<Identity>,
    merges: Vec<Identity>,
    results: Vec<Row>,
    notes: Vec<NoteShown>,
    may_note: bool,
    policy: String,
    as_of: String,
}

/// A person as the state has it now.
pub(in crate::web) struct Found {
    pub(in crate::web) dossier: Dossier,
    pub(in crate::web) view: PatientView,
    pub(in crate::web) notes: Vec<Noted>,
}

/// Reads a person; on a thread that may wait.
pub(in crate::web) fn found(seen: &Seen, text: &str) -> Result<Found, Problem> {
    let current = seen.progress.borrow().current;
    let read = seen.state.read(|state| {
        let key = dossier::known_key(state, text)?;
        let Some(key) = key else { return Ok(None) };
        let Some(dossier) = dossier::dossier(state, &key)? else {
            return Ok(None);
        };
        let notes = audit::notes(state, &dossier.patient.members)?;
        Ok(Some((dossier, notes)))
    })?;
    let Some((dossier, notes)) = read else {
        return Err(if current { NO_PATIENT } else { NO_STATE });
    };
    let now = clock::now();
    let policy = Arc::clone(&seen.policy.borrow());
    let view = view(&dossier, &policy, Moment { now, current }).into_exposed();
    Ok(Found {
        dossier,
        view,
        notes,
    })
}

/// `GET /patients/{key}`.
pub(in crate::web) async fn show(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    key: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let key = key_text(key)?;
    (seen.auditor)
        .note(&asking, "view_patient", key.as_str())
        .await?;
    let state = seen.state.clone();
    let made = state
        .apart(move || {
            let found = found(&seen, &key)?;
            Ok(page(&shown(&seen, &asking, found)))
        })
        .await;
    made.ok_or(NO_STATE)?
}

fn shown(seen: &Seen, asking: &Asking, found: Found) -> Patient {
    let Found {
        dossier,
        view,
        notes,
    } = found;
    let person = &view.person;
    let name = person.name.clone().unwrap_or_else(|| view.key.clone());
    let frame = Frame::new(seen, Some(asking), &name, "/");
    let results = view.results.iter().rev().map(|result| {
        let mut row = super::clinical::row(&result.row, Some(result), &frame);
        row.reason.clone_from(&result.reason);
        row
    });
    let results: Vec<Row> = results.collect();
    let evidence = panel(&view, &frame);
    let received = evidence.first().map(|row| row.received.clone());
    let mut facts = vec![("Patient", view.key.clone())];
    facts.extend(person_facts(&view));
    if let Some(first) = evidence.first() {
        facts.push(("Newest IgM collected", first.collected.clone()));
    }
    facts.extend(received.map(|at| ("Received", at)));
    let on = &seen.next_steps;
    Patient {
        path: part(&view.key),
        class: class_name(view.classification),
        tier: view.tier.map(|tier| tier_text(tier, view.tier_reason)),
        severity: view.severity.map(severity_word),
        sentence: view.sentence.clone(),
        review: view.review_text.clone(),
        review_first: view.review_first,
        undecided: view.undecided,
        trend: trend(&view, &frame),
        missing: missing(&view),
        associations: associations(&view.associations, Some(&dossier), &frame),
        steps: steps(on),
        episodes: view
            .episodes
            .iter()
            .rev()
            .map(|episode| EpisodeShown {
                standing: spaced(episode.standing),
                opened: frame.day(&episode.opened_at),
                steps: episode
                    .transitions
                    .iter()
                    .rev()
                    .map(|step| step_shown(step, &frame))
                    .collect(),
            })
            .collect(),
        identities: view
            .identities
            .iter()
            .map(|one| Identity {
                key: one.key.clone(),
                says: identity_says(one, &frame),
            })
            .collect(),
        merges: view
            .identity_events
            .iter()
            .map(|event| Identity {
                key: format!("{} into {}", event.prior, event.survivor),
                says: event_says(event, &frame),
            })
            .collect(),
        notes: notes
            .into_iter()
            .rev()
            .map(|note| NoteShown {
                by: note.by,
                at: frame.local(&note.at.to_rfc3339()),
                text: note.text.into_exposed(),
            })
            .collect(),
        may_note: asking.who.may(crate::users::Role::Clinician),
        policy: view.as_of.policy.chars().take(12).collect(),
        as_of: frame.to_the_second(&view.as_of.at),
        facts,
        name,
        evidence,
        results,
        frame,
    }
}

/// Birth date, sex and age, and what is particular about the identity.
pub(in crate::web) fn person_facts(view: &PatientView) -> Vec<(&'static str, String)> {
    let person = &view.person;
    let unknown = || "unknown".to_owned();
    let mut facts = vec![
        (
            "Born",
            match (&person.birth_date, &person.age) {
                (Some(date), Some(age)) => format!("{date} ({age} at collection)"),
                (Some(date), None) => date.clone(),
                (None, _) => unknown(),
            },
        ),
        ("Sex", sex_word(person.sex).to_owned()),
    ];
    if person.deceased {
        facts.push(("Deceased", "yes".to_owned()));
    }
    if person.identity_unreliable {
        facts.push(("Identity", "unknown or unreliable".to_owned()));
    }
    if person.identity_deleted {
        facts.push(("Identity", "deleted at the source".to_owned()));
    }
    if view.known {
        facts.push(("Known", "immunology knows the patient".to_owned()));
    }
    facts
}

pub(in crate::web) fn sex_word(sex: Option<&str>) -> &'static str {
    match sex {
        Some("F") => "female",
        Some("M") => "male",
        _ => "unknown",
    }
}

/// `provisional (infant)`.
pub(in crate::web) fn tier_text(tier: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{tier}: {}", spaced(reason)),
        None => tier.to_owned(),
    }
}

pub(in crate::web) fn step_shown(step: &TransitionView, frame: &Frame) -> StepShown {
    StepShown {
        n: step.n,
        kind: sentence(&spaced(kind_word(step.kind))),
        severity: severity_word(step.severity),
        delivery: match delivery_word(step.delivery) {
            "page" => "paged".to_owned(),
            other => other.to_owned(),
        },
        at: frame.local(&step.at),
        alert_id: step.alert_id.clone(),
        is_alert: step.kind != TransitionKind::Reopened,
        explanation: step.explanation.clone(),
        about: step.about.clone(),
        messages: step.evidence.positions.clone(),
    }
}

fn identity_says(one: &crate::core::patient::IdentityView, frame: &Frame) -> String {
    let results = match one.results {
        1 => "1 result".to_owned(),
        many => format!("{many} results"),
    };
    match &one.merged {
        Some(event) => format!("{results}; merged on {}", frame.day(&event.at)),
        None => results,
    }
}

fn event_says(event: &crate::core::patient::IdentityEventView, frame: &Frame) -> String {
    let mut text = format!("{} on {}", spaced(event.kind), frame.day(&event.at));
    if let Some(reason) = event.reason {
        text.push_str("; ");
        text.push_str(reason);
    }
    if let Some(undo) = &event.undone {
        text.push_str(&format!(" ({}: {})", undo.by, undo.comment));
    }
    text
}

#[derive(Deserialize)]
pub(in crate::web) struct Written {
    csrf: String,
    text: String,
}

/// `POST /patients/{key}/note`.
pub(in crate::web) async fn note(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    key: Result<Path<String>, PathRejection>,
    form: Result<Form<Written>, FormRejection>,
) -> Result<Response, Problem> {
    let key = key_text(key)?;
    let Form(written) = form.map_err(|_| NO_FORM)?;
    check_form(&seen, &asking, &written.csrf)?;
    let text = given(
        Some(written.text),
        "the note is empty: write something down",
    )?;
    let patient = known(&seen, key.clone()).await?;
    (seen.auditor).note(&asking, "note", key.as_str()).await?;
    let noted = Noted {
        patient,
        at: clock::now(),
        by: asking.who.name.clone(),
        text: Phi::new(text),
    };
    record(&seen, vec![Fact::Noted(noted)]).await?;
    Ok(Redirect::to(&format!("/patients/{}#notes", part(&key))).into_response())
}

/// The key of a patient that there is.
pub(in crate::web) async fn known(seen: &Seen, text: String) -> Result<PatientKey, Problem> {
    let read = move |state: &dyn crate::core::fold::state::State| dossier::known_key(state, &text);
    seen.state.read_apart(read).await?.ok_or(NO_PATIENT)
}

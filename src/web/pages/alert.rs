//! `/alerts/{id}`: an alert as it was told, the patient as known now, and what people do about it.

use super::clinical::{
    Association, Row, Step, Trend, associations, class_name, missing, row, spaced, steps, trend,
    version_of,
};
use super::frame::{Frame, sentence};
use super::patient::{Found, NO_FORM, StepShown, found, person_facts, step_shown, tier_text};
use super::{page, part};
use crate::clock;
use crate::core::alert::{delivery_word, kind_word, severity_word};
use crate::core::delivery::mute::Scope;
use crate::core::delivery::{Acknowledged, Muted, Unmuted};
use crate::core::episode::Transition;
use crate::core::fact::Fact;
use crate::core::fold::values::{AckMark, DeliveryMark, DeliveryOutcome};
use crate::core::fold::views;
use crate::core::phi::Phi;
use crate::core::time::{Span, Timestamp};
use crate::telemetry::events;
use crate::users::Role;
use crate::web::Seen;
use crate::web::access::Asking;
use crate::web::alerts::{NO_ALERT, record_ack};
use crate::web::door::check_form;
use crate::web::facts::{NO_STATE, given, record};
use crate::web::problem::Problem;
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;

/// Somebody's acknowledgement.
struct Taken {
    by: String,
    at: String,
    comment: String,
    informed: String,
    known: bool,
}

/// A mute that holds.
struct MuteShown {
    id: String,
    until: String,
    by: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    frame: Frame,
    id: String,
    name: String,
    patient_path: String,
    class: String,
    tier: String,
    kind: String,
    severity: &'static str,
    delivery: String,
    explanation: String,
    /// The patient's present standing, where it says something else by now.
    now: Option<String>,
    superseded: bool,
    facts: Vec<(&'static str, String)>,
    evidence: Vec<Row>,
    trend: Trend,
    missing: Vec<String>,
    qualifiers: Vec<String>,
    associations: Vec<Association>,
    steps: Vec<Step>,
    timeline: Vec<StepShown>,
    standing: String,
    ack: Option<Taken>,
    mutes: Vec<MuteShown>,
    deliveries: Vec<(String, String)>,
    may_treat: bool,
}

struct Read {
    transition: Transition,
    ack: Option<AckMark>,
    mutes: Vec<Muted>,
    deliveries: Vec<(String, DeliveryMark)>,
}

fn read(seen: &Seen, id: &str) -> Result<Read, Problem> {
    let found = seen.state.read(|state| {
        let Some((place, transition)) = views::alert(state, id)? else {
            return Ok(None);
        };
        let ack = views::acknowledgement(state, &transition.episode.0)?;
        let mutes = views::mutes(state)?;
        let deliveries = views::deliveries(state, place)?;
        Ok(Some(Read {
            transition,
            ack,
            mutes,
            deliveries,
        }))
    })?;
    found.ok_or(NO_ALERT)
}

/// `GET /alerts/{id}`.
pub(in crate::web) async fn show(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    (seen.auditor)
        .note(&asking, "view_alert", id.as_str())
        .await?;
    let state = seen.state.clone();
    let made = state
        .apart(move || {
            let read = read(&seen, &id)?;
            let key = read.transition.filed_under.exposed();
            let found = found(&seen, &key)?;
            Ok(page(&shown(&seen, &asking, read, &found)))
        })
        .await;
    made.ok_or(NO_STATE)?
}

fn shown(seen: &Seen, asking: &Asking, read: Read, found: &Found) -> AlertPage {
    let Read {
        transition,
        ack,
        mutes,
        deliveries,
    } = read;
    let view = &found.view;
    let alert = transition.alert.expose();
    let name = view.person.name.clone().unwrap_or_else(|| view.key.clone());
    let frame = Frame::new(seen, Some(asking), &name, "/");
    let evidence: Vec<Row> = alert
        .evidence
        .iter()
        .map(|one| row(one, version_of(one, view), &frame))
        .collect();
    let mut facts = vec![("Patient", view.key.clone())];
    facts.extend(person_facts(view));
    if let Some(first) = evidence.first() {
        facts.push(("Collected", first.collected.clone()));
        facts.push(("Received", first.received.clone()));
    }
    facts.push(("Decided", frame.local(&transition.at.to_rfc3339())));
    let episode = view
        .episodes
        .iter()
        .find(|episode| episode.id == transition.episode.0);
    let timeline: Vec<StepShown> = episode
        .iter()
        .flat_map(|episode| episode.transitions.iter().rev())
        .map(|step| step_shown(step, &frame))
        .collect();
    let newest = timeline.iter().find(|step| step.is_alert);
    let superseded = newest.is_some_and(|newest| newest.alert_id != alert.alert_id);
    let says_else = view.classification != alert.classification;
    let now = clock::now();
    AlertPage {
        id: alert.alert_id.clone(),
        patient_path: part(&view.key),
        class: class_name(&alert.classification),
        tier: tier_text(&alert.tier, alert.tier_reason.as_deref()),
        kind: sentence(&spaced(kind_word(transition.kind))),
        severity: severity_word(transition.severity),
        delivery: match delivery_word(transition.delivery) {
            "page" => "paged".to_owned(),
            other => other.to_owned(),
        },
        explanation: alert.explanation.clone(),
        now: says_else.then(|| format!("{}: {}", class_name(view.classification), view.sentence)),
        superseded,
        trend: trend(view, &frame),
        missing: missing(view),
        qualifiers: alert.qualifiers.iter().map(|one| spaced(one)).collect(),
        associations: associations(&alert.associations, Some(&found.dossier), &frame),
        steps: steps(&seen.next_steps),
        standing: episode.map_or_else(|| "open".to_owned(), |one| spaced(one.standing)),
        timeline,
        ack: ack.map(|mark| Taken {
            at: frame.local(&mark.fact.at.to_rfc3339()),
            by: mark.fact.by,
            comment: mark.fact.comment.into_exposed(),
            informed: mark.fact.informed.into_exposed(),
            known: mark.fact.known,
        }),
        mutes: mutes
            .into_iter()
            .filter(|mute| now < mute.until && is_about(mute, &transition))
            .map(|mute| MuteShown {
                id: mute.id,
                until: frame.local(&mute.until.to_rfc3339()),
                by: mute.by,
                reason: mute.reason.into_exposed(),
            })
            .collect(),
        deliveries: deliveries
            .into_iter()
            .map(|(sink, mark)| (sink, became(&mark, &frame)))
            .collect(),
        may_treat: asking.who.may(Role::Clinician),
        name,
        facts,
        evidence,
        frame,
    }
}

fn is_about(mute: &Muted, transition: &Transition) -> bool {
    match &mute.scope {
        Scope::Patient(key) => *key == transition.filed_under,
        Scope::Rule(word) => {
            *word == transition.alert.expose().classification || *word == kind_word(transition.kind)
        }
    }
}

/// What became of an alert at a sink.
fn became(mark: &DeliveryMark, frame: &Frame) -> String {
    match &mark.outcome {
        Some(DeliveryOutcome::Delivered { at }) => {
            format!("delivered {}", frame.to_the_second(&at.to_rfc3339()))
        }
        Some(DeliveryOutcome::Dead { at, reason }) => {
            let at = frame.to_the_second(&at.to_rfc3339());
            format!("refused for good {at}: {reason}")
        }
        None => match mark.last_attempt {
            Some(at) => format!(
                "{} attempts, the last {}",
                mark.attempts,
                frame.to_the_second(&at.to_rfc3339())
            ),
            None => "waiting".to_owned(),
        },
    }
}

#[derive(Deserialize)]
pub(in crate::web) struct AckForm {
    csrf: String,
    comment: String,
    #[serde(default)]
    informed: String,
    known: Option<String>,
}

/// `POST /alerts/{id}/ack`.
pub(in crate::web) async fn acknowledge(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(id): Path<String>,
    form: Result<Form<AckForm>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|_| NO_FORM)?;
    check_form(&seen, &asking, &form.csrf)?;
    let missing = "the comment is missing: say what was made of the alert";
    let fact = Acknowledged {
        alert_id: id.clone(),
        by: asking.who.name.clone(),
        comment: Phi::new(given(Some(form.comment), missing)?),
        informed: Phi::new(form.informed.trim().chars().take(4_000).collect()),
        known: form.known.is_some(),
        at: clock::now(),
    };
    (seen.auditor)
        .note(&asking, "acknowledge", id.as_str())
        .await?;
    record_ack(&seen, fact).await?;
    back(&id, "acknowledged")
}

fn back(id: &str, part_of: &str) -> Result<Response, Problem> {
    Ok(Redirect::to(&format!("/alerts/{}#{part_of}", part(id))).into_response())
}

#[derive(Deserialize)]
pub(in crate::web) struct MuteForm {
    csrf: String,
    days: u32,
    reason: String,
}

/// `POST /alerts/{id}/mute`: nobody is paged for the alert's patient for so many days.
pub(in crate::web) async fn mute(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(id): Path<String>,
    form: Result<Form<MuteForm>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|_| NO_FORM)?;
    check_form(&seen, &asking, &form.csrf)?;
    let reason = given(Some(form.reason), "the reason is missing: say why")?;
    if !(1..=730).contains(&form.days) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a mute lasts from 1 to 730 days",
        ));
    }
    let wanted = id.clone();
    let read = move |state: &dyn crate::core::fold::state::State| views::alert(state, &wanted);
    let (_, transition) = seen.state.read_apart(read).await?.ok_or(NO_ALERT)?;
    let at = clock::now();
    let lasts = Span::days(i64::from(form.days)).as_micros();
    let muted = Muted {
        id: format!("m{}", at.as_micros()),
        until: Timestamp::from_micros(at.as_micros().saturating_add(lasts)),
        by: asking.who.name.clone(),
        reason: Phi::new(reason),
        at,
        scope: Scope::Patient(transition.filed_under),
    };
    let about = crate::web::alerts::scope_text(&muted);
    seen.auditor.note(&asking, "mute", about).await?;
    events::muted(&muted.id, &muted.by);
    record(&seen, vec![Fact::Muted(muted)]).await?;
    back(&id, "acknowledged")
}

#[derive(Deserialize)]
pub(in crate::web) struct LiftForm {
    csrf: String,
    mute: String,
}

/// `POST /alerts/{id}/lift`: a mute ends.
pub(in crate::web) async fn lift(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(id): Path<String>,
    form: Result<Form<LiftForm>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|_| NO_FORM)?;
    check_form(&seen, &asking, &form.csrf)?;
    let mutes = seen.state.read_apart(views::mutes).await?;
    if !mutes.iter().any(|mute| mute.id == form.mute) {
        return Err(crate::web::alerts::NO_MUTE);
    }
    (seen.auditor)
        .note(&asking, "lift_mute", form.mute.as_str())
        .await?;
    let lifted = Unmuted {
        id: form.mute,
        by: asking.who.name.clone(),
        at: clock::now(),
    };
    events::unmuted(&lifted.id, &lifted.by);
    record(&seen, vec![Fact::Unmuted(lifted)]).await?;
    back(&id, "acknowledged")
}

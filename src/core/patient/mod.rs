//! A person as the API and `pentamer patient` show it (DESIGN.md, "Patient JSON"): every id, every
//! version of every result, what was told, how the person stands, and of each of these the why.
//!
//! A pure function of what the state holds, the policy and the time; it decides nothing.

mod episodes;
mod identities;
mod results;
#[cfg(test)]
mod tests;
mod trend;

pub use episodes::{EpisodeView, EvidenceView, TransitionView};
pub use identities::{IdentityEventView, IdentityView, UndoView};
pub use results::ResultView;
pub use trend::TrendPoint;

use super::alert::AlertAssociation;
use super::clinical::age::age_at;
use super::clinical::chart::Chart;
use super::clinical::classify::Tier;
use super::clinical::demographics::Demographics;
use super::clinical::observation::Sex;
use super::clinical::reasons;
use super::episode::Severity;
use super::episode::assemble::birth_date;
use super::episode::assess::assess;
use super::episode::history::walk;
use super::fold::dossier::Dossier;
use super::phi::Phi;
use super::policy::Policy;
use super::time::Timestamp;
use crate::core::clinical::results::Results;
use results::Listing;
use serde::Serialize;

/// `GET /api/v1/patients/{key}`. The fields up to `trend` are promised; those behind it say more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PatientView {
    /// `authority:id` of the id that survives.
    pub key: String,
    /// All ids of the person, the surviving one among them.
    pub identities: Vec<IdentityView>,
    /// `isolated_low_igm`, `igm_normal`, `none`, …: how the newest IgM stands (CLINICAL 6.3).
    pub classification: &'static str,
    /// `complete`, `provisional` or `partial`; null where there is nothing to be sure of: no IgM, none
    /// that can be judged, or one that is not low (CLINICAL 6.3, R0 to R2).
    pub tier: Option<&'static str>,
    /// `partial`, `infant`, …; where there is no verdict, why, as one word.
    pub tier_reason: Option<&'static str>,
    /// Of a low IgM.
    pub severity: Option<Severity>,
    /// Why a person should look, as one word.
    pub review: Option<&'static str>,
    /// What was told, in order of the first step.
    pub episodes: Vec<EpisodeView>,
    /// Every version of every result, in order of collection.
    pub results: Vec<ResultView>,
    /// The last IgM, IgG and IgA that stand, in order of collection (CLINICAL 7.3).
    pub trend: Vec<TrendPoint>,
    /// Who.
    pub person: PersonView,
    /// The row of CLINICAL 6.3 that fired.
    pub rule: &'static str,
    /// The verdict, or why there is none, in words.
    pub sentence: String,
    /// `review` in words.
    pub review_text: Option<String>,
    /// Reported as undetectable: to be looked at first.
    pub review_first: bool,
    /// `subclasses_unknown`, …
    pub qualifiers: Vec<String>,
    /// IgG and IgA that nothing usable stands for beside a low IgM.
    pub missing: Vec<String>,
    /// Immunology knows the patient (CLINICAL 6.4).
    pub known: bool,
    /// Diagnoses and drugs beside the IgM.
    pub associations: Vec<AlertAssociation>,
    /// Which results the verdict rests on.
    pub panel: PanelView,
    /// Merges, moves and links that name one of the ids, whether they count or not.
    pub identity_events: Vec<IdentityEventView>,
    /// Something new about the person is not decided about yet: a transition may follow.
    pub undecided: bool,
    /// What this view was made of.
    pub as_of: AsOf,
}

/// Demographics as last reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonView {
    /// PID-5.
    pub name: Option<String>,
    /// PID-7, as precise as it was sent.
    pub birth_date: Option<String>,
    /// `F`, `M` or null.
    pub sex: Option<&'static str>,
    /// At the collection of the newest IgM that can be judged.
    pub age: Option<String>,
    /// PID-30/29.
    pub deceased: bool,
    /// PID-31/32: the identity is unknown or unreliable.
    pub identity_unreliable: bool,
    /// A29: deleted at the source.
    pub identity_deleted: bool,
}

/// Which results the verdict rests on (CLINICAL 6.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PanelView {
    /// `n` of the IgM that is judged; null where none can be.
    pub igm: Option<u32>,
    /// What stands beside it: IgG, IgA, IgG1 to IgG4. Empty without an IgM.
    pub beside: Vec<BesideView>,
}

/// One analyte beside the IgM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BesideView {
    /// `IgG`, …
    pub analyte: &'static str,
    /// `concurrent`, `stale`, `unusable` or `missing`.
    pub standing: &'static str,
    /// `n` of the result.
    pub result: Option<u32>,
}

/// What a view was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AsOf {
    /// The time that the person was assessed for, RFC 3339.
    pub at: String,
    /// The state stood at this journal position, or further.
    pub position: u64,
    /// False while the state is being built from the journal: facts may be missing.
    pub current: bool,
    /// Hash of the policy in force.
    pub policy: String,
}

/// When a view is made, and whether the state has caught up with the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// The state has caught up.
    pub current: bool,
}

/// The person as shown. Total: whatever the state holds gives a view.
pub fn view(dossier: &Dossier, policy: &Policy, moment: Moment) -> Phi<PatientView> {
    let patient = &dossier.patient;
    let results = Results::judge(patient, policy);
    let chart = Chart::read(&results, policy);
    let assessment = assess(&chart, patient, policy, moment.now);
    let listing = Listing::of(dossier, &chart, &assessment, policy);
    let panel = PanelView {
        igm: assessment
            .anchor
            .as_ref()
            .and_then(|igm| listing.number(igm)),
        beside: assessment
            .panel
            .iter()
            .map(|beside| BesideView {
                analyte: beside.analyte.name(),
                standing: beside.standing,
                result: beside.result.as_ref().and_then(|id| listing.number(id)),
            })
            .collect(),
    };
    Phi::new(PatientView {
        key: patient.survivor.exposed(),
        identities: identities::identities(dossier),
        classification: assessment.classification.word(),
        tier: (assessment.tier != Tier::None).then(|| assessment.tier.word()),
        tier_reason: assessment.tier_reason,
        severity: assessment.severity,
        review: assessment.review,
        episodes: episodes::episodes(patient, &listing.results, &walk(&chart, policy)),
        trend: trend::trend(&chart, &listing, policy),
        person: person(chart.person, &chart),
        rule: assessment.rule.word(),
        sentence: assessment.sentence.into_exposed(),
        review_text: assessment
            .review
            .map(|word| review_text(word, &chart).unwrap_or_else(|| word.replace('_', " "))),
        review_first: assessment.review_first,
        qualifiers: assessment.qualifiers,
        missing: assessment.missing,
        known: assessment.known,
        associations: assessment.associations.into_exposed(),
        panel,
        identity_events: identities::events(dossier),
        undecided: dossier.undecided,
        as_of: AsOf {
            at: moment.now.to_rfc3339(),
            position: dossier.through.0,
            current: moment.current,
            policy: policy.hash(),
        },
        results: listing.results,
    })
}

fn person(who: &Demographics, chart: &Chart<'_>) -> PersonView {
    let birth = who.birth.as_ref().map(|birth| birth.expose());
    let age = chart
        .anchors
        .last()
        .and_then(|anchor| age_at(birth, anchor.observed.date).shown());
    PersonView {
        name: who.name.as_ref().map(|name| name.expose().clone()),
        birth_date: birth.map(birth_date),
        sex: who.sex.as_ref().map(|sex| match sex.expose() {
            Sex::Female => "F",
            Sex::Male => "M",
        }),
        age,
        deceased: who.dead,
        identity_unreliable: who.unreliable,
        identity_deleted: who.deleted,
    }
}

/// The sentence of the newest IgM that is for review for this reason; of a low IgM that fits no
/// class the verdict's sentence says it, so there is none here.
fn review_text(word: &str, chart: &Chart<'_>) -> Option<String> {
    use super::clinical::observation::Analyte;
    use super::clinical::state::State;
    chart
        .results
        .iter()
        .filter(|result| result.id().analyte == Analyte::IgM)
        .filter_map(|result| match result.state() {
            State::Unknown(why) if why.word() == word => Some((result, why)),
            _ => None,
        })
        .max_by_key(|(result, _)| (result.observed().map(|observed| observed.at), result.id()))
        .map(|(result, why)| reasons::unjudged(result, why))
        .or_else(|| {
            let anchor = chart.anchors.last()?;
            (anchor.verdict.reason == Some("stale_low_other") || word == "unclassified")
                .then(|| "The newest IgM is low, but its panel shows no class.".to_owned())
        })
}

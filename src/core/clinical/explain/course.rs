//! Sentences about the course of an episode: what came after the first sight.

use super::{as_sent, bare, day, day_of, hints, same_value, value, with_others};
use crate::core::clinical::chart::Anchor;
use crate::core::clinical::classify::{Classification, subclass_qualifier};
use crate::core::clinical::panel::JudgedResult;
use crate::core::clinical::reasons::short;
use crate::core::clinical::state::{IntervalSource, State};

/// `Persistent isolated low IgM: …` of two samples.
pub fn confirmed(earlier: &Anchor<'_>, later: &Anchor<'_>) -> String {
    let days = later.since(earlier).whole_days();
    let (from, to) = (earlier.observed.date, later.observed.date);
    let from = if from.year() == to.year() {
        from.strftime("%-d %b").to_string()
    } else {
        day(from)
    };
    let both = earlier.is_complete() && later.is_complete();
    let others = if both {
        "IgG and IgA normal on both"
    } else {
        "IgG and IgA normal on one of them and not low on the other as far as measured"
    };
    format!(
        "Persistent isolated low IgM: {} on {} and {} on {} ({days} days apart), {others}. {}.",
        value(earlier.igm),
        from,
        value(later.igm),
        day(to),
        unseen(later)
    )
}

fn unseen(anchor: &Anchor<'_>) -> &'static str {
    match subclass_qualifier(&anchor.panel) {
        "subclass_low" => "An IgG subclass is low; vaccine responses not seen in the feed",
        "subclasses_normal" => "IgG subclasses normal; vaccine responses not seen in the feed",
        _ => "IgG subclasses and vaccine responses not seen in the feed",
    }
}

/// `IgM was low alone since 3 Jan 2026; IgG is now also low (5.1 g/L, limit 7.0).`
pub fn progressed(since: jiff::civil::Date, anchor: &Anchor<'_>) -> String {
    let changes: Vec<_> = [("IgG", &anchor.panel.igg), ("IgA", &anchor.panel.iga)]
        .into_iter()
        .filter_map(|(name, part)| {
            let result = part.result()?;
            let (text, limit) = match part.state()? {
                State::Low => ("now also low", result.judged.limits.low),
                State::High => ("now high", result.judged.limits.high),
                State::Normal | State::NotLow | State::Unknown(_) => return None,
            };
            let limit =
                limit.map_or_else(String::new, |limit| format!(", limit {}", as_sent(limit)));
            Some(format!("{name} is {text} ({}{limit})", value(result)))
        })
        .collect();
    format!(
        "IgM was low alone since {}; {}.{}",
        day(since),
        changes.join(" and "),
        hints(anchor)
    )
}

/// `IgM 0.62 g/L on 4 Apr 2026 is within the lab's interval; episode of 3 Jan 2026 closed.`
pub fn resolved(opened: jiff::civil::Date, anchor: &Anchor<'_>) -> String {
    let interval = match anchor.igm.judged.interval_source {
        Some(IntervalSource::Obx7 | IntervalSource::Flag) | None => "the lab's interval",
        Some(IntervalSource::Site) => "the site's interval",
        Some(IntervalSource::BuiltIn) => "the built-in interval",
    };
    let how = match anchor.igm.state() {
        State::High => format!("is above {interval}"),
        State::NotLow => format!("is not below {interval}"),
        State::Low | State::Normal | State::Unknown(_) => format!("is within {interval}"),
    };
    format!(
        "IgM {} on {} {how}; episode of {} closed.",
        value(anchor.igm),
        day(anchor.observed.date),
        day(opened)
    )
}

/// The low IgM of an episode is seen again soon after it had resolved.
pub fn reopened(anchor: &Anchor<'_>) -> String {
    format!(
        "IgM is low again: {} on {}; the episode is open again.",
        value(anchor.igm),
        day(anchor.observed.date)
    )
}

/// Two identities with an open episode each are one person now (CLINICAL 9.6).
pub fn merged() -> String {
    "Two identities of one patient were merged; the episode that opened first goes on.".to_owned()
}

/// What became of the result that opened a retracted episode.
pub enum Fate<'r, 'a> {
    /// No version of it stands any more; the last one that did is given where known.
    Withdrawn(Option<&'r JudgedResult<'a>>),
    /// It stands, but says something else now; the version before is given where known.
    Changed {
        /// As it was.
        before: Option<&'r JudgedResult<'a>>,
        /// As it stands.
        now: &'r JudgedResult<'a>,
    },
    /// It is still low, but not alone (CLINICAL 9.3).
    Reclassified(&'r Anchor<'a>),
    /// It belongs to somebody else now.
    Moved,
}

/// `Withdrawn: the laboratory corrected IgM from 0.21 to 1.21 g/L (sample of 3 Jan 2026).`
pub fn retracted(fate: &Fate<'_, '_>) -> String {
    match fate {
        Fate::Withdrawn(Some(before)) => format!(
            "Withdrawn: the laboratory took back IgM {} (sample of {}).",
            value(before),
            day_of(before)
        ),
        Fate::Withdrawn(None) => "Withdrawn: the laboratory took back the IgM result.".to_owned(),
        Fate::Changed { before, now } => {
            let sample = day_of(now);
            if let State::Unknown(why) = now.state() {
                return format!(
                    "Withdrawn: IgM of {sample} can no longer be judged ({}).",
                    short(why)
                );
            }
            match before {
                Some(before) if !same_value(before, now) => format!(
                    "Withdrawn: the laboratory corrected IgM from {} to {} (sample of {sample}).",
                    bare(before),
                    value(now)
                ),
                Some(_) | None => format!(
                    "Withdrawn: IgM {} of {sample} is not low by what is known now of its interval, \
                     or of the patient's age or sex.",
                    value(now)
                ),
            }
        }
        Fate::Reclassified(anchor) => match anchor.verdict.classification {
            Classification::Indeterminate => format!(
                "Withdrawn as isolated low IgM (sample of {}): with what is known now of IgG and IgA \
                 isolation cannot be told.",
                day(anchor.observed.date)
            ),
            _ => format!(
                "Withdrawn as isolated low IgM: the sample of {} is now read as low IgM {}.{}",
                day(anchor.observed.date),
                with_others(anchor),
                hints(anchor)
            ),
        },
        Fate::Moved => "Withdrawn: the IgM result no longer belongs to this patient.".to_owned(),
    }
}

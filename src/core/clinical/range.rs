//! Stand-in: the range in OBX-7.

use super::observation::ReportedRange;
use super::words::Words;
use super::{Limits, Unit};

/// What was read.
#[derive(Debug, Clone)]
pub struct RangeReading {
    /// The range.
    pub range: ReportedRange,
    /// `range_single`, `range_unparsed`.
    pub count: Option<&'static str>,
}

/// Reads a range.
pub fn read_range(
    repetitions: &[Vec<String>],
    _unit: &Unit,
    _decimal: Option<char>,
    _words: &Words,
) -> RangeReading {
    let text = repetitions
        .first()
        .and_then(|r| r.first())
        .cloned()
        .unwrap_or_default()
        .replace('–', "-");
    if text.is_empty() {
        return RangeReading {
            range: ReportedRange::None,
            count: None,
        };
    }
    if let Some((low, high)) = text.split_once('-')
        && let (Ok(low), Ok(high)) = (low.trim().parse(), high.trim().parse())
    {
        return RangeReading {
            range: ReportedRange::Plain(Limits {
                low: Some(low),
                high: Some(high),
            }),
            count: None,
        };
    }
    RangeReading {
        range: ReportedRange::None,
        count: Some("range_unparsed"),
    }
}

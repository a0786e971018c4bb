//! Which messages are wanted: by time, feed, type and control id.

use crate::core::fact::Received;
use crate::core::hl7::envelope::RawMessage;
use crate::core::time::Timestamp;

/// What is wanted; what is not given is not asked.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Received at this time or later: `2026-11-24`, `2026-11-24T08:30:00Z`; without an offset, UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Received before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// From this feed: MSH-3, or MSH-3/MSH-4
    #[arg(long, value_name = "FEED")]
    feed: Option<String>,
    /// Of this type: MSH-9 from its beginning, such as `ORU` or `ORU^R01`
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// With this control id (MSH-10)
    #[arg(long, value_name = "ID")]
    control_id: Option<String>,
}

/// A time as people write it.
fn time(text: &str) -> Result<Timestamp, String> {
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    });
    at.map(Timestamp::from_jiff).ok_or_else(|| {
        "expected a time such as `2026-11-24` or `2026-11-24T08:30:00+01:00`".to_owned()
    })
}

impl Selection {
    /// Whether a time is within the bounds.
    pub(super) fn holds_time(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }

    /// Whether only messages can be meant, of which a header can be read.
    pub(super) const fn asks_header(&self) -> bool {
        self.feed.is_some() || self.kind.is_some() || self.control_id.is_some()
    }

    /// Whether a message is wanted.
    pub(super) fn holds(&self, received: &Received) -> bool {
        if !self.holds_time(received.received_at) {
            return false;
        }
        if !self.asks_header() {
            return true;
        }
        RawMessage::read(&received.raw).is_some_and(|message| self.holds_header(&message))
    }

    fn holds_header(&self, message: &RawMessage<'_>) -> bool {
        let field = |number| String::from_utf8_lossy(message.header.field(number));
        let feed = |wanted: &String| {
            let application = field(3);
            application == wanted.as_str() || *wanted == format!("{application}/{}", field(4))
        };
        let kind = |wanted: &String| {
            let component = message.header.encoding(0).map_or('^', char::from);
            let found = field(9);
            let rest = found.strip_prefix(wanted.replace('^', &component.to_string()).as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(component))
        };
        self.feed.as_ref().is_none_or(feed)
            && self.kind.as_ref().is_none_or(kind)
            && self
                .control_id
                .as_ref()
                .is_none_or(|wanted| field(10) == wanted.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fact::Origin;

    fn received(raw: &'static str) -> Received {
        Received {
            origin: Origin {
                listener: "lab".to_owned(),
                peer: "192.0.2.1:1".to_owned(),
            },
            received_at: time("2026-11-24T08:00:00Z").unwrap(),
            part: (0, 1),
            raw: raw.into(),
        }
    }

    fn wants(change: impl FnOnce(&mut Selection)) -> bool {
        let mut selection = Selection {
            from: None,
            to: None,
            feed: None,
            kind: None,
            control_id: None,
        };
        change(&mut selection);
        selection.holds(&received(
            "MSH|^~\\&|LAB|HOSP|||20261124||ORU^R01^ORU_R01|42|P|2.5\r",
        ))
    }

    #[test]
    fn each_filter_holds_what_it_says() {
        assert!(wants(|_| {}));
        for (feed, held) in [
            ("LAB", true),
            ("LAB/HOSP", true),
            ("LAB/X", false),
            ("LA", false),
        ] {
            assert_eq!(wants(|s| s.feed = Some(feed.to_owned())), held, "{feed}");
        }
        for (kind, held) in [
            ("ORU", true),
            ("ORU^R01", true),
            ("OR", false),
            ("ORU^R0", false),
        ] {
            assert_eq!(wants(|s| s.kind = Some(kind.to_owned())), held, "{kind}");
        }
        for (id, held) in [("42", true), ("4", false)] {
            assert_eq!(wants(|s| s.control_id = Some(id.to_owned())), held, "{id}");
        }
    }

    #[test]
    fn from_counts_and_to_does_not() {
        let at = |text| Some(time(text).unwrap());
        assert!(wants(|s| s.from = at("2026-11-24T09:00:00+01:00")));
        assert!(!wants(|s| s.from = at("2026-11-24T08:00:01")));
        assert!(!wants(|s| s.to = at("2026-11-24T08:00:00Z")));
        assert!(wants(|s| s.to = at("2026-11-25")));
        assert!(time("yesterday").is_err());
    }
}

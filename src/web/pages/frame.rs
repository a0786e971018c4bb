//! What all pages have around their content.

use crate::web::Seen;
use crate::web::access::{Asking, Way};
use jiff::tz::TimeZone;

/// One entry of the navigation.
pub(in crate::web) struct Nav {
    pub href: &'static str,
    pub label: &'static str,
    pub here: bool,
}

/// Title, navigation, who is signed in, and what an operator must act on.
pub(in crate::web) struct Frame {
    pub title: String,
    pub site: String,
    pub zone: String,
    pub signed_in: bool,
    pub who: String,
    pub has_session: bool,
    pub csrf: String,
    pub nav: Vec<Nav>,
    pub notices: Vec<(String, String)>,
    time: TimeZone,
}

/// Where several instances share a stream, and only there.
const CLUSTER: &str = "/cluster";

const NAV: [(&str, &str); 7] = [
    ("/", "Worklist"),
    ("/messages", "Messages"),
    ("/feeds", "Feeds"),
    ("/queue", "Queue"),
    (CLUSTER, "Cluster"),
    ("/quarantine", "Quarantine"),
    ("/audit", "Audit"),
];

impl Frame {
    /// `here` is the entry of the navigation that the page belongs to.
    pub(in crate::web) fn new(
        seen: &Seen,
        asking: Option<&Asking>,
        title: &str,
        here: &str,
    ) -> Self {
        let policy = seen.policy.borrow();
        let site = &policy.site;
        Self {
            title: title.to_owned(),
            site: site.name.clone(),
            zone: site.timezone.clone(),
            signed_in: asking.is_some(),
            who: asking.map_or(String::new(), |asking| asking.who.name.clone()),
            has_session: asking.is_some_and(|one| matches!(one.way, Way::Session { .. })),
            csrf: asking.map_or(String::new(), |asking| seen.access.csrf(asking)),
            nav: NAV
                .into_iter()
                .filter(|(href, _)| *href != CLUSTER || seen.cluster.is_some())
                .map(|(href, label)| Nav {
                    href,
                    label,
                    here: href == here,
                })
                .collect(),
            notices: Vec::new(),
            time: site.zone.clone(),
        }
    }

    /// With what an operator must act on, at the top of the page.
    pub(in crate::web) fn with_notices(mut self, seen: &Seen) -> Self {
        let notices = seen.notices.list().into_iter();
        self.notices = notices
            .map(|notice| {
                let since = self.local(&notice.since.to_rfc3339());
                let word = notice.kind.word().replace('_', " ");
                let text = format!("{} (since {since})", notice.text);
                (sentence(&word), text)
            })
            .collect();
        self
    }

    /// An instant (RFC 3339) in the site's time, to the minute; what is none stays as it is.
    pub(in crate::web) fn local(&self, text: &str) -> String {
        self.civil(text, "%Y-%m-%d %H:%M")
    }

    /// The same to the second.
    pub(in crate::web) fn to_the_second(&self, text: &str) -> String {
        self.civil(text, "%Y-%m-%d %H:%M:%S")
    }

    /// Its day.
    pub(in crate::web) fn day(&self, text: &str) -> String {
        self.civil(text, "%Y-%m-%d")
    }

    fn civil(&self, text: &str, form: &str) -> String {
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => at
                .to_zoned_datetime(self.time.clone())
                .strftime(form)
                .to_string(),
            Err(_) => text.to_owned(),
        }
    }
}

/// With a capital letter.
pub(in crate::web) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

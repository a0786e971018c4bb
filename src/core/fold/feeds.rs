//! Feeds: what each message says of the one who sent it.

use super::apply::Fold;
use super::keys;
use super::overlay::Overlay;
use super::state::{State, StateError};
use super::tables;
use crate::core::extract::Extraction;
use crate::core::fact::Received;
use crate::core::feed::{FeedMark, Rhythm};
use crate::core::policy::Policy;

impl Fold<'_> {
    /// Notes that a feed is alive. A message whose header gave no feed is none's.
    pub(super) fn heard(
        &mut self,
        message: &Received,
        extraction: &Extraction,
        policy: &Policy,
    ) -> Result<(), StateError> {
        if extraction.feed.is_empty() {
            return Ok(());
        }
        let (listener, feed) = (&message.origin.listener, &extraction.feed);
        let key = keys::named_pair(keys::FEEDS, listener, feed);
        let mut mark: FeedMark = self.overlay.load(tables::FEEDS, &key)?.unwrap_or_default();
        let over = mark.hear(
            message.received_at,
            extraction.sent_at,
            &message.origin.peer,
            &policy.site.zone,
        );
        if let Some(over) = over {
            let key = keys::named_pair(keys::RHYTHMS, listener, feed);
            let rhythm: Option<Rhythm> = self.overlay.load(tables::RHYTHMS, &key)?;
            let mut rhythm = rhythm.unwrap_or_default();
            rhythm.add(over);
            self.overlay.store(tables::RHYTHMS, key, &rhythm)?;
        }
        let skew_seconds = mark.skew_micros.map(|micros| micros as f64 / 1e6);
        self.effects
            .feeds
            .insert((listener.clone(), feed.clone()), (mark.last, skew_seconds));
        self.overlay.store(tables::FEEDS, key, &mark)
    }
}

/// A feed heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The listener.
    pub listener: String,
    /// `MSH-3/MSH-4`.
    pub name: String,
    /// Its last message, and its clock.
    pub mark: FeedMark,
    /// Its week.
    pub rhythm: Rhythm,
}

/// Every feed heard, by listener and `MSH-3/MSH-4`.
pub fn feeds(state: &dyn State) -> Result<Vec<Feed>, StateError> {
    let overlay = Overlay::new(state);
    let mut feeds = Vec::new();
    for (key, bytes) in overlay.scan_all(&[keys::FEEDS])? {
        let names = key.get(1..).and_then(|rest| {
            let (listener, rest) = keys::read_text(rest)?;
            let (feed, _) = keys::read_text(rest)?;
            Some((listener, feed))
        });
        let Some((listener, name)) = names else {
            continue;
        };
        let mark = super::codec::decode(tables::FEEDS, &bytes)?;
        let rhythm = keys::named_pair(keys::RHYTHMS, &listener, &name);
        let rhythm = overlay.load(tables::RHYTHMS, &rhythm)?.unwrap_or_default();
        feeds.push(Feed {
            listener,
            name,
            mark,
            rhythm,
        });
    }
    Ok(feeds)
}

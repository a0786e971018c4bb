//! What laboratory systems answered to messages that a relay passed on (WIRE P-5): refusals, to be shown
//! beside the results of the message. Nothing is decided by them.

use super::overlay::Overlay;
use super::state::StateError;
use super::{keys, tables};
use crate::core::fact::{JournalPosition, LisAck};
use std::collections::BTreeMap;

/// Refusals kept; beyond that the oldest go. A system that refuses every message must not let the state
/// grow with the feed.
const KEPT: u64 = 65_536;

/// Notes a refusal; other answers are not kept here.
pub(super) fn note(
    overlay: &mut Overlay<'_>,
    message: JournalPosition,
    code: LisAck,
) -> Result<(), StateError> {
    note_within(overlay, message, code, KEPT)
}

fn note_within(
    overlay: &mut Overlay<'_>,
    message: JournalPosition,
    code: LisAck,
    most: u64,
) -> Result<(), StateError> {
    if !code.is_negative() {
        return Ok(());
    }
    let key = keys::answer(message);
    let is_new = overlay.get(&key)?.is_none();
    overlay.store(tables::ANSWERS, key, &code)?;
    if !is_new {
        return Ok(());
    }
    let meta = keys::named(keys::META, tables::META_ANSWERS);
    let kept: Option<u64> = overlay.load(tables::META, &meta)?;
    let kept = kept.unwrap_or_default();
    if kept < most {
        return overlay.store(tables::META, meta, &kept.saturating_add(1));
    }
    for (oldest, _) in overlay.scan(&[keys::ANSWERS], &[], 1)? {
        overlay.delete(oldest);
    }
    Ok(())
}

/// The refusals of these messages.
pub(super) fn of(
    overlay: &Overlay<'_>,
    messages: impl Iterator<Item = JournalPosition>,
) -> Result<BTreeMap<JournalPosition, LisAck>, StateError> {
    let mut found = BTreeMap::new();
    for message in messages {
        let code: Option<LisAck> = overlay.load(tables::ANSWERS, &keys::answer(message))?;
        found.extend(code.map(|code| (message, code)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fold::testing::Plain;

    #[test]
    fn only_refusals_are_kept_and_the_oldest_go_first() {
        let state = Plain::default();
        let mut overlay = Overlay::new(&state);
        let codes = [
            (1, LisAck::Ae),
            (2, LisAck::Aa),
            (3, LisAck::Cr),
            (3, LisAck::Ar),
            (4, LisAck::Other),
            (5, LisAck::Ce),
            (6, LisAck::Ca),
        ];
        for (message, code) in codes {
            note_within(&mut overlay, JournalPosition(message), code, 2).unwrap();
        }
        let found = of(&overlay, (0..10).map(JournalPosition)).unwrap();
        let expected = [(3, LisAck::Ar), (5, LisAck::Ce)];
        assert_eq!(
            found,
            expected
                .map(|(at, code)| (JournalPosition(at), code))
                .into()
        );
        let all = overlay.scan_all(&[]).unwrap();
        assert!(
            all.iter()
                .all(|(key, value)| tables::verify(key, value).is_ok())
        );
    }
}

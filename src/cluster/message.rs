//! Records as messages: meta and raw bytes one behind the other, sealed where there is a key, and what they are
//! in the headers.

use crate::core::fact::JournalPosition;
use crate::journal::{Encoded, Record};
use crate::seal::{CIPHER, KeyId, Keyring, Sealer};
use async_nats::HeaderMap;
use bytes::Bytes;
use std::io;

/// Version of this form, kind, version of the kind, bytes of the meta part.
const FACT: &str = "Pentamer-Fact";
/// Which publication this is: instance, its start, a number.
pub(super) const FROM: &str = "Pentamer-From";
/// The epoch of the holder that decided.
pub(super) const EPOCH: &str = "Pentamer-Epoch";
/// The key that the payload is sealed with.
const SEALED: &str = "Pentamer-Sealed";
/// Where the parts of the payload are.
pub(super) const PARTS: &str = "Pentamer-Parts";
/// The version of this form.
const FORM: u8 = 1;

/// A record on its way to the stream.
#[derive(Debug, Clone)]
pub(super) struct Going {
    pub encoded: Encoded,
    /// `Nats-Msg-Id`.
    pub id: String,
    pub from: String,
    pub epoch: Option<u64>,
}

/// A record out of the stream.
#[derive(Debug, Clone)]
pub(super) struct Coming {
    pub record: Record,
    pub id: String,
    pub from: String,
}

/// What a sealed payload belongs to: it cannot be taken for that of another site or kind.
fn belongs_to(site: &str, kind: u8, version: u8, meta: usize) -> Vec<u8> {
    format!("stream {FORM} {kind} {version} {meta} {site}").into_bytes()
}

pub(super) fn pack(
    going: &Going,
    site: &str,
    sealer: Option<&Sealer>,
) -> io::Result<(HeaderMap, Bytes)> {
    let Encoded {
        kind,
        version,
        meta,
        raw,
    } = &going.encoded;
    let mut headers = HeaderMap::new();
    headers.insert(FACT, format!("{FORM} {kind} {version} {}", meta.len()));
    headers.insert(async_nats::header::NATS_MESSAGE_ID, going.id.as_str());
    headers.insert(FROM, going.from.as_str());
    if let Some(epoch) = going.epoch {
        headers.insert(EPOCH, epoch.to_string());
    }
    let mut payload = Vec::with_capacity(meta.len() + raw.len() + crate::seal::OVERHEAD);
    match sealer {
        Some(sealer) => {
            headers.insert(SEALED, sealer.id().to_string());
            let belongs_to = belongs_to(site, *kind, *version, meta.len());
            sealer.seal(&belongs_to, &[meta, raw], &mut payload)?;
        }
        None => {
            payload.extend_from_slice(meta);
            payload.extend_from_slice(raw);
        }
    }
    Ok((headers, payload.into()))
}

/// # Errors
/// In words.
pub(super) fn unpack(
    sequence: u64,
    headers: &HeaderMap,
    payload: Bytes,
    site: &str,
    keys: &Keyring,
) -> Result<Coming, String> {
    let text = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    let fact = text(FACT).ok_or("it is no fact")?;
    let numbers: Option<Vec<usize>> = fact.split(' ').map(|one| one.parse().ok()).collect();
    let Some([form, kind, version, meta]) = numbers.as_deref() else {
        return Err("it is no fact".to_owned());
    };
    if *form != usize::from(FORM) {
        return Err(format!(
            "it has form {form}, and this version knows form {FORM}"
        ));
    }
    let byte = |number: usize| u8::try_from(number).map_err(|_| "it is no fact".to_owned());
    let (kind, version) = (byte(*kind)?, byte(*version)?);
    let payload = match text(SEALED) {
        None => payload,
        Some(id) => {
            let id = key_id(&id).ok_or("the key that it is sealed with is not told")?;
            let sealer = keys.opener(CIPHER, id).map_err(|fault| fault.to_string())?;
            let mut opened = Vec::new();
            let belongs_to = belongs_to(site, kind, version, *meta);
            let open = sealer.open(&belongs_to, &payload, &mut opened);
            open.map_err(|fault| fault.to_string())?;
            opened.into()
        }
    };
    if payload.len() < *meta {
        return Err("it is cut off".to_owned());
    }
    Ok(Coming {
        record: Record {
            position: JournalPosition(sequence),
            kind,
            version,
            meta: payload.slice(..*meta),
            raw: payload.slice(*meta..),
        },
        id: text("Nats-Msg-Id").unwrap_or_default(),
        from: text(FROM).unwrap_or_default(),
    })
}

fn key_id(text: &str) -> Option<KeyId> {
    let byte = |at: usize| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..8).map(byte).collect();
    Some(KeyId(bytes?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn going() -> Going {
        Going {
            encoded: Encoded {
                kind: 1,
                version: 1,
                meta: b"{\"a\":1}".to_vec(),
                raw: Bytes::from_static(b"MSH|"),
            },
            id: "id".to_owned(),
            from: "a.1.2".to_owned(),
            epoch: Some(7),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_went() {
        let (headers, payload) = pack(&going(), "site", None).unwrap();
        assert_eq!(headers.get(EPOCH).unwrap().as_str(), "7");
        let back = unpack(9, &headers, payload, "site", &Keyring::none()).unwrap();
        assert_eq!(back.record.position, JournalPosition(9));
        assert_eq!(&back.record.meta[..], b"{\"a\":1}");
        assert_eq!(&back.record.raw[..], b"MSH|");
        assert_eq!((back.id.as_str(), back.from.as_str()), ("id", "a.1.2"));
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_is_of_its_site() {
        let keys = Keyring::parse(KEY).unwrap();
        let (headers, payload) = pack(&going(), "site", keys.sealer()).unwrap();
        assert!(!payload.windows(4).any(|four| four == b"MSH|"));
        let open = |site: &str, keys: &Keyring| unpack(9, &headers, payload.clone(), site, keys);
        assert_eq!(&open("site", &keys).unwrap().record.raw[..], b"MSH|");
        assert!(open("other", &keys).is_err());
        assert!(open("site", &Keyring::none()).is_err());
    }

    #[test]
    fn other_messages_are_told_apart() {
        let none = Keyring::none();
        assert!(unpack(1, &HeaderMap::new(), Bytes::new(), "s", &none).is_err());
        let (headers, payload) = pack(&going(), "s", None).unwrap();
        assert!(unpack(1, &headers, payload.slice(..3), "s", &none).is_err());
        let mut newer = headers.clone();
        newer.insert(FACT, "2 1 1 7");
        let why = unpack(1, &newer, payload, "s", &none).unwrap_err();
        assert!(why.contains("form 2"), "{why}");
    }
}

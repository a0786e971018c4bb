//! Facts as records: a JSON meta part, which evolves by serde's defaults, and the raw bytes of a
//! message, which are never encoded again.

pub(crate) mod kind;
mod meta;

use self::kind::VERSION;
pub(crate) use self::kind::{Kind, is_fact, known};
use self::meta::{
    DeadlineMeta, DeliveryMeta, LisAnsweredMeta, PolicyMeta, ReceivedMeta, RefusedMeta,
    SeenAgainMeta, StartedMeta,
};
use super::duplicates::Fingerprint;
use super::error::{AppendError, DecodeError};
use super::layout::MAX_PAYLOAD;
use crate::core::audit::{Audited, Noted, Retried};
use crate::core::fact::{Decided, Fact, Gap, MergeUndone, Origin, Received, Refused};
use crate::core::lookback::{Primed, Reassessed};
use crate::core::time::Timestamp;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// A fact as a record, that of a message without a fingerprint.
pub(crate) fn encode_fact(fact: &Fact) -> Result<Encoded, AppendError> {
    encode(fact, None)
}

/// A record without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub kind: u8,
    pub version: u8,
    pub meta: Vec<u8>,
    pub raw: Bytes,
}

impl Encoded {
    /// Bytes of the payload.
    pub fn payload(&self) -> u64 {
        self.meta.len() as u64 + self.raw.len() as u64
    }

    /// A record that only says what is durable.
    pub fn mark() -> Self {
        Self {
            kind: Kind::Mark as u8,
            version: VERSION,
            meta: Vec::new(),
            raw: Bytes::new(),
        }
    }
}

fn record(kind: Kind, meta: &impl Serialize, raw: &Bytes) -> Result<Encoded, AppendError> {
    let Ok(meta) = serde_json::to_vec(meta) else {
        return Err(AppendError::NotEncodable { kind: kind.word() });
    };
    let encoded = Encoded {
        kind: kind as u8,
        version: VERSION,
        meta,
        raw: raw.clone(),
    };
    let len = encoded.payload();
    if len > MAX_PAYLOAD {
        return Err(AppendError::TooLarge {
            len,
            max: MAX_PAYLOAD,
        });
    }
    Ok(encoded)
}

/// A fact as a record; the fingerprint is kept with a received message only.
pub(crate) fn encode(
    fact: &Fact,
    fingerprint: Option<&Fingerprint>,
) -> Result<Encoded, AppendError> {
    let none = Bytes::new();
    match fact {
        Fact::Received(received) => {
            let meta = ReceivedMeta {
                listener: received.origin.listener.clone(),
                peer: received.origin.peer.clone(),
                at: received.received_at,
                part: received.part,
                content: fingerprint.map(|f| format!("{:032x}", f.content)),
                control: fingerprint
                    .and_then(|f| f.control)
                    .map(|c| format!("{c:016x}")),
            };
            record(Kind::Received, &meta, &received.raw)
        }
        Fact::SeenAgain {
            first,
            origin,
            received_at,
        } => {
            let meta = SeenAgainMeta {
                first: *first,
                listener: origin.listener.clone(),
                peer: origin.peer.clone(),
                at: *received_at,
            };
            record(Kind::SeenAgain, &meta, &none)
        }
        Fact::Refused(refused) => {
            let meta = RefusedMeta {
                listener: refused.origin.listener.clone(),
                peer: refused.origin.peer.clone(),
                at: refused.received_at,
                reason: refused.reason,
                total_len: refused.total_len,
            };
            record(Kind::Refused, &meta, &refused.raw)
        }
        Fact::Decided(decided) => record(Kind::Decided, decided, &none),
        Fact::Attempted { sink, alert_id, at } => {
            record(Kind::Attempted, &delivery(sink, alert_id, *at, ""), &none)
        }
        Fact::Delivered { sink, alert_id, at } => {
            record(Kind::Delivered, &delivery(sink, alert_id, *at, ""), &none)
        }
        Fact::Dead {
            sink,
            alert_id,
            at,
            reason,
        } => record(Kind::Dead, &delivery(sink, alert_id, *at, reason), &none),
        Fact::PolicyChanged { policy, at } => {
            let meta = PolicyMeta {
                policy: policy.clone(),
                at: *at,
            };
            record(Kind::PolicyChanged, &meta, &none)
        }
        Fact::Started { version, at } => {
            let meta = StartedMeta {
                version: version.clone(),
                at: *at,
            };
            record(Kind::Started, &meta, &none)
        }
        Fact::MergeUndone(undone) => record(Kind::MergeUndone, undone, &none),
        Fact::Deadline { at } => record(Kind::Deadline, &DeadlineMeta { at: *at }, &none),
        Fact::Gap(gap) => record(Kind::Gap, gap, &none),
        Fact::Audited(audited) => record(Kind::Audited, audited, &none),
        Fact::Noted(noted) => record(Kind::Noted, noted, &none),
        Fact::Retried(retried) => record(Kind::Retried, retried, &none),
        Fact::Primed(primed) => record(Kind::Primed, primed, &none),
        Fact::Reassessed(fact) => record(Kind::Reassessed, fact, &none),
        Fact::Held(fact) => record(Kind::Held, fact, &none),
        Fact::LisAnswered {
            message,
            code,
            at,
            after_micros,
        } => {
            let meta = LisAnsweredMeta {
                message: *message,
                code: *code,
                at: *at,
                after_micros: *after_micros,
            };
            record(Kind::LisAnswered, &meta, &none)
        }
        Fact::Acknowledged(fact) => record(Kind::Acknowledged, fact, &none),
        Fact::Muted(fact) => record(Kind::Muted, fact, &none),
        Fact::Unmuted(fact) => record(Kind::Unmuted, fact, &none),
        Fact::SinksSeen(fact) => record(Kind::SinksSeen, fact, &none),
        Fact::Requeued(fact) => record(Kind::Requeued, fact, &none),
        Fact::Replayed(fact) => record(Kind::Replayed, fact, &none),
        Fact::Passed(fact) => record(Kind::Passed, fact, &none),
        Fact::Escalated(fact) => record(Kind::Escalated, fact, &none),
    }
}

fn delivery(sink: &str, alert_id: &str, at: Timestamp, reason: &str) -> DeliveryMeta {
    DeliveryMeta {
        sink: sink.to_owned(),
        alert_id: alert_id.to_owned(),
        at,
        reason: reason.to_owned(),
    }
}

fn meta<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(bytes).map_err(|_| DecodeError::Meta { kind: kind.word() })
}

/// The fact in a whole record.
pub(crate) fn decode(
    number: u8,
    version: u8,
    bytes: &[u8],
    raw: &[u8],
) -> Result<Fact, DecodeError> {
    let kind = known(number, version)?;
    Ok(match kind {
        Kind::Mark => return Err(DecodeError::UnknownKind { kind: number }),
        Kind::Received => {
            let meta: ReceivedMeta = meta(kind, bytes)?;
            Fact::Received(Received {
                origin: origin(meta.listener, meta.peer),
                received_at: meta.at,
                part: meta.part,
                raw: Bytes::copy_from_slice(raw),
            })
        }
        Kind::SeenAgain => {
            let meta: SeenAgainMeta = meta(kind, bytes)?;
            Fact::SeenAgain {
                first: meta.first,
                origin: origin(meta.listener, meta.peer),
                received_at: meta.at,
            }
        }
        Kind::Refused => {
            let meta: RefusedMeta = meta(kind, bytes)?;
            Fact::Refused(Refused {
                origin: origin(meta.listener, meta.peer),
                received_at: meta.at,
                reason: meta.reason,
                total_len: meta.total_len,
                raw: Bytes::copy_from_slice(raw),
            })
        }
        Kind::Decided => Fact::Decided(meta::<Decided>(kind, bytes)?),
        Kind::Attempted => {
            let DeliveryMeta {
                sink, alert_id, at, ..
            } = meta(kind, bytes)?;
            Fact::Attempted { sink, alert_id, at }
        }
        Kind::Delivered => {
            let DeliveryMeta {
                sink, alert_id, at, ..
            } = meta(kind, bytes)?;
            Fact::Delivered { sink, alert_id, at }
        }
        Kind::Dead => {
            let DeliveryMeta {
                sink,
                alert_id,
                at,
                reason,
            } = meta(kind, bytes)?;
            Fact::Dead {
                sink,
                alert_id,
                at,
                reason,
            }
        }
        Kind::PolicyChanged => {
            let PolicyMeta { policy, at } = meta(kind, bytes)?;
            Fact::PolicyChanged { policy, at }
        }
        Kind::Started => {
            let StartedMeta { version, at } = meta(kind, bytes)?;
            Fact::Started { version, at }
        }
        Kind::MergeUndone => Fact::MergeUndone(meta::<MergeUndone>(kind, bytes)?),
        Kind::Deadline => {
            let DeadlineMeta { at } = meta(kind, bytes)?;
            Fact::Deadline { at }
        }
        Kind::Gap => Fact::Gap(meta::<Gap>(kind, bytes)?),
        Kind::Audited => Fact::Audited(meta::<Audited>(kind, bytes)?),
        Kind::Noted => Fact::Noted(meta::<Noted>(kind, bytes)?),
        Kind::Retried => Fact::Retried(meta::<Retried>(kind, bytes)?),
        Kind::Primed => Fact::Primed(meta::<Primed>(kind, bytes)?),
        Kind::Reassessed => Fact::Reassessed(meta::<Reassessed>(kind, bytes)?),
        Kind::Held => Fact::Held(meta(kind, bytes)?),
        Kind::LisAnswered => {
            let LisAnsweredMeta {
                message,
                code,
                at,
                after_micros,
            } = meta(kind, bytes)?;
            Fact::LisAnswered {
                message,
                code,
                at,
                after_micros,
            }
        }
        Kind::Acknowledged => Fact::Acknowledged(meta(kind, bytes)?),
        Kind::Muted => Fact::Muted(meta(kind, bytes)?),
        Kind::Unmuted => Fact::Unmuted(meta(kind, bytes)?),
        Kind::SinksSeen => Fact::SinksSeen(meta(kind, bytes)?),
        Kind::Requeued => Fact::Requeued(meta(kind, bytes)?),
        Kind::Replayed => Fact::Replayed(meta(kind, bytes)?),
        Kind::Passed => Fact::Passed(meta(kind, bytes)?),
        Kind::Escalated => Fact::Escalated(meta(kind, bytes)?),
    })
}

fn origin(listener: String, peer: String) -> Origin {
    Origin { listener, peer }
}

/// The fingerprint and time of receipt in the record of a received message.
pub(crate) fn fingerprint(
    number: u8,
    version: u8,
    bytes: &[u8],
) -> Option<(Fingerprint, Timestamp)> {
    let kind = known(number, version).ok()?;
    if kind != Kind::Received {
        return None;
    }
    let meta: ReceivedMeta = meta(kind, bytes).ok()?;
    let content = u128::from_str_radix(&meta.content?, 16).ok()?;
    let control = match meta.control {
        Some(control) => Some(u64::from_str_radix(&control, 16).ok()?),
        None => None,
    };
    Some((Fingerprint { content, control }, meta.at))
}

#[cfg(test)]
mod tests;

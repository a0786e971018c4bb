//! What the instances of all sites say to one another: small values under keys of a bucket, each read and written
//! by itself.

use super::link::{BUCKET, Link, LinkError};
use crate::core::time::Timestamp;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

/// Who may decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Term {
    /// Who has it; `None` where it was given away.
    pub holder: Option<String>,
    /// Who is to have it next; for a term nobody else takes it.
    #[serde(default)]
    pub offered: Option<String>,
    /// Rises by one with every taking.
    pub epoch: u64,
    /// When it was last renewed, by the holder's clock; for people.
    pub at: Timestamp,
}

impl Term {
    /// The holder's name, without its start.
    pub(super) fn name(&self) -> Option<String> {
        let holder = self.holder.as_deref()?;
        let name = holder.rsplit_once('.').map_or(holder, |(name, _)| name);
        Some(name.to_owned())
    }
}

/// What an instance says of itself in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Presence {
    /// `[cluster] stream`.
    pub stream: String,
    /// Its version.
    pub version: String,
    /// Up to here the stream is known to it.
    pub reached: u64,
    /// Facts up to here stand behind both checkpoints that it keeps.
    #[serde(default)]
    pub floor: u64,
    /// It holds the right to decide.
    pub holds: bool,
    /// It takes none.
    pub drained: bool,
    /// What it folded stands at the end of the stream.
    #[serde(default)]
    pub current: bool,
    /// What the site costs, where the right to decide is spread over instances; else `None`.
    #[serde(default)]
    pub weight: Option<u64>,
    /// When it said so.
    pub at: Timestamp,
}

/// Who should have the right to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The instance.
    pub instance: String,
    /// Since when.
    pub at: Timestamp,
}

pub(super) fn presence_key(stream: &str, name: &str) -> String {
    format!("instance.{stream}.{name}")
}

/// Under which each instance of each site says that it is there.
pub(super) const PRESENCE: &str = "instance.";
/// Under which the one is who spreads the right to decide over the instances.
pub(super) const PLANNER: &str = "planner";

pub(super) fn lease_key(stream: &str) -> String {
    format!("lease.{stream}")
}

pub(super) fn plan_key(stream: &str) -> String {
    format!("plan.{stream}")
}

pub(super) fn drain_key(stream: &str, name: &str) -> String {
    format!("drain.{stream}.{name}")
}

/// What stands under a key, and its revision.
pub(super) async fn read<T: serde::de::DeserializeOwned>(
    link: &Link,
    key: &str,
) -> Result<Option<(u64, T)>, LinkError> {
    let subject = format!("$KV.{}.{key}", BUCKET);
    match link.bucket.get_last_raw_message_by_subject(&subject).await {
        Ok(found) => Ok(serde_json::from_slice(&found.payload)
            .ok()
            .map(|value| (found.sequence, value))),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(LinkError::away(error)),
    }
}

/// Puts something under a key: where a revision is given, only in its place. The new revision.
pub(super) async fn write<T: Serialize>(
    link: &Link,
    key: &str,
    value: &T,
    revision: Option<u64>,
) -> Result<u64, LinkError> {
    let subject = format!("$KV.{}.{key}", BUCKET);
    let payload = serde_json::to_vec(value).map_err(LinkError::away)?;
    let mut publish = PublishMessage::build().payload(payload.into());
    if let Some(revision) = revision {
        publish = publish.expected_last_subject_sequence(revision);
    }
    let sent = link.context.send_publish(subject, publish).await;
    match sent.map_err(LinkError::away)?.await {
        Ok(ack) => Ok(ack.sequence),
        Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
            Err(LinkError::Overtaken)
        }
        Err(error) => Err(LinkError::away(error)),
    }
}

/// All keys that begin so, without that beginning.
pub(super) async fn keys(link: &Link, prefix: &str) -> Result<Vec<String>, LinkError> {
    let whole = format!("$KV.{BUCKET}.{prefix}");
    let names = link.bucket.info_with_subjects(format!("{whole}>")).await;
    let mut names = names.map_err(LinkError::away)?;
    let mut found = Vec::new();
    while let Some(one) = names.next().await {
        let (subject, _) = one.map_err(LinkError::away)?;
        found.extend(subject.strip_prefix(&whole).map(str::to_owned));
    }
    Ok(found)
}

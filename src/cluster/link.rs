//! The connection to JetStream, and what a site has there: a stream of facts, one of the parts of those that are
//! larger than a message may be, and a bucket for leases and instances, which all sites share.

use super::message::{self, Coming, Going};
use super::streams::{bucket_config, ensure, facts_config, parts_config};
use crate::clock;
use crate::config::{Cluster, read_secret};
use crate::core::fact::JournalPosition;
use crate::journal::Record;
use crate::seal::Keyring;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{DirectGetErrorKind, RawMessageErrorKind, Stream};
use async_nats::{Client, ConnectOptions, HeaderMap};
use bytes::Bytes;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The bucket of leases and instances.
pub(super) const BUCKET: &str = "PENTAMER";
/// How long JetStream itself knows the id of a message again.
pub(super) const DUPLICATES_FOR: Duration = Duration::from_secs(600);
/// A connection over which nothing comes for two of these is made anew.
const PING: Duration = Duration::from_secs(2);
/// Bytes of a message beside meta and raw: headers and the protocol's own.
const OVERHEAD: usize = 1 << 10;
/// The oldest `nats-server` whose copies of a stream are known to stay the same while the network between them is cut
/// and heals, as `tests/e2e/cluster/parted.rs` has it. With 2.9.10 they come apart: another message stands at the same
/// sequence on each, and instances that read from different ones know different facts.
pub const FIT: [u32; 3] = [2, 10, 25];
/// How long a message is waited for from whichever server is asked, before the leader is.
const ANY_WITHIN: Duration = Duration::from_millis(300);
/// So long the leader alone is asked after that was in vain: one server that is cut off is still sent its share of the
/// questions by the others.
const LEADER_FOR: Duration = Duration::from_secs(5);
/// Acknowledgements on their way at most.
const IN_FLIGHT: usize = 8_192;

/// What is wrong with JetStream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It does not answer, or cannot do it now.
    #[error("JetStream: {0}")]
    Away(String),
    /// The stream is not one of this site's facts.
    #[error("stream `{stream}` is not this site's: {why}")]
    Foreign {
        /// Its name.
        stream: String,
        /// In words.
        why: String,
    },
    /// The credentials cannot be read.
    #[error("credentials: {0}")]
    Credentials(String),
    /// Somebody else has published on this subject since.
    #[error("another one was there before")]
    Overtaken,
    /// What is there cannot be read with the keys that are there.
    #[error("message {sequence} cannot be read: {why}")]
    Unreadable {
        /// Its sequence.
        sequence: u64,
        /// In words.
        why: String,
    },
}

impl LinkError {
    /// Whether trying again can help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Away(_))
    }

    pub(super) fn away(error: impl std::fmt::Display) -> Self {
        Self::Away(error.to_string())
    }
}

/// What was found when the link was made.
#[derive(Debug, Clone)]
pub struct Found {
    /// The first message that the stream keeps.
    pub first: u64,
    /// The stream's last message.
    pub last: JournalPosition,
    /// What tells this stream from one of the same name made later.
    pub identity: String,
    /// The server's version, where it is older than [`FIT`] and the stream is on several.
    pub too_old: Option<String>,
}

/// An acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    pub sequence: u64,
    pub duplicate: bool,
}

/// The way to a site's stream. The connection is made anew by itself.
pub struct Link {
    client: Client,
    pub(super) context: Context,
    pub(super) stream: Stream,
    parts: Stream,
    pub(super) bucket: Stream,
    pub(super) name: String,
    site: String,
    keys: Keyring,
    /// Until then no other server than the leader is asked for messages.
    leader_until: Mutex<Option<Instant>>,
}

impl Link {
    /// Connects, and makes what is not there yet.
    ///
    /// # Errors
    /// [`LinkError::Away`] where trying again can help.
    pub async fn connect(cluster: &Cluster, site: &str) -> Result<(Self, Found), LinkError> {
        let client = client(cluster).await?;
        let builder = match &cluster.domain {
            Some(domain) => ContextBuilder::new()
                .domain(domain)
                .timeout(cluster.timeout),
            None => ContextBuilder::new().timeout(cluster.timeout),
        };
        let builder = builder.max_ack_inflight(IN_FLIGHT);
        let context = builder.backpressure_on_inflight(true).build(client.clone());
        let name = cluster.stream.clone();
        let facts = facts_config(&name, site, cluster.replicas);
        let stream = ensure(&context, facts, site).await?;
        let parts = ensure(&context, parts_config(&name, site, cluster.replicas), site).await?;
        let bucket = ensure(&context, bucket_config(cluster.replicas), "").await?;
        let info = stream.get_info().await.map_err(LinkError::away)?;
        let found = Found {
            first: info.state.first_sequence,
            last: JournalPosition(info.state.last_sequence),
            identity: format!("{name} {}", info.created.unix_timestamp_nanos()),
            too_old: Some(client.server_info().version)
                .filter(|version| info.config.num_replicas > 1 && is_too_old(version)),
        };
        let link = Self {
            client,
            context,
            stream,
            parts,
            bucket,
            name,
            site: site.to_owned(),
            keys: Keyring::none(),
            leader_until: Mutex::default(),
        };
        Ok((link, found))
    }

    /// The same with keys that seal what is stored and open what is read.
    #[must_use]
    pub fn with_keys(self, keys: Keyring) -> Self {
        Self { keys, ..self }
    }

    /// A subject of the site's facts.
    pub(super) fn subject(&self, lane: &str) -> String {
        format!("{}.{lane}", self.name)
    }

    /// First and last sequence of the stream, as its leader has them.
    pub(super) async fn ends(&self) -> Result<(u64, u64), LinkError> {
        let info = self.stream.get_info().await.map_err(LinkError::away)?;
        Ok((info.state.first_sequence, info.state.last_sequence))
    }

    /// First and last sequence of the stream, and the bytes of its facts without the parts of large ones.
    pub(super) async fn extent(&self) -> Result<(u64, u64, u64), LinkError> {
        let state = self.stream.get_info().await.map_err(LinkError::away)?.state;
        Ok((state.first_sequence, state.last_sequence, state.bytes))
    }

    /// Hands a message over; what comes back is its acknowledgement, to be awaited. A large one's parts are stored
    /// before.
    pub(super) async fn publish(
        &self,
        lane: &str,
        expects: Expects,
        going: &Going,
    ) -> Result<Acknowledging, LinkError> {
        let (mut headers, payload) = message::pack(going, &self.site, self.keys.sealer())
            .map_err(|error| LinkError::away(format!("sealing: {error}")))?;
        let payload = self.divide(&mut headers, payload).await?;
        let publish = PublishMessage::build().payload(payload).headers(headers);
        let publish = match expects {
            Expects::Nothing => publish,
            Expects::OnSubject(last) => publish.expected_last_subject_sequence(last),
            Expects::InStream(last) => publish.expected_last_sequence(last),
        };
        let sent = self.context.send_publish(self.subject(lane), publish).await;
        sent.map(Acknowledging).map_err(LinkError::away)
    }

    /// What is too large for one message goes into parts.
    async fn divide(&self, headers: &mut HeaderMap, payload: Bytes) -> Result<Bytes, LinkError> {
        let most = self.client.server_info().max_payload;
        let most = most.saturating_sub(OVERHEAD).max(OVERHEAD);
        if payload.len() <= most {
            return Ok(payload);
        }
        let mut acks = Vec::new();
        for part in 0..payload.len().div_ceil(most) {
            let from = part * most;
            let piece = payload.slice(from..payload.len().min(from + most));
            let subject = format!("{}_PARTS.part", self.name);
            let sent = self.context.publish(subject, piece).await;
            acks.push(sent.map_err(LinkError::away)?);
        }
        let mut places = Vec::new();
        for ack in acks {
            places.push(ack.await.map_err(LinkError::away)?.sequence.to_string());
        }
        headers.insert(message::PARTS, places.join(" "));
        Ok(Bytes::new())
    }

    /// The message with this sequence; `None` where it is not kept (any more). A server that has not got it yet is no
    /// proof of that.
    pub(super) async fn get(&self, sequence: u64) -> Result<Option<Coming>, LinkError> {
        let found = match self.get_from_any(sequence).await {
            Some(found) => Some(found),
            None => match self.stream.get_raw_message(sequence).await {
                Ok(found) => Some(found),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => None,
                Err(error) => return Err(LinkError::away(error)),
            },
        };
        let Some(found) = found else {
            return match self.is_gone(sequence).await? {
                true => Ok(None),
                false => Err(LinkError::away(format!("no server has message {sequence}"))),
            };
        };
        let payload = match found.headers.get(message::PARTS) {
            Some(places) => self.join(sequence, places.as_str()).await?,
            None => found.payload,
        };
        let coming = message::unpack(sequence, &found.headers, payload, &self.site, &self.keys);
        coming
            .map(Some)
            .map_err(|why| LinkError::Unreadable { sequence, why })
    }

    /// From whichever server it is that is asked; `None` where that one lags behind, or does not answer.
    async fn get_from_any(&self, sequence: u64) -> Option<StreamMessage> {
        let leader_until = || {
            self.leader_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let now = clock::monotonic();
        if leader_until().is_some_and(|until| now < until) {
            return None;
        }
        let asked = tokio::time::timeout(ANY_WITHIN, self.stream.direct_get(sequence)).await;
        match asked {
            Ok(Ok(found)) => return Some(found),
            Ok(Err(error)) if error.kind() == DirectGetErrorKind::NotFound => {}
            Ok(Err(_)) | Err(_) => *leader_until() = Some(clock::monotonic() + LEADER_FOR),
        }
        None
    }

    /// Whether a message that was not found is not kept. One server that was cut off may take itself for the leader a
    /// while longer, and has not got what was stored meanwhile: the same answer has to show that its server is beyond
    /// it, by what comes next, or by the list of what was deleted.
    async fn is_gone(&self, sequence: u64) -> Result<bool, LinkError> {
        let next = self.stream.raw_message_builder();
        let next = next.sequence(sequence).next_by_subject(self.subject(">"));
        match next.send().await {
            Ok(found) => return Ok(found.sequence > sequence),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {}
            Err(error) => return Err(LinkError::away(error)),
        }
        let asked = self.stream.info_builder().with_deleted(true).fetch().await;
        let state = asked.map_err(LinkError::away)?.info.state;
        let is_deleted = state.deleted.is_some_and(|all| all.contains(&sequence));
        Ok(sequence < state.first_sequence || is_deleted)
    }

    async fn join(&self, sequence: u64, places: &str) -> Result<Bytes, LinkError> {
        let mut joined = Vec::new();
        for place in places.split(' ') {
            let unreadable = |why: &str| LinkError::Unreadable {
                sequence,
                why: why.to_owned(),
            };
            let place = place
                .parse()
                .map_err(|_| unreadable("its parts are not numbers"))?;
            match self.parts.get_raw_message(place).await {
                Ok(part) => joined.extend_from_slice(&part.payload),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                    return Err(unreadable("a part of it is not kept"));
                }
                Err(error) => return Err(LinkError::away(error)),
            }
        }
        Ok(joined.into())
    }

    /// The fact with this sequence.
    ///
    /// # Errors
    /// As JetStream says.
    pub async fn record(&self, sequence: u64) -> Result<Option<Record>, LinkError> {
        Ok(self.get(sequence).await?.map(|coming| coming.record))
    }

    /// Sequence and headers of the newest message on a subject, as the leader has it; 0 where there is none.
    pub(super) async fn newest(&self, lane: &str) -> Result<(u64, HeaderMap), LinkError> {
        let subject = self.subject(lane);
        match self.stream.get_last_raw_message_by_subject(&subject).await {
            Ok(found) => Ok((found.sequence, found.headers)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                Ok((0, HeaderMap::new()))
            }
            Err(error) => Err(LinkError::away(error)),
        }
    }

    /// When the first message at or behind this sequence was stored, in microseconds since 1970.
    pub(super) async fn stored_at(&self, sequence: u64) -> Result<Option<i64>, LinkError> {
        stored_at(&self.stream, sequence, self.subject(">")).await
    }

    /// The same of the parts of large facts.
    pub(super) async fn part_stored_at(&self, sequence: u64) -> Result<Option<i64>, LinkError> {
        stored_at(&self.parts, sequence, format!("{}_PARTS.>", self.name)).await
    }

    /// First and last sequence of the parts.
    pub(super) async fn ends_of_parts(&self) -> Result<(u64, u64), LinkError> {
        let info = self.parts.get_info().await.map_err(LinkError::away)?;
        Ok((info.state.first_sequence, info.state.last_sequence))
    }

    /// Drops the parts before this one.
    pub(super) async fn drop_parts_before(&self, sequence: u64) -> Result<(), LinkError> {
        let purged = self.parts.purge().sequence(sequence).await;
        purged.map(drop).map_err(LinkError::away)
    }

    /// What is published on any of the site's subjects, also before it is stored: a hint to look.
    pub(super) async fn hints(&self) -> Result<async_nats::Subscriber, LinkError> {
        let all = self.subject(">");
        self.client.subscribe(all).await.map_err(LinkError::away)
    }

    /// Drops what stands before this sequence.
    ///
    /// # Errors
    /// As JetStream says.
    pub(super) async fn drop_before(&self, sequence: u64) -> Result<(), LinkError> {
        let purged = self.stream.purge().sequence(sequence).await;
        purged.map(drop).map_err(LinkError::away)
    }
}

/// When the first message at or behind a sequence was stored, in microseconds since 1970.
async fn stored_at(
    stream: &Stream,
    sequence: u64,
    subject: String,
) -> Result<Option<i64>, LinkError> {
    let next = stream.raw_message_builder();
    let next = next.sequence(sequence).next_by_subject(subject);
    match next.send().await {
        Ok(found) => {
            let micros = found.time.unix_timestamp_nanos() / 1_000;
            Ok(Some(i64::try_from(micros).unwrap_or(i64::MAX)))
        }
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(LinkError::away(error)),
    }
}

/// What must be true of the stream for a message to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    Nothing,
    /// The newest message on the same subject has this sequence.
    OnSubject(u64),
    /// The newest message of all has it.
    InStream(u64),
}

/// A message that was handed over.
pub(super) struct Acknowledging(PublishAckFuture);

impl Acknowledging {
    /// Waits until the stream has it.
    pub(super) async fn done(self) -> Result<Ack, LinkError> {
        match self.0.await {
            // A server that is still at it says so with no sequence.
            Ok(ack) if ack.sequence == 0 => Err(LinkError::away("it is still being stored")),
            Ok(ack) => Ok(Ack {
                sequence: ack.sequence,
                duplicate: ack.duplicate,
            }),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                Err(LinkError::Overtaken)
            }
            Err(error) => Err(LinkError::away(error)),
        }
    }
}

/// Whether a version (`2.9.10`, `2.11.0-RC.1`) is older than [`FIT`]; one that cannot be read is not.
fn is_too_old(version: &str) -> bool {
    let numbers = version
        .split(['.', '-'])
        .map_while(|part| part.parse().ok());
    let numbers: Vec<u32> = numbers.collect();
    !numbers.is_empty() && numbers.as_slice() < FIT.as_slice()
}

async fn client(cluster: &Cluster) -> Result<Client, LinkError> {
    // Whoever comes first; the same for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut options = ConnectOptions::new()
        .name("pentamer")
        .connection_timeout(cluster.timeout)
        .request_timeout(Some(cluster.timeout))
        .ping_interval(PING)
        .reconnect_delay_callback(|tries| {
            Duration::from_millis(50 * u64::try_from(tries.min(20)).unwrap_or(20))
        });
    if let Some(file) = &cluster.credentials_file {
        let text = read_secret(file).map_err(|error| LinkError::Credentials(error.to_string()))?;
        options = options
            .credentials(&format!("{text}\n"))
            .map_err(|_| LinkError::Credentials(format!("`{}` holds none", file.display())))?;
    }
    if let (Some(user), Some(file)) = (&cluster.username, &cluster.password_file) {
        let text = read_secret(file).map_err(|error| LinkError::Credentials(error.to_string()))?;
        options = options.user_and_password(user.clone(), text);
    }
    if let Some(file) = &cluster.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    let urls = cluster.urls.as_slice();
    options
        .connect(urls)
        .await
        .map_err(|error| LinkError::Away(format!("no connection: {}", error.kind())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_known_by_their_version() {
        for old in ["2.9.10", "2.10.24", "2.10", "1.4.1", "2.10.0-RC.1"] {
            assert!(is_too_old(old), "{old}");
        }
        for fit in ["2.10.25", "2.11.0-RC.1", "2.15.1", "3.0.0", "", "dev"] {
            assert!(!is_too_old(fit), "{fit}");
        }
    }
}

//! The streams of a site and the bucket of all, as they are made, and what of those that are there is not good enough.

use super::link::{BUCKET, DUPLICATES_FOR, LinkError};
use async_nats::jetstream::context::Context;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};

pub(super) async fn ensure(
    context: &Context,
    config: Config,
    site: &str,
) -> Result<Stream, LinkError> {
    let name = config.name.clone();
    let wanted = config.clone();
    let stream = match context.get_stream(&name).await {
        Ok(stream) => stream,
        // Not there, or not to be reached: making it tells.
        Err(_) => match context.create_stream(config).await {
            Ok(stream) => stream,
            // Another instance made it at the same time.
            Err(_) => context.get_stream(&name).await.map_err(LinkError::away)?,
        },
    };
    match fault(&stream.cached_info().config, &wanted, site) {
        None => Ok(stream),
        Some(why) => Err(LinkError::Foreign { stream: name, why }),
    }
}

/// Why a stream that is there cannot be used as it is. Who made it may have given it limits of his own; what
/// acknowledgements promise must hold.
fn fault(found: &Config, wanted: &Config, site: &str) -> Option<String> {
    let same = found.description == wanted.description;
    if !same {
        let says = found.description.clone().unwrap_or_default();
        return Some(format!(
            "it says of itself `{says}`, and site `{site}` has other ones"
        ));
    }
    if found.num_replicas < wanted.num_replicas {
        return Some(format!(
            "it is kept by {} server(s), and `replicas` asks for {}: `nats stream edit --replicas {}`, or lower the key",
            found.num_replicas, wanted.num_replicas, wanted.num_replicas
        ));
    }
    if found.storage != wanted.storage {
        return Some("it is kept in memory: make it anew with file storage".to_owned());
    }
    if found.retention != wanted.retention || found.discard != wanted.discard {
        return Some("it drops messages to make room for others: make it anew".to_owned());
    }
    if found.duplicate_window < wanted.duplicate_window {
        let seconds = wanted.duplicate_window.as_secs();
        return Some(format!(
            "it knows ids for less than {seconds} s: `nats stream edit --dupe-window {seconds}s`"
        ));
    }
    let per_subject = found.max_messages_per_subject;
    if per_subject > 0 && per_subject != wanted.max_messages_per_subject {
        return Some("it keeps only some messages of a subject: make it anew".to_owned());
    }
    None
}

pub(super) fn facts_config(name: &str, site: &str, replicas: u32) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        description: Some(format!("Pentamer: facts of {site}")),
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: replicas as usize,
        duplicate_window: DUPLICATES_FOR,
        allow_direct: true,
        ..Config::default()
    }
}

pub(super) fn parts_config(name: &str, site: &str, replicas: u32) -> Config {
    Config {
        name: format!("{name}_PARTS"),
        subjects: vec![format!("{name}_PARTS.part")],
        description: Some(format!("Pentamer: parts of large facts of {site}")),
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: replicas as usize,
        ..Config::default()
    }
}

/// As `nats kv` makes it: older servers do not take what the client makes of it.
pub(super) fn bucket_config(replicas: u32) -> Config {
    Config {
        name: format!("KV_{BUCKET}"),
        subjects: vec![format!("$KV.{BUCKET}.>")],
        description: Some("Pentamer: leases and instances".to_owned()),
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: replicas as usize,
        allow_rollup: true,
        deny_delete: true,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_stream_that_does_not_keep_what_is_promised_is_not_used() {
        let wanted = facts_config("PENTAMER_a", "a", 3);
        assert_eq!(fault(&wanted, &wanted, "a"), None);
        let more = Config {
            num_replicas: 5,
            max_age: Duration::from_secs(86_400 * 400),
            ..wanted.clone()
        };
        assert_eq!(fault(&more, &wanted, "a"), None);
        let other = facts_config("PENTAMER_a", "b", 3);
        let faults = [
            other,
            facts_config("PENTAMER_a", "a", 1),
            Config {
                storage: StorageType::Memory,
                ..wanted.clone()
            },
            Config {
                discard: DiscardPolicy::Old,
                ..wanted.clone()
            },
            Config {
                duplicate_window: Duration::from_secs(120),
                ..wanted.clone()
            },
            Config {
                max_messages_per_subject: 1,
                ..wanted.clone()
            },
        ];
        for found in faults {
            assert!(fault(&found, &wanted, "a").is_some(), "{found:?}");
        }
    }
}

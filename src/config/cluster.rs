//! `[cluster]`: facts in a JetStream stream that several instances share.

use super::keys::CLUSTER;
use super::layer::Raw;
use super::origin::Origin;
use super::problem::{Problem, Wrong};
use super::section::{Section, plain_name};
use super::settings::path;
use std::path::PathBuf;
use std::time::Duration;

/// `[cluster]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// One server or several.
    pub urls: Vec<String>,
    /// The stream's name; that of the site where none is given.
    pub stream: String,
    /// Servers that keep each fact: 1, 3 or 5.
    pub replicas: u32,
    /// The JetStream domain, behind a leaf node.
    pub domain: Option<String>,
    /// This instance's name; the machine's where none is given.
    pub instance: Option<String>,
    /// JWT and seed.
    pub credentials_file: Option<PathBuf>,
    /// User of an account without JWT.
    pub username: Option<String>,
    /// That user's password.
    pub password_file: Option<PathBuf>,
    /// Trusted beside the system's own.
    pub ca_file: Option<PathBuf>,
    /// How long the instance that decides may be silent before another takes over.
    pub lease: Duration,
    /// How long an answer of JetStream is waited for.
    pub timeout: Duration,
    /// It receives and shows, and never decides.
    pub only_receives: bool,
    /// Whether the right to decide about many sites is spread evenly over the instances that serve them.
    pub spread: bool,
    /// What this site costs beside others, where it is.
    pub weight: u64,
    /// While it does not answer, what listeners receive is kept on this disk and acknowledged.
    pub spool: bool,
}

/// Whether it only receives, by its word.
pub(super) const ROLES: &[(&str, bool)] = &[("any", false), ("receiver", true)];
pub(super) const REPLICAS: [u32; 3] = [1, 3, 5];

/// `None` where the section is not written.
pub(super) fn cluster(raw: &Raw, site: &str, problems: &mut Vec<Problem>) -> Option<Cluster> {
    let table = raw.section(CLUSTER.name)?;
    // The place of the section is that of its first key.
    let origins = table.values().filter_map(|value| value.origin());
    let origin = origins.map(|origin| Origin::kept(Some(origin))).min();
    let origin = origin.unwrap_or(Origin::BuiltIn);
    let heading = CLUSTER.name.to_owned();
    let mut section = Section::new(&CLUSTER, heading, origin, Some(table), problems);
    section.require(
        "url",
        "name the servers, e.g. `url = \"nats://n1.example.org:4222,nats://n2.example.org:4222\"`",
    );
    let urls = section
        .parsed(
            "url",
            "addresses such as `nats://n1.example.org:4222`, several between commas",
            "each begins with `nats://` or `tls://`; user and password have keys of their own",
            urls,
        )
        .unwrap_or_default();
    let stream = section
        .parsed(
            "stream",
            "a name of letters, digits, `-` and `_`",
            "all instances of a site name the same",
            stream_name,
        )
        .unwrap_or_else(|| stream_of(site));
    let replicas = section.number("replicas", 1..=5).unwrap_or(3);
    if !REPLICAS.contains(&replicas) {
        section.report(
            "replicas",
            Wrong::Value {
                expected: "1, 3 or 5".to_owned(),
                found: replicas.to_string(),
            },
            "an even number tolerates no more failures than the odd one below it",
        );
    }
    if section.has("username") != section.has("password_file") {
        let (has, lacks) = match section.has("username") {
            true => ("username", "password_file"),
            false => ("password_file", "username"),
        };
        let wrong = Wrong::Conflict(format!("`{has}` without `{lacks}`"));
        section.report(has, wrong, "give both, or neither");
    }
    Some(Cluster {
        urls,
        stream,
        replicas,
        domain: section.parsed(
            "domain",
            "a JetStream domain",
            "remove the key where there are no leaf nodes",
            plain_name,
        ),
        instance: section.parsed(
            "instance",
            "a name of letters, digits, `-`, `_` and `.`",
            "no two instances may have the same; without it, it is the machine's name",
            plain_name,
        ),
        credentials_file: section.parsed(
            "credentials_file",
            "a file",
            "name the file that holds JWT and seed",
            path,
        ),
        username: section.text("username"),
        password_file: section.parsed(
            "password_file",
            "a file",
            "name the file that holds it",
            path,
        ),
        ca_file: section.parsed("ca_file", "a file", "name a file of PEM certificates", path),
        lease: section
            .duration("lease", Duration::from_secs(1)..=Duration::from_secs(300))
            .unwrap_or(Duration::from_secs(3)),
        timeout: section
            .duration(
                "timeout",
                Duration::from_millis(100)..=Duration::from_secs(60),
            )
            .unwrap_or(Duration::from_secs(2)),
        only_receives: section.choice("role", ROLES).unwrap_or(false),
        spread: section.flag("spread").unwrap_or(false),
        weight: section.number("weight", 1..=1_000).unwrap_or(1).into(),
        spool: section.flag("spool").unwrap_or(false),
    })
}

fn urls(text: &str) -> Option<Vec<String>> {
    let one = |text: &str| {
        let text = text.trim();
        let (scheme, host) = text.split_once("://")?;
        let plain = !text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '@');
        (matches!(scheme, "nats" | "tls") && !host.is_empty() && plain).then(|| text.to_owned())
    };
    text.split(',').map(one).collect()
}

fn stream_name(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (!text.is_empty() && text.len() <= 64 && text.chars().all(plain)).then(|| text.to_owned())
}

/// A site's name as far as a stream's can hold it. Two sites of one such name are told apart by what the stream
/// says of itself.
fn stream_of(site: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() || c == '-' {
        true => c,
        false => '_',
    };
    let name: String = site.chars().map(plain).take(48).collect();
    format!("PENTAMER_{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_after_its_site() {
        assert_eq!(stream_of("St. Mary's"), "PENTAMER_St__Mary_s");
        assert!(stream_name(&stream_of(&"ü".repeat(64))).is_some());
        assert_eq!(stream_name("a.b"), None);
    }

    #[test]
    fn several_servers_stand_between_commas() {
        let two = urls("nats://a:4222, tls://b:4222").unwrap();
        assert_eq!(two, ["nats://a:4222", "tls://b:4222"]);
        assert_eq!(urls("http://a"), None);
        assert_eq!(urls("nats://a:4222,"), None);
        assert_eq!(urls("nats://user:secret@a:4222"), None);
    }
}

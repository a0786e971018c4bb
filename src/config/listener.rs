//! `[[listener]]`: a bound port with its mode.

use super::keys::LISTENER;
use super::layer::Raw;
use super::problem::Problem;
use super::relay::{self, FRAMINGS, Framing, OnTrouble, RelayTo, TROUBLES};
use super::section::{Section, plain_name, unique_names};
use crate::core::hl7::ack::{AckMode, AckPolicy, AckSettings, BatchAck};
use crate::core::policy::ListenerReading;
use crate::tls::{ClientFiles, ServerFiles};
use ipnet::IpNet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What a listener is between sender and laboratory system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Pentamer is the receiver and acknowledges.
    Endpoint,
    /// It stands between sender and laboratory system: bytes pass both ways unchanged (WIRE 5).
    Relay,
}

/// One `[[listener]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Unique; part of the CloudEvents source and of metrics.
    pub name: String,
    /// Address and port; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Endpoint or relay.
    pub mode: Mode,
    /// Which acknowledgement.
    pub ack: AckMode,
    /// What is refused.
    pub ack_policy: AckPolicy,
    /// MSH-3 of answers to messages without MSH-5.
    pub ack_application: String,
    /// MSH-4 of answers to messages without MSH-6.
    pub ack_facility: String,
    /// Answers to batches.
    pub batch_ack: BatchAck,
    /// How messages are read.
    pub reading: ListenerReading,
    /// Largest content of a frame, in bytes (WIRE F-50).
    pub max_message: u64,
    /// Longest pause within a frame; `None` is off (F-37).
    pub frame_timeout: Option<Duration>,
    /// Longest pause between frames; `None` is off (F-39).
    pub idle_timeout: Option<Duration>,
    /// Wait for the CR after FS (F-18).
    pub end_grace: Duration,
    /// Bytes in a row outside frames before the connection is closed (F-12).
    pub max_junk: u64,
    /// How long an answer is held back while nothing can be stored.
    pub store_wait: Duration,
    /// Connections at once (N-4).
    pub max_connections: u32,
    /// Connections at once of one peer address.
    pub max_connections_per_peer: u32,
    /// New connections a second of one peer address, beyond which each waits its turn (WIRE 12.15).
    pub accept_rate: u32,
    /// Peers that may connect; empty = all (N-3).
    pub allow: Vec<IpNet>,
    /// MLLP release.
    pub framing: Framing,
    /// TLS to the senders (N-1).
    pub tls: Option<ServerFiles>,
    /// The laboratory system behind a relay; there with mode relay.
    pub relay_to: Option<RelayTo>,
    /// TLS to that system (P-12).
    pub relay_tls: Option<ClientFiles>,
    /// What a relay does when it cannot keep what passes.
    pub on_trouble: OnTrouble,
    /// How long a relay waits for outstanding answers when the daemon ends (P-9).
    pub drain: Duration,
}

impl Listener {
    /// A relay whose feed goes on whatever happens to us.
    pub fn passes_on(&self) -> bool {
        self.mode == Mode::Relay && self.on_trouble == OnTrouble::Open
    }

    /// How it acknowledges.
    pub fn ack_settings(&self) -> AckSettings {
        AckSettings {
            mode: self.ack,
            policy: self.ack_policy,
            application: self.ack_application.clone(),
            facility: self.ack_facility.clone(),
            batch: self.batch_ack,
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 2575)),
            mode: Mode::Endpoint,
            ack: AckMode::Auto,
            ack_policy: AckPolicy::Accept,
            ack_application: "PENTAMER".to_owned(),
            ack_facility: String::new(),
            batch_ack: BatchAck::Batch,
            reading: ListenerReading::default(),
            max_message: 16 << 20,
            frame_timeout: Some(Duration::from_secs(30)),
            idle_timeout: None,
            end_grace: Duration::from_millis(250),
            max_junk: 64 << 10,
            store_wait: Duration::from_secs(20),
            max_connections: 64,
            max_connections_per_peer: 16,
            accept_rate: 100,
            allow: Vec::new(),
            framing: Framing::Mllp1,
            tls: None,
            relay_to: None,
            relay_tls: None,
            on_trouble: OnTrouble::Open,
            drain: Duration::from_secs(30),
        }
    }
}

pub(super) const MODES: &[(&str, Mode)] = &[("endpoint", Mode::Endpoint), ("relay", Mode::Relay)];
pub(super) const ACK_MODES: &[(&str, AckMode)] = &[
    ("auto", AckMode::Auto),
    ("original", AckMode::Original),
    ("commit", AckMode::Commit),
    ("none", AckMode::None),
];
pub(super) const ACK_POLICIES: &[(&str, AckPolicy)] =
    &[("accept", AckPolicy::Accept), ("strict", AckPolicy::Strict)];
pub(super) const BATCH_ACKS: &[(&str, BatchAck)] = &[
    ("batch", BatchAck::Batch),
    ("per_message", BatchAck::PerMessage),
];

/// All listeners; the built-in one where none is configured.
pub(super) fn read(raw: &Raw, problems: &mut Vec<Problem>) -> Vec<Listener> {
    let rows = raw.rows(LISTENER.name);
    if rows.is_empty() {
        return vec![Listener::default()];
    }
    unique_names(rows, LISTENER.name, problems);
    rows.iter()
        .map(|row| one(&mut Section::row(&LISTENER, row, problems)))
        .collect()
}

fn one(section: &mut Section<'_>) -> Listener {
    let default = Listener::default();
    let relay_to = relay::to(section);
    let relay_tls = relay::tls_to_lis(section, relay_to.as_ref());
    let millis = Duration::from_millis;
    let hour = Duration::from_secs(3600);
    section.require(
        "name",
        "name it after what it receives, e.g. `name = \"immunology\"`",
    );
    Listener {
        name: section
            .parsed(
                "name",
                "a name of letters, digits, `-`, `_` and `.`",
                "it becomes part of metrics and of the alerts' source",
                plain_name,
            )
            .unwrap_or(default.name),
        bind: section
            .parsed(
                "bind",
                "an address and port such as `127.0.0.1:2575`",
                "write an IP address, not a name; `0.0.0.0` or `[::]` is every interface",
                |text| text.parse().ok(),
            )
            .unwrap_or(default.bind),
        mode: section.choice("mode", MODES).unwrap_or(default.mode),
        ack: section.choice("ack", ACK_MODES).unwrap_or(default.ack),
        ack_policy: section
            .choice("ack_policy", ACK_POLICIES)
            .unwrap_or(default.ack_policy),
        ack_application: header_field(section, "ack_application")
            .unwrap_or(default.ack_application),
        ack_facility: header_field(section, "ack_facility").unwrap_or(default.ack_facility),
        batch_ack: section
            .choice("batch_ack", BATCH_ACKS)
            .unwrap_or(default.batch_ack),
        reading: reading(section),
        max_message: section
            .size("max_message", 1 << 10..=1 << 30)
            .unwrap_or(default.max_message),
        frame_timeout: section
            .duration_or_off("frame_timeout", millis(10)..=hour)
            .unwrap_or(default.frame_timeout),
        idle_timeout: section
            .duration_or_off("idle_timeout", millis(10)..=30 * 24 * hour)
            .unwrap_or(default.idle_timeout),
        end_grace: section
            .duration("end_grace", millis(1)..=millis(10_000))
            .unwrap_or(default.end_grace),
        max_junk: section
            .size("max_junk", 256..=1 << 30)
            .unwrap_or(default.max_junk),
        store_wait: section
            .duration("store_wait", Duration::ZERO..=hour)
            .unwrap_or(default.store_wait),
        max_connections: section
            .number("max_connections", 1..=65_535)
            .unwrap_or(default.max_connections),
        max_connections_per_peer: section
            .number("max_connections_per_peer", 1..=65_535)
            .unwrap_or(default.max_connections_per_peer),
        allow: section
            .list(
                "allow",
                "a network such as `10.0.0.0/24` or an address",
                "write IPv4 or IPv6 in CIDR form",
                network,
            )
            .unwrap_or(default.allow),
        accept_rate: section
            .number("accept_rate", 1..=1_000_000)
            .unwrap_or(default.accept_rate),
        framing: section
            .choice("framing", FRAMINGS)
            .unwrap_or(default.framing),
        tls: relay::tls(section),
        relay_to,
        relay_tls,
        on_trouble: section
            .choice("on_trouble", TROUBLES)
            .unwrap_or(default.on_trouble),
        drain: section
            .duration("drain", Duration::ZERO..=hour)
            .unwrap_or(default.drain),
    }
}

fn reading(section: &mut Section<'_>) -> ListenerReading {
    let default = ListenerReading::default();
    let processing = [("P", "P"), ("T", "T"), ("D", "D")];
    ListenerReading {
        charset: section
            .parsed(
                "charset",
                "`auto` or the name of a character set such as `ISO-8859-1`",
                "names are those of HL7 table 0211 or of the web's encodings",
                charset,
            )
            .unwrap_or(default.charset),
        decimal: section
            .choice("decimal", &[(".", '.'), (",", ',')])
            .or(default.decimal),
        processing: section
            .choice("processing", &processing)
            .map_or(default.processing, str::to_owned),
    }
}

/// A name that C-3 of WIRE lists, or that the web's encodings know; UTF-16 and UTF-32 are no sets for MLLP.
fn charset(text: &str) -> Option<String> {
    const TABLE_0211: &[&str] = &[
        "auto",
        "ascii",
        "isoir6",
        "unicode",
        "unicodeutf8",
        "isoir14",
        "isoir87",
        "isoir159",
        "gb180302000",
        "big5",
        "ksx1001",
    ];
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '_' | '/'))
        .collect::<String>()
        .to_lowercase();
    let part = plain.trim_start_matches("iso").strip_prefix("8859");
    let listed = TABLE_0211.contains(&plain.as_str())
        || matches!(
            part,
            Some("1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "15")
        );
    let wide = plain.contains("utf16") || plain.contains("utf32");
    let web = encoding_rs::Encoding::for_label(text.as_bytes()).is_some_and(|set| {
        set != encoding_rs::UTF_16LE
            && set != encoding_rs::UTF_16BE
            && set != encoding_rs::REPLACEMENT
    });
    ((listed || web) && !wide).then(|| text.to_owned())
}

/// Text for MSH-3 or MSH-4: printable ASCII without delimiters.
fn header_field(section: &mut Section<'_>, key: &str) -> Option<String> {
    section.parsed(
        key,
        "printable ASCII without `|`, `^`, `~`, `\\`, `&` and `#`",
        "it stands in the header of answers as it is",
        |text| {
            let plain = |byte: u8| matches!(byte, b' '..=b'}') && !b"|^~\\&#".contains(&byte);
            (text.len() <= 180 && text.bytes().all(plain)).then(|| text.to_owned())
        },
    )
}

pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
        .map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn character_sets_by_either_name() {
        for name in [
            "auto",
            "UNICODE UTF-8",
            "utf-8",
            "8859/1",
            "ISO-8859-15",
            "windows-1252",
            "GB 18030-2000",
        ] {
            assert_eq!(charset(name).as_deref(), Some(name));
        }
        for name in [
            "",
            "UTF-16",
            "UNICODE UTF-16",
            "utf-32",
            "klingon",
            "CNS 11643-1992",
        ] {
            assert_eq!(charset(name), None, "{name}");
        }
    }

    #[test]
    fn a_single_address_is_a_network_of_one() {
        assert_eq!(
            network("10.0.0.5").map(|n| n.to_string()).as_deref(),
            Some("10.0.0.5/32")
        );
        assert_eq!(
            network("10.0.0.5/24").map(|n| n.to_string()).as_deref(),
            Some("10.0.0.0/24")
        );
        assert_eq!(
            network("fd00::/8").map(|n| n.to_string()).as_deref(),
            Some("fd00::/8")
        );
        assert_eq!(network("10.0.0.0/33"), None);
    }
}

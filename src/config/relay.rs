//! What of a listener is about the wire and about what is behind it: framing, TLS, relay.

use super::keys::{RELAY_TLS, TLS};
use super::problem::Wrong;
use super::section::Section;
use super::settings::path;
use crate::tls::{ClientFiles, ServerFiles};
use std::path::PathBuf;

/// How frames are acknowledged on the wire (WIRE 1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// MLLP release 1: HL7 acknowledgements only.
    Mllp1,
    /// MLLP release 2: a commit block for every content block.
    Mllp2,
}

/// What a relay does when it cannot keep what passes (WIRE P-6, P-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTrouble {
    /// The feed goes on; what is lost to us is recorded as a gap.
    Open,
    /// The feed stops.
    Closed,
}

/// Host and port of the laboratory system behind a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayTo {
    text: String,
    host: String,
    port: u16,
}

impl RelayTo {
    /// `host:port` or `[v6]:port`; port 0 is none.
    pub fn read(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        // A colon in a host without brackets is half an IPv6 address.
        let named = bare.unwrap_or(host);
        let known = if bare.is_some() {
            named.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            !named.is_empty()
                && named
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        let port = port.parse().ok().filter(|port| *port > 0)?;
        known.then(|| Self {
            text: text.to_owned(),
            host: named.to_owned(),
            port,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

pub(super) const FRAMINGS: &[(&str, Framing)] =
    &[("mllp1", Framing::Mllp1), ("mllp2", Framing::Mllp2)];
pub(super) const TROUBLES: &[(&str, OnTrouble)] =
    &[("open", OnTrouble::Open), ("closed", OnTrouble::Closed)];

/// `tls`: TLS to the senders.
pub(super) fn tls(section: &mut Section<'_>) -> Option<ServerFiles> {
    let example = "tls = { cert_file = \"…\", key_file = \"…\" }";
    section.table("tls", &TLS, example, |tls| {
        tls.require("cert_file", "name the certificate's PEM file");
        tls.require("key_file", "name the PEM file of the certificate's key");
        let client_ca_file = file(tls, "client_ca_file");
        let names = tls.list(
            "client_names",
            "a name such as `analyzer-1.lab.example`",
            "alternative or common names of the senders' certificates",
            |text| (!text.trim().is_empty()).then(|| text.to_owned()),
        );
        if names.as_ref().is_some_and(|names| !names.is_empty()) && !tls.has("client_ca_file") {
            tls.report(
                "client_names",
                Wrong::Missing("client_ca_file".to_owned()),
                "names count only in certificates that an authority vouches for",
            );
        }
        Some(ServerFiles {
            cert_file: file(tls, "cert_file")?,
            key_file: file(tls, "key_file")?,
            client_ca_file,
            client_names: names.unwrap_or_default(),
        })
    })
}

/// `relay_tls`: TLS to the laboratory system, by default under the name that `relay_to` has.
pub(super) fn tls_to_lis(section: &mut Section<'_>, to: Option<&RelayTo>) -> Option<ClientFiles> {
    let example = "relay_tls = { ca_file = \"…\" }";
    section.table("relay_tls", &RELAY_TLS, example, |tls| {
        tls.require(
            "ca_file",
            "name the PEM file of the authority that the laboratory system's certificate leads to",
        );
        for (one, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
            if tls.has(one) && !tls.has(other) {
                tls.report(
                    one,
                    Wrong::Missing(other.to_owned()),
                    "a certificate and its key go together",
                );
            }
        }
        let server_name = tls
            .text("server_name")
            .or_else(|| to.map(|to| to.host().to_owned()))
            .unwrap_or_default();
        let identity = file(tls, "cert_file").zip(file(tls, "key_file"));
        Some(ClientFiles {
            ca_file: file(tls, "ca_file")?,
            server_name,
            identity,
        })
    })
}

fn file(section: &mut Section<'_>, key: &str) -> Option<PathBuf> {
    section.parsed(key, "a file", "name a PEM file", path)
}

/// `relay_to`.
pub(super) fn to(section: &mut Section<'_>) -> Option<RelayTo> {
    section.parsed(
        "relay_to",
        "host and port such as `lis.example:2575`",
        "write the laboratory system's name or address, and its port",
        RelayTo::read,
    )
}

#[cfg(test)]
mod tests {
    use super::RelayTo;

    #[test]
    fn a_laboratory_system_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("lis.example:2575", "lis.example", 2575),
            ("10.0.0.5:1", "10.0.0.5", 1),
            ("[fd00::5]:2575", "fd00::5", 2575),
        ] {
            let to = RelayTo::read(text).expect("good");
            assert_eq!((to.host(), to.port(), to.as_str()), (host, port, text));
        }
        for text in [
            "",
            "lis",
            "lis:",
            ":2575",
            "lis:0",
            "lis:70000",
            "fd00::5:2575",
            "[lis]:2575",
            "l is:1",
        ] {
            assert_eq!(RelayTo::read(text), None, "{text}");
        }
    }
}

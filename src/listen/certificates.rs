//! The certificates of a listener while the daemon runs: read again when their files change or on demand,
//! and watched for their end (WIRE N-1).

use super::accept::Listener;
use crate::telemetry::events;
use crate::tls::{Client, Server, TlsFault, Validity, WARN_DAYS};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The two sides by their keys in the configuration.
const TLS: &str = "tls";
const RELAY_TLS: &str = "relay_tls";

/// Certificates of one listener, to be read again without ending a connection.
pub struct Certificates {
    listener: String,
    server: Option<Arc<Server>>,
    client: Option<Arc<Client>>,
    /// Why new files cannot be used, by side.
    kept: Mutex<BTreeMap<&'static str, String>>,
}

impl Certificates {
    pub(super) fn of(listener: &Listener) -> Self {
        Self {
            listener: listener.config.name.clone(),
            server: listener.tls.clone(),
            client: listener.relay_tls.clone(),
            kept: Mutex::default(),
        }
    }

    /// Those of the pages.
    pub fn of_pages(server: Arc<Server>) -> Self {
        Self {
            listener: "http".to_owned(),
            server: Some(server),
            client: None,
            kept: Mutex::default(),
        }
    }

    /// Whether there are any.
    pub fn are_there(&self) -> bool {
        self.server.is_some() || self.client.is_some()
    }

    /// Reads all files again. What cannot be used is told, and what was in force stays.
    pub fn reload(&self) {
        self.read_again(true);
    }

    /// Reads those files again that have changed.
    pub fn take_up_changes(&self) {
        self.read_again(false);
    }

    fn read_again(&self, all: bool) {
        let server = self.server.as_ref();
        if let Some(server) = server.filter(|server| all || server.has_new_files()) {
            self.note(TLS, server.reload().map(drop));
        }
        let client = self.client.as_ref();
        if let Some(client) = client.filter(|client| all || client.has_new_files()) {
            self.note(RELAY_TLS, client.reload().map(drop));
        }
    }

    fn note(&self, side: &'static str, result: Result<(), TlsFault>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                kept.remove(side);
                drop(kept);
                events::certificates_reloaded(&self.listener, side);
                self.tell_ends();
            }
            Err(fault) => {
                let (why, help) = (fault.to_string(), fault.remedy());
                events::certificates_kept(&self.listener, side, &why, help);
                kept.insert(side, format!("{why} ({help})"));
            }
        }
    }

    fn validities(&self) -> impl Iterator<Item = (&'static str, Validity)> {
        let server = self.server.as_ref().map(|server| server.validity());
        let client = self.client.as_ref().and_then(|client| client.validity());
        let sides = [(TLS, server), (RELAY_TLS, client)];
        sides
            .into_iter()
            .filter_map(|(side, validity)| Some((side, validity?)))
    }

    /// Sets how many seconds each certificate is valid for still, and tells of those that end soon.
    pub fn tell_ends(&self) {
        let now = crate::clock::now();
        for (side, validity) in self.validities() {
            events::certificate_ends(&self.listener, side, validity.seconds_left(now));
        }
    }

    /// What an operator must act on, in words: certificates that end soon, files that cannot be used.
    pub fn troubles(&self) -> Vec<String> {
        let now = crate::clock::now();
        let name = &self.listener;
        let mut told = Vec::new();
        for (side, validity) in self.validities() {
            let end = validity.to.to_rfc3339();
            let left = validity.seconds_left(now);
            if left <= 0 {
                told.push(format!(
                    "the certificate `{side}` of listener `{name}` ended at {end}, and peers refuse it: put a new one in its place"
                ));
            } else if left < WARN_DAYS * 86_400 {
                told.push(format!(
                    "the certificate `{side}` of listener `{name}` ends at {end}: put a new one in its place"
                ));
            }
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (side, why) in kept.iter() {
            told.push(format!(
                "the new files of `{side}` of listener `{name}` cannot be used, and those read before stay: {why}"
            ));
        }
        told
    }
}

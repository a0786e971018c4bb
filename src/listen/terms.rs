//! How a listener answers, and where it is counted: made once, used for every message.

use crate::config::Listener as ListenerConfig;
use crate::core::hl7::ack::{AckSettings, AckTime};
use crate::core::time::Timestamp;
use crate::telemetry::answers::Answers;
use jiff::tz::TimeZone;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct Terms {
    pub(super) config: Arc<ListenerConfig>,
    /// The part of it that says how to answer.
    pub(super) ack: AckSettings,
    /// The site's, for the times of answers.
    zone: TimeZone,
    pub(super) counts: Answers,
    /// The second of the last answer, as it is written.
    second: Mutex<Option<(i64, Arc<AckTime>)>>,
}

impl Terms {
    pub(super) fn new(config: &Arc<ListenerConfig>, zone: TimeZone) -> Self {
        Self {
            ack: config.ack_settings(),
            counts: Answers::of(&config.name),
            config: Arc::clone(config),
            zone,
            second: Mutex::default(),
        }
    }

    /// A time as answers have it: to the second, so it is made once a second.
    pub(super) fn time(&self, now: Timestamp) -> Arc<AckTime> {
        let second = now.as_micros().div_euclid(1_000_000);
        let mut last = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, time)) if *at == second => Arc::clone(time),
            _ => {
                let time = Arc::new(AckTime::new(now, &self.zone));
                *last = Some((second, Arc::clone(&time)));
                time
            }
        }
    }
}

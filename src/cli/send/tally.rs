//! Counting: what became of each message.

use super::answer::Code;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts while sending, shared by all connections.
pub(super) struct Tally {
    sum: Mutex<Sum>,
    progress: indicatif::ProgressBar,
}

/// What became of all messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Messages that were to be sent.
    pub messages: u64,
    /// Written to a connection.
    pub sent: u64,
    /// Final answers by code.
    pub by_code: BTreeMap<Code, u64>,
    /// Sent and never answered.
    pub unanswered: u64,
    /// Sent, and asked for no answer if all is well.
    pub unasked: u64,
    /// Answers to no message of ours.
    pub unexpected: u64,
    /// From write to first answer, sorted at the end.
    pub latencies: Vec<Duration>,
    /// From first to last.
    pub elapsed: Duration,
    /// Trouble with connections, each once.
    pub errors: BTreeSet<String>,
}

impl Tally {
    pub fn new(progress: indicatif::ProgressBar) -> Self {
        Self {
            sum: Mutex::default(),
            progress,
        }
    }

    fn sum(&self) -> MutexGuard<'_, Sum> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sent(&self, messages: u64) {
        self.sum().sent += messages;
    }

    pub fn answered(&self, code: Code, latency: Duration) {
        let mut sum = self.sum();
        *sum.by_code.entry(code).or_default() += 1;
        sum.latencies.push(latency);
        self.progress.inc(1);
    }

    /// An answer that no message of ours waits for; a refusal among them counts as one.
    pub fn unexpected(&self, code: Code) {
        let mut sum = self.sum();
        sum.unexpected += 1;
        if !code.is_positive() {
            *sum.by_code.entry(code).or_default() += 1;
        }
    }

    pub fn unanswered(&self) {
        self.sum().unanswered += 1;
        self.progress.inc(1);
    }

    pub fn unasked(&self) {
        self.sum().unasked += 1;
        self.progress.inc(1);
    }

    pub fn error(&self, text: String) {
        self.sum().errors.insert(text);
    }

    /// The end.
    pub fn finish(&self, messages: u64, elapsed: Duration) -> Sum {
        self.progress.finish_and_clear();
        let mut sum = self.sum().clone();
        sum.messages = messages;
        sum.elapsed = elapsed;
        sum.latencies.sort_unstable();
        sum
    }
}

impl Sum {
    fn count(&self, of: impl Fn(Code) -> bool) -> u64 {
        let chosen = self.by_code.iter().filter(|(code, _)| of(**code));
        chosen.map(|(_, count)| count).sum()
    }

    /// Answered AA or CA.
    pub fn accepted(&self) -> u64 {
        self.count(Code::is_positive)
    }

    /// Answered otherwise.
    pub fn refused(&self) -> u64 {
        self.count(|code| !code.is_positive())
    }

    /// Every message was sent, and accepted or silent as it had asked.
    pub fn all_accepted(&self) -> bool {
        self.refused() == 0 && self.accepted() + self.unasked == self.messages
    }

    /// The latency that so many of a hundred messages did not exceed (nearest rank).
    fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).copied()
    }
}

fn millis(latency: Duration) -> String {
    format!("{:.1} ms", latency.as_secs_f64() * 1000.0)
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_code = |positive: bool| {
            let codes: Vec<String> = self
                .by_code
                .iter()
                .filter(|(code, _)| code.is_positive() == positive)
                .map(|(code, count)| format!("{} {count}", code.word()))
                .collect();
            if codes.is_empty() {
                String::new()
            } else {
                format!(" ({})", codes.join(", "))
            }
        };
        writeln!(f, "sent        {}", self.sent)?;
        writeln!(f, "accepted    {}{}", self.accepted(), by_code(true))?;
        writeln!(f, "refused     {}{}", self.refused(), by_code(false))?;
        writeln!(f, "unanswered  {}", self.unanswered)?;
        if self.unasked > 0 {
            writeln!(f, "unasked     {} (no answer asked for)", self.unasked)?;
        }
        if self.unexpected > 0 {
            writeln!(
                f,
                "unexpected  {} (answers to no message sent)",
                self.unexpected
            )?;
        }
        if self.messages > self.sent {
            writeln!(f, "not sent    {}", self.messages - self.sent)?;
        }
        if let (Some(p50), Some(p99), Some(max)) = (
            self.percentile(50),
            self.percentile(99),
            self.percentile(100),
        ) {
            let (p50, p99, max) = (millis(p50), millis(p99), millis(max));
            writeln!(f, "latency     p50 {p50}, p99 {p99}, max {max}")?;
        }
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 && self.sent > 0 {
            writeln!(
                f,
                "rate        {:.1} messages/s",
                self.sent as f64 / seconds
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_became_of_each() {
        let tally = Tally::new(indicatif::ProgressBar::hidden());
        tally.sent(104);
        for latency in 1..=100 {
            tally.answered(Code::Aa, Duration::from_millis(latency));
        }
        tally.answered(Code::Ar, Duration::from_millis(500));
        tally.answered(Code::Ca, Duration::from_millis(600));
        tally.unanswered();
        tally.unasked();
        let sum = tally.finish(106, Duration::from_secs(2));
        assert!(!sum.all_accepted());
        assert_eq!(
            sum.to_string(),
            "sent        104\n\
             accepted    101 (AA 100, CA 1)\n\
             refused     1 (AR 1)\n\
             unanswered  1\n\
             unasked     1 (no answer asked for)\n\
             not sent    2\n\
             latency     p50 51.0 ms, p99 500.0 ms, max 600.0 ms\n\
             rate        52.0 messages/s\n"
        );
    }

    #[test]
    fn only_all_is_all() {
        let tally = Tally::new(indicatif::ProgressBar::hidden());
        tally.sent(1);
        tally.answered(Code::Ca, Duration::ZERO);
        assert!(tally.finish(1, Duration::ZERO).all_accepted());
        assert!(!tally.finish(2, Duration::ZERO).all_accepted());
        tally.unexpected(Code::Ce);
        assert!(!tally.finish(1, Duration::ZERO).all_accepted());
    }
}

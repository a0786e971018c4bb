//! Which answers a message gets, and what its header gives to count.

use super::{AckMode, AckPolicy, AckSettings, Verdict};
use crate::core::hl7::envelope::RawMessage;
use crate::core::hl7::types::MessageKind;

/// MSA-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerCode {
    /// Application accept.
    AA,
    /// Application error.
    AE,
    /// Application reject.
    AR,
    /// Commit accept.
    CA,
    /// Commit error.
    CE,
    /// Commit reject.
    CR,
}

impl AnswerCode {
    /// The two letters.
    pub const fn letters(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
            Self::CA => "CA",
            Self::CE => "CE",
            Self::CR => "CR",
        }
    }

    /// True for AA and CA.
    pub const fn is_positive(self) -> bool {
        matches!(self, Self::AA | Self::CA)
    }

    const fn application(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Accepted => Self::AA,
            Verdict::Refused(fault) if fault.is_reject() => Self::AR,
            Verdict::Refused(_) => Self::AE,
        }
    }

    const fn commit(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Accepted => Self::CA,
            Verdict::Refused(fault) if fault.is_reject() => Self::CR,
            Verdict::Refused(_) => Self::CE,
        }
    }
}

/// The answers of one message, in order; their index is the answer number of MSH-10.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// None, one or two.
    pub answers: Vec<AnswerCode>,
    /// Enhanced mode: MSH-15 and MSH-16 of the answers are NE.
    pub enhanced: bool,
    /// Refused, and the sender asked for no answer ever (A-3, last row): `refused_silently`.
    pub refused_silently: bool,
}

/// Table 0155.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Always,
    Never,
    OnError,
    OnSuccess,
}

impl Ask {
    /// `None` where the field is empty or holds no value of the table.
    fn read(field: &[u8]) -> Option<Self> {
        match field {
            b"AL" => Some(Self::Always),
            b"NE" => Some(Self::Never),
            b"ER" => Some(Self::OnError),
            b"SU" => Some(Self::OnSuccess),
            _ => None,
        }
    }

    const fn wants(self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::Always, _)
            | (Self::OnError, Verdict::Refused(_))
            | (Self::OnSuccess, Verdict::Accepted) => true,
            (Self::Never | Self::OnError | Self::OnSuccess, _) => false,
        }
    }
}

/// MSH-15 and MSH-16 where at least one of them is valid: enhanced mode.
fn asked(message: &RawMessage<'_>) -> Option<(Ask, Ask)> {
    let commit = Ask::read(message.header.field(15));
    let application = Ask::read(message.header.field(16));
    (commit.is_some() || application.is_some()).then(|| {
        (
            commit.unwrap_or(Ask::Never),
            application.unwrap_or(Ask::Never),
        )
    })
}

/// Which answers a message gets.
pub fn plan(message: &RawMessage<'_>, settings: &AckSettings, verdict: &Verdict) -> Plan {
    let asked = asked(message);
    let (answers, enhanced) = match settings.mode {
        AckMode::None => (Vec::new(), false),
        _ if message.is_acknowledgement() => acknowledge_acknowledgement(settings.mode, asked),
        AckMode::Original => (vec![AnswerCode::application(verdict)], false),
        AckMode::Commit => (vec![AnswerCode::commit(verdict)], true),
        AckMode::Auto => match asked {
            None => (vec![AnswerCode::application(verdict)], false),
            Some(asked) => (enhanced(asked, verdict), true),
        },
    };
    let silent = settings.mode == AckMode::Auto && asked == Some((Ask::Never, Ask::Never));
    Plan {
        refused_silently: silent && matches!(verdict, Verdict::Refused(_)),
        answers,
        enhanced,
    }
}

/// no answer to an answer, unless a commit is asked for.
fn acknowledge_acknowledgement(
    mode: AckMode,
    asked: Option<(Ask, Ask)>,
) -> (Vec<AnswerCode>, bool) {
    let commit = mode == AckMode::Auto
        && asked.is_some_and(|(commit, _)| matches!(commit, Ask::Always | Ask::OnSuccess));
    (commit.then_some(AnswerCode::CA).into_iter().collect(), true)
}

///
fn enhanced((commit, application): (Ask, Ask), verdict: &Verdict) -> Vec<AnswerCode> {
    let mut answers = Vec::new();
    if commit.wants(verdict) {
        let code = AnswerCode::commit(verdict);
        answers.push(code);
        if !code.is_positive() {
            // No application answer after a commit refusal.
            return answers;
        }
    }
    if application.wants(verdict) {
        answers.push(AnswerCode::application(verdict));
    }
    answers
}

/// A-40 e: MSH-11 names another kind of processing than this listener's. Empty is production.
pub fn is_other_processing(message: &RawMessage<'_>, processing: &str) -> bool {
    let field = message.header.component(11, 1).trim_ascii();
    [b"P", b"T", b"D"]
        .iter()
        .any(|known| field.eq_ignore_ascii_case(*known))
        && !field.eq_ignore_ascii_case(processing.as_bytes())
}

/// What the header gives to count before anything is stored. In strict mode, what A-40 b, e and g
/// count is refused instead (section 12, ruling 9).
pub fn request_counts(
    message: &RawMessage<'_>,
    settings: &AckSettings,
    processing: &str,
) -> Vec<(&'static str, u64)> {
    if message.is_acknowledgement() {
        return vec![("unexpected_ack", 1)];
    }
    let bad = |field: &[u8]| !field.is_empty() && field != b"\"\"" && Ask::read(field).is_none();
    let accepts = settings.policy == AckPolicy::Accept;
    // orders are answered like any other type that we do not serve.
    let ignored = matches!(message.kind(), MessageKind::Other | MessageKind::Order);
    [
        (
            "bad_ack_request",
            bad(message.header.field(15)) || bad(message.header.field(16)),
        ),
        ("ignored_type", accepts && ignored),
        (
            "not_production",
            accepts && !ignored && is_other_processing(message, processing),
        ),
        ("no_control_id", accepts && message.control_id().is_empty()),
    ]
    .into_iter()
    .filter(|(_, seen)| *seen)
    .map(|(name, _)| (name, 1))
    .collect()
}

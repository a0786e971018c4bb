//! What an example expects, in the words of the promised alert.

use super::message::{Message, Person};

/// One worked example of CLINICAL 6.8.
#[derive(Debug, Clone)]
pub struct Example {
    /// Whose messages they are.
    pub person: Person,
    /// Lines of `pentamer.toml`, beside the built-in settings.
    pub site: &'static str,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
}

/// Messages that come together, and what is decided then.
#[derive(Debug, Clone)]
pub struct Step {
    /// In order.
    pub messages: Vec<Message>,
    /// The alerts that are issued now, and no others.
    pub issued: Vec<Issued>,
    /// How the person stands after it.
    pub standing: Standing,
}

/// One alert.
#[derive(Debug, Clone, Copy)]
pub struct Issued {
    pub kind: &'static str,
    pub classification: &'static str,
    pub tier: &'static str,
    pub tier_reason: Option<&'static str>,
    pub severity: &'static str,
    pub delivery: &'static str,
    pub qualifiers: &'static [&'static str],
    pub missing: &'static [&'static str],
    /// `C90.0 I10: multiple myeloma, secondary, DG1-3`.
    pub associations: &'static [&'static str],
    /// `IgM low <0.2 g/L [0.4-2.3 OBX-7]`.
    pub evidence: &'static [&'static str],
    /// The whole of it.
    pub explanation: &'static str,
}

/// What `explain` says of the person.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    pub rule: &'static str,
    pub classification: &'static str,
    pub tier: &'static str,
    pub reason: Option<&'static str>,
    pub review: Option<&'static str>,
    /// The sentence; empty where the alert's says it.
    pub sentence: &'static str,
}

/// A first sight of isolated low IgM with all that it needs.
pub const DETECTED: Issued = Issued {
    kind: "detected",
    classification: "isolated_low_igm",
    tier: "complete",
    tier_reason: None,
    severity: "routine",
    delivery: "page",
    qualifiers: &["subclasses_unknown"],
    missing: &[],
    associations: &[],
    evidence: &[],
    explanation: "",
};

/// A low IgM that is not alone, without an episode.
pub const OTHER: Issued = Issued {
    kind: "other_pattern",
    delivery: "worklist",
    ..DETECTED
};

/// Isolated low IgM, complete.
pub const ISOLATED: Standing = Standing {
    rule: "R8",
    classification: "isolated_low_igm",
    tier: "complete",
    reason: None,
    review: None,
    sentence: "",
};

/// IgM that is not low.
pub const NORMAL: Standing = Standing {
    rule: "R2",
    classification: "igm_normal",
    ..ISOLATED
};

/// No verdict, and a person should look.
pub const fn undecided(reason: &'static str, sentence: &'static str) -> Standing {
    Standing {
        rule: "R1",
        classification: "indeterminate",
        tier: "complete",
        reason: Some(reason),
        review: Some(reason),
        sentence,
    }
}

/// A step of one message.
pub fn step(message: Message, issued: &[Issued], standing: Standing) -> Step {
    Step {
        messages: vec![message],
        issued: issued.to_vec(),
        standing,
    }
}

/// An example without lines of the site's own.
pub fn example(age: &'static str, sex: &'static str, steps: Vec<Step>) -> Example {
    Example {
        person: Person { age, sex },
        site: "",
        steps,
    }
}

//! What was received before is looked at again, or brought in from archives: facts of what a person asked for.

use super::clinical::observation::PatientKey;
use super::phi::Phi;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The sending end of messages out of an archive: no sender of a listener has it.
pub const PEER: &str = "archive";

/// Messages out of an archive follow right behind this fact: what is found in them is told on the worklist, and
/// pages nobody by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Primed {
    /// How many facts behind this one are of the archive and are to page nobody; none where they may. A crash may
    /// leave fewer: what else follows then is told apart by its sending end, [`PEER`].
    pub facts: u32,
    /// Who; `local` where the daemon knows no users.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// These patients are decided about anew, as if something had come about each of them.
///
/// What a change of tables or a new version makes of results that were received before tells nobody by itself; a
/// person looks at what would be told first, and then asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reassessed {
    /// Those about whom there is something to tell.
    pub patients: Vec<PatientKey>,
    /// Whether what is found may page; else it is told on the worklist only.
    pub page: bool,
    /// Who; `local` where the daemon knows no users.
    pub by: String,
    /// Why, in the person's words.
    pub comment: Phi<String>,
    /// Hash of the tables and thresholds that the preview was made with.
    pub policy: String,
    /// When.
    pub at: Timestamp,
}

impl Reassessed {
    /// Patients of one fact at most.
    pub const AT_ONCE: usize = 1_000;
}

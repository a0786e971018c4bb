//! What the fold has stored by itself: what it decides, under which tables, and deadlines that have come.

use super::{FoldError, Folder};
use crate::clock;
use crate::core::fact::{self, Fact, JournalPosition};
use crate::core::fold::state::State;
use crate::core::fold::{self, views};
use crate::core::time::Timestamp;
use crate::journal::{AppendError, Draft, Hold};
use std::sync::Arc;
use std::time::Duration;

/// How long a note about ourselves is waited for; a full disk must hold up neither start nor end.
const NOTE_WITHIN: Duration = Duration::from_secs(2);

impl Folder {
    /// Records that tables or thresholds are others than those last recorded, before anything is
    /// decided by them. True where there is a fact to fold.
    pub(super) fn note_policy(&mut self, hold: Hold, state: &dyn State) -> Result<bool, FoldError> {
        let policy = self.policy.hash();
        let last = views::policy_mark(state)?;
        if last.is_some_and(|mark| mark.policy == policy) {
            self.policy_noted = true;
            return Ok(false);
        }
        let at = clock::now();
        self.policy_noted = self.note(hold, Fact::PolicyChanged { policy, at });
        Ok(self.policy_noted)
    }

    /// At the end, records that messages without news were considered too: under other tables one of
    /// them may turn out to hold a result, and that must page nobody by itself. True where there is a
    /// fact to fold.
    pub(super) fn note_considered(
        &mut self,
        hold: Hold,
        state: &dyn State,
    ) -> Result<bool, FoldError> {
        let Some((_, decided_at)) = self.unrecorded.take() else {
            return Ok(false);
        };
        if views::dirty_count(state)? > 0 {
            return Ok(false);
        }
        Ok(self.note(hold, self.nothing_new(state.position()?, decided_at)))
    }

    /// All up to there was considered, and nothing is to be told of it.
    fn nothing_new(&self, through: JournalPosition, decided_at: Timestamp) -> Fact {
        Fact::Decided(fact::Decided {
            through,
            policy: self.policy.hash(),
            decided_at,
            transitions: Vec::new(),
        })
    }

    /// Other tables are to come into force: what is folded by now is decided, or recorded as considered,
    /// with the old ones, so that the new ones page nobody for it. False while that cannot be recorded, or
    /// takes more than one decision.
    pub(super) fn consider_with_these_tables(
        &mut self,
        hold: Hold,
        state: &dyn State,
    ) -> Result<bool, FoldError> {
        if views::dirty_count(state)? > fold::AT_ONCE {
            return Ok(false);
        }
        let before = self.decided_at;
        self.decide(hold, state)?;
        let Some((_, decided_at)) = self.unrecorded else {
            return Ok(true);
        };
        let considered = self.nothing_new(state.position()?, decided_at);
        Ok(self.decided_at > before || self.note(hold, considered))
    }

    /// Goes on with the tables that are in force now, from the beginning: results are read otherwise
    /// with them, what was decided stays.
    pub(super) fn take_tables(&mut self) {
        self.policy = Arc::clone(&self.settings.policies.borrow_and_update());
        self.policy_noted = false;
        self.unrecorded = None;
        self.decided_at = JournalPosition::START;
        self.begin_again(|| (self.settings.state_for)(&self.policy));
    }

    /// Whether a fact about ourselves could be stored in time.
    fn note(&self, hold: Hold, fact: Fact) -> bool {
        let stored = async {
            let group = vec![Draft::from(fact)];
            let answer = self.appender.submit_held(hold, group).await.ok()?;
            answer.await.ok()
        };
        let stored = self
            .runtime
            .block_on(async { tokio::time::timeout(NOTE_WITHIN, stored).await });
        matches!(stored, Ok(Some(_)))
    }

    /// Decides over all that is folded, and makes the decision durable. It is folded when it comes
    /// back out of the journal.
    pub(super) fn decide(&mut self, hold: Hold, state: &dyn State) -> Result<(), FoldError> {
        let Some(decided) = fold::decide(state, &self.policy)? else {
            return Ok(());
        };
        if crate::failpoints::on("decide-panic") {
            std::panic::panic_any("a fault switched on by a test");
        }
        let draft = Draft::from(Fact::Decided(decided));
        let stored = match self.appender.append_held(hold, vec![draft]) {
            Ok(stored) => stored,
            // Another instance decides now: what it did comes out of the log.
            Err(AppendError::NotHeld) => return Ok(()),
            Err(error) => return Err(FoldError::Journal(error.to_string())),
        };
        if let Some(stored) = stored.last() {
            self.decided_at = stored.position;
        }
        Ok(())
    }

    /// Records a deadline that has come; else tells how long the next one is away. Where messages keep
    /// coming they do the same: this is for the quiet hours.
    pub(super) fn meet_deadline(
        &self,
        hold: Hold,
        state: &dyn State,
    ) -> Result<Option<Duration>, FoldError> {
        let Some(due) = fold::next_deadline(state)? else {
            return Ok(None);
        };
        let at = clock::now();
        let left = u64::try_from(due.since(at).as_micros()).unwrap_or(0);
        if left > 0 {
            return Ok(Some(Duration::from_micros(left)));
        }
        match self
            .appender
            .append_held(hold, vec![Fact::Deadline { at }.into()])
        {
            Ok(_) | Err(AppendError::NotHeld) => Ok(None),
            Err(error) => Err(FoldError::Journal(error.to_string())),
        }
    }
}

//! What goes beside the alerts and is not recorded: signs of life, notices, tests. They are about the way,
//! not about patients.

use super::{Failed, Queue, Tested};
use crate::clock;
use crate::deliver::{Letter, SinkError};
use crate::notice::Notice;
use crate::telemetry::events;

impl Queue {
    /// A marked test alert, whatever waits.
    pub(super) async fn test(&mut self) -> Tested {
        let Self { settings, .. } = self;
        let letter = Letter::test(&settings.site, &settings.name, clock::now());
        let begun = clock::monotonic();
        self.send(&letter).await?;
        Ok(clock::monotonic().saturating_duration_since(begun))
    }

    /// A sign of life, when it is time for one.
    pub(super) async fn beat(&mut self) -> Result<(), Failed> {
        if self
            .kept
            .heartbeat_at
            .is_none_or(|at| clock::monotonic() < at)
        {
            return Ok(());
        }
        let Self { settings, .. } = self;
        let letter = Letter::heartbeat(&settings.site, &settings.name, clock::now());
        self.send_aside(&letter).await
    }

    /// Tells of notices that were raised or are over since the sink was last told. What came and went
    /// while the sink was away is not told of.
    pub(super) async fn tell_notices(&mut self) -> Result<(), Failed> {
        if !self.settings.choice.notices {
            return Ok(());
        }
        let standing: Vec<Notice> = self
            .standing
            .borrow_and_update()
            .values()
            .cloned()
            .collect();
        let same =
            |one: &Notice, other: &Notice| one.kind == other.kind && one.since == other.since;
        let over: Vec<Notice> = self
            .kept
            .told
            .iter()
            .filter(|told| !standing.iter().any(|stands| same(stands, told)))
            .cloned()
            .collect();
        for notice in over {
            let letter = Letter::notice(&notice, false, &self.settings.site, clock::now());
            self.send_aside(&letter).await?;
            self.kept.told.retain(|told| !same(told, &notice));
        }
        for notice in standing {
            if self.kept.told.iter().any(|told| same(told, &notice)) {
                continue;
            }
            let letter = Letter::notice(&notice, true, &self.settings.site, clock::now());
            self.send_aside(&letter).await?;
            self.kept.told.push(notice);
        }
        Ok(())
    }

    /// Sends what is not recorded; a refusal for good is told and left at that.
    async fn send_aside(&mut self, letter: &Letter) -> Result<(), Failed> {
        let id = letter.id().to_owned();
        match self.send(letter).await {
            Ok(()) => events::delivered(&self.settings.name, &id),
            Err(SinkError::Never(why)) => events::dead_letter(&self.settings.name, &id, &why),
            Err(error @ SinkError::Later { .. }) => return Err(Failed { id, error }),
        }
        if let Some(every) = self.settings.heartbeat {
            self.kept.heartbeat_at = Some(clock::monotonic() + every);
        }
        Ok(())
    }
}

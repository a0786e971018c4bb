//! What an operator must be told of disk, clock and fold: looked at every second.

use super::gaps::Gaps;
use crate::clock;
use crate::core::fact::JournalPosition;
use crate::core::time::{Span, Timestamp};
use crate::engine::Progress;
use crate::journal::{Appender, Disk, OsDisk, Status, Storing};
use crate::notice::{NoticeKind, Notices};
use crate::telemetry::events;
use crate::web::BEHIND;
use bytesize::ByteSize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A write or sync that takes longer is trouble with the disk.
const SYNC_WITHIN: Duration = Duration::from_secs(5);
/// A fold that stands still for longer, with something to fold, is behind.
const FOLD_WITHIN: Duration = Duration::from_secs(10);
/// A wall clock that goes this much faster or slower than time does was set.
const JUMP: Span = Span::seconds(5);
/// How long a jump of the clock is told of.
const JUMP_TOLD: Duration = Duration::from_secs(3_600);
/// With `reserve = 0`, less than this is little space.
const LITTLE: u64 = 64 << 20;

/// What is watched.
pub(super) struct Watch {
    pub(super) appender: Appender,
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) notices: Notices,
    pub(super) dir: PathBuf,
    pub(super) reserve: u64,
    pub(super) gaps: Arc<Gaps>,
    /// The last start that is recorded: the clock cannot stand before it.
    pub(super) started_before: Option<Timestamp>,
}

/// A value, and since when it has not changed.
struct Still<T>(T, Instant);

impl<T: PartialEq> Still<T> {
    fn new(value: T) -> Self {
        Self(value, clock::monotonic())
    }

    /// How long it has been this value.
    fn now(&mut self, value: T) -> Duration {
        let now = clock::monotonic();
        if self.0 != value {
            *self = Self(value, now);
        }
        now.saturating_duration_since(self.1)
    }
}

impl Watch {
    /// Looks until the daemon ends.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut status = self.appender.status();
        let mut storing = self.appender.storing();
        let mut failing = false;
        let mut synced = Still::new((JournalPosition::START, false));
        let mut folded = Still::new((JournalPosition::START, false));
        let mut wall = WallClock::new(clock::now(), clock::monotonic(), self.started_before);
        let mut backlog = Backlog::default();
        let mut space = Space::default();
        let position = |appender: &Appender| appender.checkpoint().map(|one| one.position);
        let begun_with = position(&self.appender);
        loop {
            let now = *status.borrow_and_update();
            tell_storing(&now, &mut failing);
            let free = space.look(&self.dir).await;
            let low = self.notices.stands(NoticeKind::DiskLow);
            let low = disk_low(&now, free, self.reserve, low);
            self.notices.set(NoticeKind::DiskLow, low);
            let waiting = self.appender.unanswered() > 0;
            let stuck = synced.now((now.synced, waiting));
            let stuck = waiting.then_some(stuck).filter(|for_| *for_ > SYNC_WITHIN);
            self.notices
                .set(NoticeKind::DiskFailing, disk_failing(&now, stuck));
            self.notices.set(NoticeKind::Spooling, spooling(&now));
            let progress = *self.progress.borrow_and_update();
            let behind = now.synced.0.saturating_sub(progress.folded.0);
            let still = folded.now((progress.folded, behind > 0));
            let late = backlog.look(progress, now.synced, still);
            self.notices
                .set(NoticeKind::FoldBehind, late.then(|| LATE.to_owned()));
            if position(&self.appender) > begun_with {
                self.notices.clear(NoticeKind::CheckpointDamaged);
            }
            let jumped = wall.look(clock::now(), clock::monotonic());
            self.notices.set(NoticeKind::ClockJumped, jumped);
            let gap = self.gaps.told(clock::monotonic());
            self.notices.set(NoticeKind::Gap, gap);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                changed = wait_for_storing(&mut storing, now.storing) => if !changed { return },
            }
        }
    }
}

/// Returns when storing begins to fail or works again; false when the journal is closed.
async fn wait_for_storing(storing: &mut watch::Receiver<Storing>, was: Storing) -> bool {
    let is_failing = |storing| matches!(storing, Storing::Failing { .. });
    let kind = |storing| (storing == Storing::Good, is_failing(storing));
    let changed = storing.wait_for(|now| kind(*now) != kind(was));
    changed.await.is_ok()
}

fn tell_storing(status: &Status, failing: &mut bool) {
    match status.storing {
        Storing::Failing { why, .. } if !*failing => events::storing_failed(why),
        Storing::Good if *failing => events::storing_again(),
        _ => {}
    }
    *failing = match status.storing {
        Storing::Failing { .. } => true,
        Storing::Good => false,
        // Said by who keeps it aside.
        Storing::Aside { .. } => *failing,
    };
}

/// The free space, asked for aside: a file system that hangs must not hang this.
#[derive(Default)]
struct Space {
    asked: Option<JoinHandle<Option<u64>>>,
    last: Option<u64>,
}

impl Space {
    async fn look(&mut self, dir: &std::path::Path) -> Option<u64> {
        if self.asked.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(asked) = self.asked.take()
        {
            self.last = asked.await.ok().flatten();
        }
        if self.asked.is_none() {
            let dir = dir.to_owned();
            let ask = move || OsDisk.free_space(&dir).ok();
            self.asked = Some(tokio::task::spawn_blocking(ask));
        }
        self.last
    }
}

/// `stands`: it was low at the last look. It is over only well above, or it would come and go.
fn disk_low(status: &Status, free: Option<u64>, reserve: u64, stands: bool) -> Option<String> {
    let left = free.map(|free| format!("{} left", ByteSize(free).display().iec()));
    let left = left.unwrap_or_else(|| "unknown how much is left".to_owned());
    if let Storing::Failing {
        why: why @ ("disk_full" | "reserve"),
        ..
    } = status.storing
    {
        return Some(format!(
            "nothing is stored ({why}, {left}): free space in the data directory's file system"
        ));
    }
    let little = reserve.saturating_mul(2).max(LITTLE);
    let little = if stands { little + little / 4 } else { little };
    free.filter(|free| *free < little).map(|_| {
        format!("{left} in the data directory's file system, of which {} stay free; free space before storing stops",
            ByteSize(reserve).display().iec())
    })
}

fn disk_failing(status: &Status, stuck: Option<Duration>) -> Option<String> {
    match (status.storing, stuck) {
        (Storing::Failing { why: "stream", .. }, _) => Some(
            "nothing is stored (JetStream does not answer): see `pentamer cluster status`, and the servers' logs"
                .to_owned(),
        ),
        (
            Storing::Failing {
                why: why @ ("write" | "sync"),
                ..
            },
            _,
        ) => Some(format!(
            "nothing is stored (the disk refuses a {why}): see the kernel's log, `dmesg`"
        )),
        (Storing::Good, Some(_)) => Some(
            "a write or sync does not return, nothing is acknowledged meanwhile: see the kernel's log, `dmesg`"
                .to_owned(),
        ),
        _ => None,
    }
}

fn spooling(status: &Status) -> Option<String> {
    matches!(status.storing, Storing::Aside { .. }).then(|| {
        "JetStream does not answer: messages are kept in the data directory and acknowledged, and nothing is decided \
         about them before it does; see `pentamer cluster status`, and the servers' logs"
            .to_owned()
    })
}

const LATE: &str = "messages are acknowledged, but not looked at yet: alerts are late; see `pentamer_fold_lag_records`";

/// What was waiting when the fold was last late: until all of it is looked at, it is.
#[derive(Default)]
struct Backlog(Option<JournalPosition>);

impl Backlog {
    /// `still`: for how long the fold has not got on. A fold that creeps is late all the time, not now and then.
    fn look(&mut self, progress: Progress, synced: JournalPosition, still: Duration) -> bool {
        let behind = synced.0.saturating_sub(progress.folded.0);
        let stands = behind > 0 && still > FOLD_WITHIN;
        if stands || progress.current && behind > BEHIND {
            self.0 = Some(synced);
        }
        self.0 = self.0.filter(|waited| progress.folded < *waited);
        self.0.is_some()
    }
}

/// The wall clock held against the steady one.
struct WallClock {
    wall: Timestamp,
    steady: Instant,
    jumped: Option<(Instant, String)>,
}

impl WallClock {
    fn new(wall: Timestamp, steady: Instant, started_before: Option<Timestamp>) -> Self {
        let back = started_before
            .map(|before| before.since(wall))
            .filter(|back| *back > JUMP);
        let jumped = back.map(|back| {
            let text = format!(
                "the clock stands {} s before the last start that is recorded: see that NTP runs",
                back.as_micros() / 1_000_000
            );
            (steady, text)
        });
        Self {
            wall,
            steady,
            jumped,
        }
    }

    /// The last jump, if it is not long ago.
    fn look(&mut self, wall: Timestamp, steady: Instant) -> Option<String> {
        let passed = steady.saturating_duration_since(self.steady);
        let passed = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
        let off = wall.since(self.wall).as_micros().saturating_sub(passed);
        (self.wall, self.steady) = (wall, steady);
        if off.saturating_abs() > JUMP.as_micros() {
            let way = if off > 0 { "forward" } else { "back" };
            let text = format!(
                "the clock was set {way} by {} s; times of receipt before and after do not compare: see that NTP runs",
                off.saturating_abs() / 1_000_000
            );
            self.jumped = Some((steady, text));
        }
        let recent = |since: Instant| steady.saturating_duration_since(since) < JUMP_TOLD;
        self.jumped = self.jumped.take().filter(|(since, _)| recent(*since));
        self.jumped.as_ref().map(|(_, text)| text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn after(seconds: i64) -> Timestamp {
        NOW.plus(Span::seconds(seconds))
    }

    #[test]
    fn a_clock_that_is_set_is_told_of_for_an_hour() {
        let start = clock::monotonic();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut wall = WallClock::new(NOW, start, Some(after(-60)));
        assert_eq!(wall.look(after(11), at(10)), None, "a correction");
        let back = wall.look(after(11 - 3_600), at(11)).unwrap();
        assert!(back.contains("back by 3601 s"), "{back}");
        assert_eq!(wall.look(after(12 - 3_600), at(12)), Some(back));
        let forward = wall.look(after(13), at(13)).unwrap();
        assert!(forward.contains("forward by 3600 s"), "{forward}");
        assert_eq!(wall.look(after(3_700), at(3_700)), None);
    }

    #[test]
    fn a_machine_that_starts_in_the_past_is_told_of() {
        let start = clock::monotonic();
        let mut wall = WallClock::new(NOW, start, Some(after(86_400)));
        let text = wall.look(after(1), start + Duration::from_secs(1));
        assert!(text.unwrap().contains("86400 s before the last start"));
    }

    #[test]
    fn little_space_is_told_of_before_storing_stops() {
        let status = |storing| Status {
            synced: JournalPosition(1),
            storing,
        };
        let good = status(Storing::Good);
        let failing = |why| {
            status(Storing::Failing {
                since: clock::monotonic(),
                why,
            })
        };
        assert_eq!(disk_low(&good, Some(5 << 30), 1 << 30, true), None);
        let low = disk_low(&good, Some(3 << 29), 1 << 30, false).unwrap();
        assert!(low.contains("1.5 GiB left"), "{low}");
        let between = Some((2 << 30) + (1 << 20));
        assert_eq!(disk_low(&good, between, 1 << 30, false), None);
        assert!(disk_low(&good, between, 1 << 30, true).is_some());
        assert_eq!(disk_low(&good, None, 1 << 30, false), None);
        assert!(disk_low(&failing("disk_full"), Some(0), 0, false).is_some());
        assert_eq!(disk_low(&failing("sync"), Some(5 << 30), 0, false), None);
        assert!(disk_failing(&failing("sync"), None).is_some());
        assert!(disk_failing(&failing("reserve"), None).is_none());
        assert!(disk_failing(&good, Some(SYNC_WITHIN)).is_some());
        assert!(disk_failing(&good, None).is_none());
    }

    #[test]
    fn a_fold_that_stands_still_or_lies_far_back_is_behind() {
        let progress = Progress {
            folded: JournalPosition(1),
            current: true,
        };
        let long = FOLD_WITHIN * 2;
        let late = |behind: u64, still| {
            let synced = JournalPosition(1 + behind);
            Backlog::default().look(progress, synced, still)
        };
        assert!(late(1, long));
        assert!(!late(0, long), "nothing to fold");
        assert!(!late(5, Duration::ZERO));
        assert!(late(BEHIND + 1, Duration::ZERO));
    }

    #[test]
    fn a_fold_that_creeps_is_behind_until_it_has_seen_what_waited() {
        let mut backlog = Backlog::default();
        let mut look = |folded: u64, synced: u64, still| {
            let progress = Progress {
                folded: JournalPosition(folded),
                current: true,
            };
            backlog.look(progress, JournalPosition(synced), still)
        };
        assert!(look(1, 20, FOLD_WITHIN * 2));
        assert!(look(10, 30, Duration::ZERO), "it got on, not far enough");
        assert!(!look(20, 30, Duration::ZERO));
        assert!(!look(21, 31, Duration::ZERO));
    }
}

use super::*;
use crate::core::time::Span;

/// 2026-03-02 00:00 UTC, a Monday.
const MONDAY: Timestamp = Timestamp::from_micros(1_772_409_600_000_000);

fn after(hours: f64) -> Timestamp {
    MONDAY.plus(Span::micros((hours * 3_600e6) as i64))
}

struct Feed {
    mark: FeedMark,
    rhythm: Rhythm,
    zone: TimeZone,
}

impl Feed {
    fn new() -> Self {
        Self {
            mark: FeedMark::default(),
            rhythm: Rhythm::default(),
            zone: TimeZone::UTC,
        }
    }

    fn hear(&mut self, at: Timestamp) {
        if let Some(over) = self.mark.hear(at, None, "10.0.0.5:1", &self.zone) {
            self.rhythm.add(over);
        }
    }

    /// Hour by hour up to an hour after [`MONDAY`]: `rate` is messages in the hour of the week and the
    /// week, evenly spread.
    fn live(&mut self, until: i64, rate: impl Fn(i64, i64) -> i64) {
        for hour in 0..until {
            let messages = rate(hour.rem_euclid(168), hour.div_euclid(168));
            for number in 0..messages {
                let part = (number as f64 + 0.5) / messages as f64;
                self.hear(after(hour as f64 + part));
            }
        }
    }

    fn judge(&self, hours: f64) -> Silence {
        let moment = Moment {
            now: after(hours),
            listening_since: MONDAY,
        };
        judge(&self.mark, &self.rhythm, &self.zone, moment)
    }

    /// The first quarter of an hour after these hours in which it is told of; none within a week.
    fn told_after(&self, hours: i64) -> Option<f64> {
        (0..168 * 4)
            .map(|quarters| f64::from(quarters) / 4.0)
            .find(|later| self.judge(hours as f64 + later).beyond)
    }
}

const WEEK: i64 = 168;

fn office(slot: i64) -> i64 {
    let (day, hour) = (slot / 24, slot % 24);
    if day < 5 && (8..18).contains(&hour) {
        60
    } else {
        0
    }
}

#[test]
fn hours_of_the_week_begin_on_monday_on_the_wall() {
    let slot = |at, zone: &TimeZone| LocalHour::of(local_seconds(at, zone)).slot();
    assert_eq!(slot(MONDAY, &TimeZone::UTC), 0);
    assert_eq!(slot(after(167.5), &TimeZone::UTC), 167);
    let vienna = TimeZone::fixed(jiff::tz::offset(1));
    assert_eq!(slot(MONDAY, &vienna), 1);
    assert_eq!(
        slot(Timestamp::from_micros(-1), &TimeZone::UTC),
        71,
        "Wednesday"
    );
}

#[test]
fn a_steady_feed_is_told_of_within_the_hour() {
    let mut feed = Feed::new();
    feed.live(4 * WEEK + 10, |_, _| 60);
    assert!(!feed.judge((4 * WEEK + 10) as f64).beyond);
    let told = feed.told_after(4 * WEEK + 10).unwrap();
    assert!((0.2..=0.5).contains(&told), "{told} h");
    let silence = feed.judge((4 * WEEK + 11) as f64);
    assert!((59.0..=62.0).contains(&silence.expected), "{silence:?}");
    assert!((3_600..3_660).contains(&silence.seconds));
}

#[test]
fn the_first_two_weeks_are_not_judged() {
    let mut feed = Feed::new();
    feed.live(WEEK + 80, |_, _| 60);
    assert!(!feed.judge((WEEK + 160) as f64).beyond);
    let mut feed = Feed::new();
    feed.live(2 * WEEK + 10, |_, _| 60);
    assert!(
        feed.told_after(2 * WEEK + 10).is_some(),
        "from then on it is"
    );
}

#[test]
fn nights_and_week_ends_of_an_office_are_no_silence_and_a_morning_without_is() {
    let mut feed = Feed::new();
    feed.live(5 * WEEK - 48, |slot, _| office(slot));
    // Friday 18:00 to Monday 8:00, every quarter of an hour.
    for quarter in 0..(62 * 4) {
        let at = (5 * WEEK - 54) as f64 + f64::from(quarter) / 4.0;
        assert!(!feed.judge(at).beyond, "{at}");
    }
    let told = feed.told_after(5 * WEEK).expect("on Monday");
    assert!((8.0..=11.0).contains(&told), "at {told}");
}

#[test]
fn a_holiday_in_the_past_changes_nothing_and_a_quiet_one_is_no_silence() {
    let busy = |slot: i64| match (slot / 24, slot % 24) {
        (0..=4, 7..=19) => 60,
        (_, 7..=19) => 12,
        _ => 3,
    };
    let mut feed = Feed::new();
    // A Wednesday like a Sunday in the fourth week, and one at the end.
    feed.live(5 * WEEK + 72, |slot, week| {
        let holiday = slot / 24 == 2 && (week == 3 || week == 5);
        busy(if holiday { slot + 96 } else { slot })
    });
    let thursday_noon = 5 * WEEK + 84;
    assert_eq!(
        feed.rhythm.usual(LocalHour::of(local_seconds(
            after((5 * WEEK + 60) as f64),
            &feed.zone
        ))),
        Some(60)
    );
    assert!(feed.judge(thursday_noon as f64).expected > 100.0);
    // Through that last holiday at every message's distance.
    let mut feed = Feed::new();
    feed.live(5 * WEEK + 48, |slot, _| busy(slot));
    for hour in 48..72 {
        let messages = busy(hour + 96);
        for number in 0..messages {
            let at = (5 * WEEK + hour) as f64 + (number as f64 + 0.5) / messages as f64;
            assert!(!feed.judge(at).beyond, "hour {hour}, message {number}");
            feed.hear(after(at));
        }
    }
}

#[test]
fn a_burst_once_a_day_is_waited_for_past_its_time() {
    let mut feed = Feed::new();
    let burst = |slot: i64| if slot % 24 == 3 { 500 } else { 0 };
    feed.live(5 * WEEK, |slot, _| burst(slot));
    // It comes at any moment between three and four; half an hour late is nothing yet.
    for late in [3.2, 3.9, 4.5] {
        assert!(!feed.judge(5.0 * WEEK as f64 + late).beyond, "{late}");
    }
    let told = feed.told_after(5 * WEEK).expect("that day");
    assert!((5.0..=12.0).contains(&told), "at {told}");
}

#[test]
fn our_own_absence_is_no_silence_of_theirs() {
    let mut feed = Feed::new();
    feed.live(4 * WEEK, |_, _| 60);
    let started = 4.0 * WEEK as f64 + 8.0;
    let judged = |hours: f64| {
        let moment = Moment {
            now: after(hours),
            listening_since: after(started),
        };
        judge(&feed.mark, &feed.rhythm, &feed.zone, moment)
    };
    assert!(!judged(started + 0.01).beyond);
    assert!(judged(started + 0.1).beyond, "it had time to come back");
}

#[test]
fn one_outage_does_not_become_the_rule() {
    let mut feed = Feed::new();
    // A day without anything in the fourth week.
    feed.live(
        5 * WEEK + 10,
        |slot, week| if week == 3 && slot < 24 { 0 } else { 60 },
    );
    let told = feed.told_after(5 * WEEK + 10).unwrap();
    assert!(told <= 0.5, "{told}");
}

#[test]
fn a_clock_is_wrong_when_all_messages_say_so() {
    let zone = TimeZone::UTC;
    let heard = |skews: &[i64]| {
        let mut mark = FeedMark::default();
        for (number, skew) in (0..).zip(skews) {
            let at = after(9.0 + f64::from(number) / 100.0);
            mark.hear(
                at,
                Some(at.plus(Span::seconds(*skew))),
                "[fd00::5]:99",
                &zone,
            );
        }
        mark
    };
    assert_eq!(heard(&[900; 16]).clock_off(), Some(900));
    assert_eq!(heard(&[-3_700; 20]).clock_off(), Some(-3_700));
    assert_eq!(heard(&[900; 15]).clock_off(), None, "too few");
    assert_eq!(heard(&[-500; 16]).clock_off(), None, "not much");
    // A backlog: sent long ago, but the newest are in time.
    let mut backlog = vec![-9_000; 15];
    backlog.push(-2);
    assert_eq!(heard(&backlog).clock_off(), None);
    assert_eq!(heard(&[1]).peer, "fd00::5");
    let mut mark = FeedMark::default();
    for _ in 0..20 {
        mark.hear(after(15.0), Some(MONDAY), "", &zone);
    }
    assert_eq!(mark.clock_off(), None, "dates without a time");
}

#[test]
fn a_clock_of_ours_that_was_set_back_counts_on_in_the_same_hour() {
    let mut feed = Feed::new();
    feed.hear(after(5.5));
    feed.hear(after(3.5));
    feed.hear(after(5.6));
    assert_eq!(feed.rhythm, Rhythm::default(), "no hour is over");
    assert_eq!((feed.mark.messages, feed.mark.last), (3, after(5.6)));
    feed.hear(after(6.1));
    assert_ne!(feed.rhythm, Rhythm::default());
}

//! Tests of the daemon as they are, with its facts in a stream: what holds over the one log holds over the other.

use crate::e2e::harness::over_a_stream;

macro_rules! same {
    ($($room:ident: $($test:ident),+;)+) => {
        $(mod $room {
            $(#[test]
            fn $test() {
                super::over_a_stream(super::super::super::$room::$test);
            })+
        })+
    };
}

/// The worked examples of CLINICAL 6.8: sent to the real binary, the alerts are those that each expects.
mod examples {
    use super::over_a_stream;
    use crate::examples::live;

    #[test]
    fn all_examples_at_once() {
        over_a_stream(live::all_examples_at_once);
    }

    #[test]
    fn old_beginnings_do_not_page() {
        over_a_stream(live::old_beginnings_do_not_page);
    }
}

same! {
    endpoint:
        a_hundred_messages_without_waiting_are_answered_in_order,
        acknowledgement_ids_are_unique,
        junk_without_end_closes_the_connection,
        the_bytes_of_refused_frames_are_kept_with_the_peer,
        a_message_in_parts_is_joined_when_the_rest_arrives;
    life:
        sigterm_finishes_the_frame_under_way,
        killed_and_started_again_nothing_is_lost_and_nobody_paged_twice,
        a_deleted_cache_is_rebuilt_and_pages_nobody;
    outage:
        killed_at_any_moment_no_alert_is_lost_and_at_most_one_is_repeated_a_kill;
    patient:
        a_merge_is_shown_undone_and_stays_undone;
    queue:
        alerts_are_listed_shown_and_acknowledged_and_that_is_sent_on,
        the_past_is_replayed_from_a_time_in_order_with_the_same_ids,
        a_page_that_nobody_acknowledges_goes_on_and_an_acknowledgement_ends_it,
        a_flood_becomes_one_message_and_what_is_urgent_does_not_wait;
    reassess:
        what_a_changed_table_finds_is_looked_at_first_and_told_when_asked;
    replay:
        an_archive_pages_nobody_and_can_be_given_again,
        live_and_replay_in_any_order_know_the_same_episodes;
    restart:
        restarted_under_load_nobody_is_refused_and_nothing_is_lost_or_misordered;
    sinks:
        a_webhook_is_tried_until_it_takes_the_alert_and_gets_no_other,
        what_is_refused_for_good_is_a_dead_letter_and_holds_up_nothing,
        a_new_sink_begins_with_what_comes_and_one_that_was_there_goes_on,
        events_and_severity_choose;
    trouble:
        a_clock_that_jumps_decides_nothing_twice;
}

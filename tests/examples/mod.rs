//! The worked examples of CLINICAL 6.8, from HL7 messages to alerts; and what the seed table, the
//! traps and the sentences of that document promise, over the same path.

mod associations;
mod beside;
mod children;
mod course;
mod expect;
mod limits;
pub mod live;
mod message;
mod patterns;
mod play;
mod sentences;
mod traps;
mod units;

/// Makes a test of every example, named like it, and the list of all of them.
macro_rules! examples {
    ($($room:ident :: $name:ident,)*) => {
        fn all() -> Vec<(&'static str, expect::Example)> {
            vec![$((stringify!($name), $room::$name())),*]
        }

        $(
            #[test]
            fn $name() {
                play::play(stringify!($name), &$room::$name());
            }
        )*
    };
}

examples! {
    limits::example_01_low_alone_for_the_first_time,
    limits::example_02_confirmed_after_38_days,
    limits::example_03_too_early_to_confirm,
    limits::example_04_equal_to_the_limit_is_normal,
    limits::example_05_just_below_the_limit,
    limits::example_06_below_a_fifth_is_severe,
    limits::example_07_below_a_number_over_the_limit,
    limits::example_08_below_the_limit_itself,
    units::example_09_units_are_mixed,
    units::example_10_severe_in_milligrams,
    units::example_11_milligrams_written_as_grams,
    units::example_12_flag_against_interval,
    units::example_13_the_flag_alone,
    units::example_14_the_built_in_interval,
    units::example_15_no_interval_at_all,
    patterns::example_16_all_three_are_low,
    patterns::example_17_an_episode_goes_on_to_low_igg,
    patterns::example_18_low_iga_too,
    patterns::example_19_high_igg_outranks_low_iga,
    patterns::example_20_high_igg,
    children::example_21_an_infant_of_two_months,
    children::example_22_an_infant_with_low_iga,
    children::example_23_iga_not_yet_mature,
    children::example_24_a_boy_with_few_platelets,
    course::example_25_preliminary_then_final,
    course::example_26_corrected_to_normal,
    course::example_27_normal_after_90_days,
    course::example_28_igg_was_normal_long_ago,
    course::example_29_igg_was_low_some_time_ago,
    beside::example_30_nobody_knows_age_and_sex,
    beside::example_31_unknown_age_by_the_row_of_adults,
    beside::example_32_neither_csf_nor_measles,
    beside::example_33_severe_after_pneumococcal_sepsis,
    beside::example_34_after_rituximab,
    beside::example_34_after_rituximab_by_name,
    beside::example_35_known_already,
    beside::example_36_decimal_commas,
    beside::example_37_cancelled_and_measured_again,
    beside::example_37_cancelled_first_and_sent_again,
    children::example_38_a_girl_who_does_not_thrive,
}

#[test]
fn every_number_has_its_example() {
    let mut numbers: Vec<u32> = all()
        .iter()
        .map(|(name, _)| name[8..10].parse().expect("a number"))
        .collect();
    numbers.dedup();
    assert_eq!(numbers, (1..=38).collect::<Vec<_>>());
}

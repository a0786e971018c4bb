//! `[site]` and `[detection]`.

use super::keys::{DETECTION, IDENTIFIER, SITE};
use super::layer::Raw;
use super::problem::{Problem, Wrong};
use super::quantity;
use super::section::Section;
use crate::core::policy::{AgeSpan, Detection, IdentifierChoice, Site, SuppressKnown};
use crate::core::time::Span;
use rust_decimal::Decimal;
use std::time::Duration;

/// Systems that an ICD or SNOMED code is sent with (CLINICAL 2).
const DX_SYSTEMS: &[&str] = &[
    "I10", "I10C", "ICD10", "ICD-10", "10", "I9", "I9C", "ICD9", "SCT", "SNM3",
];

pub(super) fn site(raw: &Raw, problems: &mut Vec<Problem>) -> Site {
    let default = Site::default();
    let section = &mut Section::open(&SITE, raw.section(SITE.name), problems);
    let zone = section.parsed(
        "timezone",
        "a time zone such as `Europe/Amsterdam`",
        "write its IANA name; on a small system the package `tzdata` may be missing",
        |text| Some((text.to_owned(), jiff::tz::TimeZone::get(text).ok()?)),
    );
    let (timezone, zone) = zone.unwrap_or((default.timezone, default.zone));
    Site {
        name: section
            .parsed(
                "name",
                "a name of 1 to 64 characters",
                "name the hospital or laboratory; ids of alerts depend on it, so do not change it later",
                site_name,
            )
            .unwrap_or(default.name),
        timezone,
        zone,
        patient_id: patient_id(section).unwrap_or(default.patient_id),
        control_ids: words(section, "control_ids").unwrap_or(default.control_ids),
        immunology_services: words(section, "immunology_services")
            .unwrap_or(default.immunology_services),
        placeholder_birth_dates: section
            .list(
                "placeholder_birth_dates",
                "a date such as `19000101`",
                "write year, month and day as eight digits",
                |text| {
                    let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
                    digits.then(|| text.to_owned())
                },
            )
            .map_or(default.placeholder_birth_dates, |dates| {
                dates.into_iter().collect()
            }),
        strip_leading_zeros: section
            .flag("strip_leading_zeros")
            .unwrap_or(default.strip_leading_zeros),
        default_dx_system: section
            .parsed(
                "default_dx_system",
                "a coding system such as `I10`, `I9` or `SCT`, or nothing",
                "diagnoses that are sent without a system are then read as of this one",
                |text| {
                    let known = text.is_empty() || DX_SYSTEMS.contains(&text.to_uppercase().as_str());
                    known.then(|| text.to_owned())
                },
            )
            .unwrap_or(default.default_dx_system),
    }
}

fn site_name(text: &str) -> Option<String> {
    let plain = !text.trim().is_empty()
        && text.chars().count() <= 64
        && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

fn words(section: &mut Section<'_>, key: &str) -> Option<Vec<String>> {
    section.list(
        key,
        "text that is not empty",
        "remove the empty entry",
        |text| (!text.trim().is_empty()).then(|| text.to_owned()),
    )
}

fn patient_id(section: &mut Section<'_>) -> Option<Vec<IdentifierChoice>> {
    let example = "patient_id = [{ authority = \"HOSP\", type = \"MR\" }]";
    section.tables("patient_id", &IDENTIFIER, example, |entry| {
        let authority = entry.text("authority").unwrap_or_default();
        let kind = entry.text("type").unwrap_or_default();
        if authority.is_empty() && kind.is_empty() {
            entry.report(
                "type",
                Wrong::Conflict("an entry names an authority, a type, or both".to_owned()),
                format!("write e.g. `{example}`"),
            );
            return None;
        }
        Some(IdentifierChoice { authority, kind })
    })
}

pub(super) const SUPPRESS_KNOWN: &[(&str, SuppressKnown)] = &[
    ("off", SuppressKnown::Off),
    ("routine", SuppressKnown::Routine),
    ("all", SuppressKnown::All),
];

/// CLINICAL 6.9.
pub(super) fn detection(raw: &Raw, problems: &mut Vec<Problem>) -> Detection {
    let default = Detection::default();
    let section = &mut Section::open(&DETECTION, raw.section(DETECTION.name), problems);
    Detection {
        concurrent_window: span(section, "concurrent_window", 1, default.concurrent_window),
        context_window: span(section, "context_window", 1, default.context_window),
        // Less than three weeks would confirm with the same illness (CLINICAL 6.9).
        confirm_after: span(section, "confirm_after", 21, default.confirm_after),
        confirm_within: span(section, "confirm_within", 21, default.confirm_within),
        reopen_after: span(section, "reopen_after", 0, default.reopen_after),
        max_age_to_page: span(section, "max_age_to_page", 1, default.max_age_to_page),
        infant_age: age(section, "infant_age", default.infant_age),
        iga_min_age: age(section, "iga_min_age", default.iga_min_age),
        iga_detectable_above: amount(
            section,
            "iga_detectable_above",
            default.iga_detectable_above,
        ),
        severe_below: amount(section, "severe_below", default.severe_below),
        profound_below: amount(section, "profound_below", default.profound_below),
        use_builtin_intervals: flag(
            section,
            "use_builtin_intervals",
            default.use_builtin_intervals,
        ),
        assume_final: flag(section, "assume_final", default.assume_final),
        page_unconfirmed: flag(section, "page_unconfirmed", default.page_unconfirmed),
        page_igm_only: flag(section, "page_igm_only", default.page_igm_only),
        page_infant_agamma: flag(section, "page_infant_agamma", default.page_infant_agamma),
        page_other_patterns: flag(section, "page_other_patterns", default.page_other_patterns),
        page_preliminary: flag(section, "page_preliminary", default.page_preliminary),
        suppress_known: section
            .choice("suppress_known", SUPPRESS_KNOWN)
            .unwrap_or(default.suppress_known),
        known_for: span(section, "known_for", 0, default.known_for),
        association_window: span(section, "association_window", 0, default.association_window),
        urgent_association_window: span(
            section,
            "urgent_association_window",
            0,
            default.urgent_association_window,
        ),
        trend_results: section
            .number("trend_results", 1..=1000)
            .unwrap_or(default.trend_results),
    }
}

/// A window of at least so many days, at most a century.
fn span(section: &mut Section<'_>, key: &str, minimum_days: u64, default: Span) -> Span {
    let day = |days: u64| Duration::from_secs(days * 86_400);
    section
        .duration(key, day(minimum_days)..=day(36_525))
        .and_then(|duration| i64::try_from(duration.as_secs()).ok())
        .map_or(default, Span::seconds)
}

fn age(section: &mut Section<'_>, key: &str, default: AgeSpan) -> AgeSpan {
    section
        .parsed(
            key,
            "an age such as `6mo` or `4y`",
            "units are d, wk, mo, y",
            quantity::age,
        )
        .unwrap_or(default)
}

fn amount(section: &mut Section<'_>, key: &str, default: Decimal) -> Decimal {
    section
        .parsed(
            key,
            "an amount with its unit such as `0.20 g/L`",
            "units are g/L, mg/dL, mg/L, g/dL; the decimal sign is a point",
            quantity::grams_per_litre,
        )
        .unwrap_or(default)
}

fn flag(section: &mut Section<'_>, key: &str, default: bool) -> bool {
    section.flag(key).unwrap_or(default)
}

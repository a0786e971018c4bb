//! CLINICAL 4.1 and 4.2: spellings, factors, and what is never converted.

use super::Unit;
use proptest::prelude::*;
use rust_decimal::Decimal;

fn components(text: &str) -> Vec<String> {
    text.split('^').map(str::to_owned).collect()
}

#[test]
fn every_spelling_of_the_list() {
    for (unit, texts) in [
        (
            Unit::GramPerLitre,
            &[
                "g/L",
                "g/l",
                "gm/L",
                "gr/l",
                "G/L",
                " g / L ",
                "GM/L",
                "gram/liter",
                "grams per litre",
                "mg/mL",
                "MG/ML",
                "kg/m3",
                "kg/m^3",
                "g.l-1",
                "g\u{a0}/L",
            ][..],
        ),
        (
            Unit::MilligramPerDecilitre,
            &[
                "mg/dL",
                "mg/dl",
                "mgs/dL",
                "MG/DL",
                "mg/100 ml",
                "mg/100mL",
                "mg%",
                "MG%",
                "MilliGramsPerDeciLiter",
                "mg / dL",
            ],
        ),
        (
            Unit::MilligramPerLitre,
            &[
                "mg/L",
                "MG/L",
                "ug/mL",
                "ug/ml",
                "\u{b5}g/mL",
                "\u{3bc}g/mL",
                "mcg/ml",
                "mcg/mL",
            ],
        ),
        (
            Unit::GramPerDecilitre,
            &["g/dL", "gm/dl", "g%", "gm%", "g/100mL", "G/DL"],
        ),
        (
            Unit::MicrogramPerDecilitre,
            &["ug/dL", "\u{b5}g/dL", "mcg/dL", "UG/DL"],
        ),
        (
            Unit::MicrogramPerLitre,
            &["ug/L", "\u{3bc}g/L", "ng/mL", "NG/ML"],
        ),
    ] {
        for text in texts {
            assert_eq!(Unit::parse(text), unit, "{text}");
            assert_eq!(Unit::parse(&unit.shown()), unit);
        }
    }
}

#[test]
fn factors_are_those_of_the_document() {
    for (text, factor) in [
        ("g/L", "1"),
        ("mg/dL", "0.01"),
        ("mg%", "0.01"),
        ("mg/100mL", "0.01"),
        ("mg/L", "0.001"),
        ("ug/mL", "0.001"),
        ("mcg/mL", "0.001"),
        ("g/dL", "10"),
        ("g%", "10"),
        ("mg/mL", "1"),
        ("ug/dL", "0.00001"),
        ("ug/L", "0.000001"),
        ("ng/mL", "0.000001"),
        ("kg/m3", "1"),
    ] {
        let factor: Decimal = factor.parse().expect("decimal");
        assert_eq!(Unit::parse(text).factor(), Some(factor), "{text}");
    }
}

#[test]
fn refused_units_stay_as_sent() {
    for text in [
        "IU/mL",
        "kIU/L",
        "U/mL",
        "[IU]/mL",
        "%",
        "index",
        "AU",
        "titre",
        "\u{b5}mol/L",
        "nmol/L",
        "g/mL",
        "mmol/L",
        "10^9/L",
    ] {
        let unit = Unit::parse(text);
        assert_eq!(unit, Unit::Other(text.to_owned()));
        assert_eq!(unit.factor(), None, "{text}");
        assert!(!unit.is_mass() && unit.is_known(), "{text}");
    }
    // A megagram is not a milligram, and nobody can tell which was meant.
    for text in ["Mg/dL", "Mg/L", "Mg%"] {
        assert_eq!(Unit::parse(text), Unit::Other(text.to_owned()));
    }
    for text in [
        "ng/L",
        "g/m3",
        "kg/L",
        "milli",
        "approx",
        "mg",
        "L",
        "see report",
    ] {
        assert!(!Unit::parse(text).is_mass(), "{text}");
    }
    assert!(!Unit::parse("approx").is_known());
    assert!(!Unit::parse("repeat 12/05").is_known());
}

#[test]
fn the_field_is_read_by_component() {
    for (field, unit) in [
        ("g/L^gram per liter^UCUM", Unit::GramPerLitre),
        ("CD:289^mg/dL", Unit::MilligramPerDecilitre),
        ("^^^mg/dL^^L", Unit::MilligramPerDecilitre),
        ("X1^mg/dL^L^g/L^^UCUM", Unit::GramPerLitre),
        ("IU/mL^g/L", Unit::Other("IU/mL".to_owned())),
        (
            "g/mL^grams per milliliter^UCUM",
            Unit::Other("g/mL".to_owned()),
        ),
        ("^^^mmol/L^^L", Unit::Other("mmol/L".to_owned())),
        ("furlong", Unit::Other("furlong".to_owned())),
        ("^^^^^", Unit::Missing),
        ("\"\"", Unit::Missing),
        ("*", Unit::Missing),
        ("", Unit::Missing),
    ] {
        assert_eq!(Unit::read(&components(field)), unit, "{field}");
    }
    assert_eq!(Unit::read(&[]), Unit::Missing);
}

#[test]
fn conversion_has_its_limits() {
    assert_eq!(Unit::GramPerDecilitre.to_gram_per_litre(Decimal::MAX), None);
    assert_eq!(
        Unit::MicrogramPerLitre.to_gram_per_litre(Decimal::new(1, 28)),
        None
    );
    let room = Decimal::new(1_000_000, 28);
    assert_eq!(
        Unit::MicrogramPerLitre.to_gram_per_litre(room),
        Some(Decimal::new(1, 28))
    );
    assert_eq!(Unit::Missing.convert(Decimal::ONE, &Unit::Missing), None);
    assert_eq!(
        Unit::parse("IU/mL").convert(Decimal::ONE, &Unit::parse("iu/ml")),
        Some(Decimal::ONE)
    );
    assert_eq!(
        Unit::parse("IU/mL").convert(Decimal::ONE, &Unit::GramPerLitre),
        None
    );
}

fn mass() -> impl Strategy<Value = Unit> {
    prop::sample::select(vec![
        Unit::GramPerLitre,
        Unit::MilligramPerDecilitre,
        Unit::MilligramPerLitre,
        Unit::GramPerDecilitre,
        Unit::MicrogramPerDecilitre,
        Unit::MicrogramPerLitre,
    ])
}

proptest! {
    #[test]
    fn conversion_is_exact_and_keeps_the_order(
        unit in mass(), to in mass(), a in 0_i64..10_000_000_000, b in 0_i64..10_000_000_000, scale in 0_u32..10,
    ) {
        let (a, b) = (Decimal::new(a, scale), Decimal::new(b, scale));
        let (there_a, there_b) = (unit.convert(a, &to), unit.convert(b, &to));
        prop_assert_eq!(there_a.and_then(|v| to.convert(v, &unit)), Some(a));
        prop_assert_eq!(a.cmp(&b), there_a.cmp(&there_b));
        let factor = unit.factor().expect("mass");
        prop_assert_eq!(unit.to_gram_per_litre(a), a.checked_mul(factor));
    }

    #[test]
    fn any_text_is_a_unit_of_some_sort(text in any::<String>(), v in any::<i64>()) {
        let unit = Unit::parse(&text);
        let _ = unit.to_gram_per_litre(Decimal::new(v, 3));
        let _ = (unit.shown(), unit.is_known());
    }
}

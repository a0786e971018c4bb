//! Units of mass concentration and their exact factors to g/L (CLINICAL 4.1, 4.2).

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The unit of a reported value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// g/L, kg/m3, mg/mL.
    GramPerLitre,
    /// mg/dL, mg%, mg/100mL.
    MilligramPerDecilitre,
    /// mg/L, ug/mL.
    MilligramPerLitre,
    /// g/dL, g%.
    GramPerDecilitre,
    /// ug/dL.
    MicrogramPerDecilitre,
    /// ug/L, ng/mL.
    MicrogramPerLitre,
    /// Known or not, but never converted: IU/mL, titre, … (as sent).
    Other(String),
    /// None sent, none configured.
    Missing,
}

/// Spellings of masses, longest first within one beginning; powers of ten of a gram.
const MASSES: [(&str, i32); 26] = [
    ("kilograms", 3),
    ("kilogram", 3),
    ("kg", 3),
    ("milligrams", -3),
    ("milligram", -3),
    ("milligramm", -3),
    ("mgs", -3),
    ("mgm", -3),
    ("mg", -3),
    ("micrograms", -6),
    ("microgram", -6),
    ("mikrogramm", -6),
    ("mcg", -6),
    ("ugm", -6),
    ("ug", -6),
    ("nanograms", -9),
    ("nanogram", -9),
    ("nanogramm", -9),
    ("ng", -9),
    ("grams", 0),
    ("gram", 0),
    ("gramm", 0),
    ("gms", 0),
    ("gm", 0),
    ("gr", 0),
    ("g", 0),
];

/// Spellings of volumes; powers of ten of a litre.
const VOLUMES: [(&str, i32); 20] = [
    ("l", 0),
    ("ltr", 0),
    ("liter", 0),
    ("litre", 0),
    ("liters", 0),
    ("litres", 0),
    ("dl", -1),
    ("deciliter", -1),
    ("decilitre", -1),
    ("deciliters", -1),
    ("decilitres", -1),
    ("100ml", -1),
    ("ml", -3),
    ("milliliter", -3),
    ("millilitre", -3),
    ("milliliters", -3),
    ("millilitres", -3),
    ("m3", 3),
    ("m^3", 3),
    ("m\u{b3}", 3),
];

/// Texts that are units, but of something that is not a mass in a volume (CLINICAL 4.2).
const NEVER_CONVERTED: [&str; 16] = [
    "%", "index", "au", "titre", "titer", "ratio", "iu", "u", "eu", "mom", "cutoff", "s/co", "coi",
    "1", "[iu]", "[ratio]",
];

/// Texts that say that there is no unit.
const NO_UNIT: [&str; 8] = ["\"\"", "*", "-", ".", "n/a", "na", "none", "null"];

impl Unit {
    /// Reads OBX-6 (unescaped components): the unit table over component 1, else 4, else 2 (WIRE 4.4 field 6).
    ///
    /// A first component that is a unit, though one that is never converted, ends the search:
    /// the others may only say what it means.
    pub fn read(components: &[String]) -> Self {
        let mut first_text = None;
        for place in [0, 3, 1] {
            let Some(text) = components.get(place) else {
                continue;
            };
            match Self::parse(text) {
                Self::Missing => {}
                Self::Other(text) if looks_like_unit(&text) && first_text.is_none() => {
                    return Self::Other(text);
                }
                Self::Other(text) => first_text = first_text.or(Some(text)),
                unit @ (Self::GramPerLitre
                | Self::MilligramPerDecilitre
                | Self::MilligramPerLitre
                | Self::GramPerDecilitre
                | Self::MicrogramPerDecilitre
                | Self::MicrogramPerLitre) => return unit,
            }
        }
        first_text.map_or(Self::Missing, Self::Other)
    }

    /// Reads one text, e.g. `mg/dL`; blanks and case do not count (CLINICAL 4.1).
    ///
    /// `Mg` at the start is a megagram, or a slip nobody can judge: never converted.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let packed = packed(text);
        if packed.is_empty() || NO_UNIT.contains(&packed.as_str()) {
            return Self::Missing;
        }
        let megagram = text.starts_with("Mg");
        match mass_concentration(&packed) {
            Some(unit) if !megagram => unit,
            Some(_) | None => Self::Other(text.to_owned()),
        }
    }

    /// Power of ten to g/L; `None` for what is never converted.
    const fn exponent(&self) -> Option<i32> {
        match self {
            Self::GramPerLitre => Some(0),
            Self::MilligramPerDecilitre => Some(-2),
            Self::MilligramPerLitre => Some(-3),
            Self::GramPerDecilitre => Some(1),
            Self::MicrogramPerDecilitre => Some(-5),
            Self::MicrogramPerLitre => Some(-6),
            Self::Other(_) | Self::Missing => None,
        }
    }

    /// The exact factor to g/L (CLINICAL 4.1); `None` for what is never converted (4.2).
    pub fn factor(&self) -> Option<Decimal> {
        shift(Decimal::ONE, self.exponent()?)
    }

    /// `v` of this unit in g/L, exactly; `None` where there is no factor or no room for the digits.
    pub fn to_gram_per_litre(&self, v: Decimal) -> Option<Decimal> {
        shift(v, self.exponent()?)
    }

    /// `v` of this unit in another one, exactly. A unit that is never converted converts to itself only.
    pub fn convert(&self, v: Decimal, to: &Self) -> Option<Decimal> {
        if self.is_same(to) {
            return Some(v);
        }
        shift(v, self.exponent()?.checked_sub(to.exponent()?)?)
    }

    /// Whether both are the same unit, however it is written; missing units are the same as nothing.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Missing, _) | (_, Self::Missing) => false,
            (Self::Other(one), Self::Other(two)) => packed(one) == packed(two),
            (one, two) => one == two,
        }
    }

    /// As shown to people: the usual spelling, or the text as sent; empty where missing.
    pub fn shown(&self) -> String {
        match self {
            Self::GramPerLitre => "g/L".to_owned(),
            Self::MilligramPerDecilitre => "mg/dL".to_owned(),
            Self::MilligramPerLitre => "mg/L".to_owned(),
            Self::GramPerDecilitre => "g/dL".to_owned(),
            Self::MicrogramPerDecilitre => "ug/dL".to_owned(),
            Self::MicrogramPerLitre => "ug/L".to_owned(),
            Self::Other(text) => text.clone(),
            Self::Missing => String::new(),
        }
    }

    /// Whether it is a mass in a volume, so convertible.
    pub fn is_mass(&self) -> bool {
        self.exponent().is_some()
    }

    /// Whether it is a unit at all: a mass in a volume, or one of those that are never converted.
    ///
    /// Tells `12 IU/mL` from a number with other text behind it.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Other(text) => looks_like_unit(text),
            Self::Missing => false,
            Self::GramPerLitre
            | Self::MilligramPerDecilitre
            | Self::MilligramPerLitre
            | Self::GramPerDecilitre
            | Self::MicrogramPerDecilitre
            | Self::MicrogramPerLitre => true,
        }
    }
}

/// Lower case, micro signs as `u`, no blanks.
fn packed(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| match letter {
            '\u{b5}' | '\u{3bc}' | '\u{39c}' => 'u',
            other => other,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

fn mass_concentration(packed: &str) -> Option<Unit> {
    let (mass, volume) = if let Some(mass) = packed.strip_suffix('%') {
        (mass, "dl")
    } else if let Some(parts) = packed.split_once('/') {
        parts
    } else if let Some(rest) = packed.strip_suffix("-1") {
        rest.split_once(['.', '*', '\u{b7}'])?
    } else {
        packed.split_once("per")?
    };
    let (_, mass_power) = MASSES.iter().find(|(spelling, _)| *spelling == mass)?;
    let (_, volume_power) = VOLUMES.iter().find(|(spelling, _)| *spelling == volume)?;
    // kg and m3 only with each other, ng only with mL, as in the list of 4.1.
    match (mass_power, volume_power) {
        (0, 0) | (-3, -3) | (3, 3) => Some(Unit::GramPerLitre),
        (-3, -1) => Some(Unit::MilligramPerDecilitre),
        (-3, 0) | (-6, -3) => Some(Unit::MilligramPerLitre),
        (0, -1) => Some(Unit::GramPerDecilitre),
        (-6, -1) => Some(Unit::MicrogramPerDecilitre),
        (-6, 0) | (-9, -3) => Some(Unit::MicrogramPerLitre),
        (_, _) => None,
    }
}

/// A short text with a `/` between its parts, or one of the known ones.
fn looks_like_unit(text: &str) -> bool {
    let packed = packed(text);
    if NEVER_CONVERTED.contains(&packed.as_str()) {
        return true;
    }
    let letters = |part: &str, longest: usize| {
        (1..=longest).contains(&part.chars().count())
            && part
                .chars()
                .all(|letter| letter.is_alphanumeric() || "[]^*.{}_".contains(letter))
    };
    packed.split_once('/').is_some_and(|(above, below)| {
        letters(above, 8) && letters(below, 6) && below.chars().any(char::is_alphabetic)
    })
}

/// `v` times a power of ten, without rounding.
fn shift(v: Decimal, power: i32) -> Option<Decimal> {
    if power == 0 && v.is_sign_positive() {
        return Some(v);
    }
    let scale = i64::from(v.scale()).checked_sub(i64::from(power))?;
    if let Ok(scale) = u32::try_from(scale) {
        if scale <= Decimal::MAX_SCALE {
            return Decimal::try_from_i128_with_scale(v.mantissa(), scale).ok();
        }
        let short = v.normalize();
        let scale = i64::from(short.scale()).checked_sub(i64::from(power))?;
        return Decimal::try_from_i128_with_scale(short.mantissa(), u32::try_from(scale).ok()?)
            .ok();
    }
    let zeros = u32::try_from(scale.checked_neg()?).ok()?;
    let mantissa = v.mantissa().checked_mul(10_i128.checked_pow(zeros)?)?;
    Decimal::try_from_i128_with_scale(mantissa, 0).ok()
}

#[cfg(test)]
mod tests;

//! Units of mass concentration and their exact factors to g/L (CLINICAL 4.1, 4.2).

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

impl Unit {
    /// The value in g/L; `None` where the unit has no exact factor or the number overflows.
    pub fn to_gram_per_litre(&self, v: rust_decimal::Decimal) -> Option<rust_decimal::Decimal> {
        use rust_decimal::Decimal;
        let factor = match self {
            Self::GramPerLitre => Decimal::ONE,
            Self::MilligramPerDecilitre => Decimal::new(1, 2),
            Self::MilligramPerLitre => Decimal::new(1, 3),
            Self::GramPerDecilitre => Decimal::TEN,
            Self::MicrogramPerDecilitre => Decimal::new(1, 5),
            Self::MicrogramPerLitre => Decimal::new(1, 6),
            Self::Other(_) | Self::Missing => return None,
        };
        v.checked_mul(factor)
    }

    /// As written beside a value.
    pub fn shown(&self) -> String {
        match self {
            Self::GramPerLitre => "g/L",
            Self::MilligramPerDecilitre => "mg/dL",
            Self::MilligramPerLitre => "mg/L",
            Self::GramPerDecilitre => "g/dL",
            Self::MicrogramPerDecilitre => "ug/dL",
            Self::MicrogramPerLitre => "ug/L",
            Self::Other(text) => text,
            Self::Missing => "",
        }
        .to_owned()
    }

    /// True for units of mass concentration.
    pub fn is_mass(&self) -> bool {
        !matches!(self, Self::Other(_) | Self::Missing)
    }
}

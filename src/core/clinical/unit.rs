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
    /// Stand-in.
    pub fn read(components: &[String]) -> Self {
        let text = components
            .iter()
            .find(|c| !c.is_empty())
            .cloned()
            .unwrap_or_default();
        match text.trim().to_lowercase().as_str() {
            "" => Self::Missing,
            "g/l" => Self::GramPerLitre,
            "mg/dl" => Self::MilligramPerDecilitre,
            _ => Self::Other(text),
        }
    }

    /// Stand-in.
    pub fn to_gram_per_litre(&self, v: rust_decimal::Decimal) -> Option<rust_decimal::Decimal> {
        match self {
            Self::GramPerLitre => Some(v),
            Self::MilligramPerDecilitre => v.checked_mul(rust_decimal::Decimal::new(1, 2)),
            _ => None,
        }
    }

    /// Stand-in.
    pub fn shown(&self) -> String {
        match self {
            Self::GramPerLitre => "g/L".to_owned(),
            Self::MilligramPerDecilitre => "mg/dL".to_owned(),
            Self::Other(text) => text.clone(),
            _ => String::new(),
        }
    }
}

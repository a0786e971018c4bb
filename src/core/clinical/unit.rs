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
    /// Reads one text, e.g. `mg/dL`.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "" => Self::Missing,
            "g/L" => Self::GramPerLitre,
            "mg/dL" => Self::MilligramPerDecilitre,
            "mg/L" => Self::MilligramPerLitre,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether it is a mass in a volume, so convertible.
    pub const fn is_mass(&self) -> bool {
        !matches!(self, Self::Other(_) | Self::Missing)
    }

    /// As shown to people.
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
}

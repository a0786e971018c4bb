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

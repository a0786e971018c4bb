//! `[[association]]` rows whose system is written as no message writes it.

use super::warning;
use crate::config::Config;
use crate::config::keys::ASSOCIATION;
use crate::config::layer::Raw;
use crate::config::problem::Warning;
use crate::config::validate::in_row;
use crate::core::clinical::association::AssociationTable;

/// Systems that differ from a known name by blanks, hyphens and the like.
pub(super) fn odd_systems(config: &Config, raw: &Raw) -> Vec<Warning> {
    let table = AssociationTable::built_in();
    let rows = config.tables.associations.iter().enumerate();
    rows.filter_map(|(index, row)| {
        let meant = table.meant_system(&row.system)?;
        Some(warning(
            in_row(raw, &ASSOCIATION, index, "system"),
            format!(
                "`system` = `{}` is no known name of a system, and is compared as written",
                row.system
            ),
            format!("did you mean `{meant}`? it matches all names of that system"),
        ))
    })
    .collect()
}

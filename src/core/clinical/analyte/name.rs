//! Immunoglobulins by name, to notice a text that contradicts its code (CLINICAL 3.3).

use super::Analyte;

/// An immunoglobulin that a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Analyte(Analyte),
    /// IgD, IgE, a subclass of IgA: known, and none of ours.
    Another,
}

/// All immunoglobulins that a text names: `IgM`, `Immunoglobulin M`, `IgG subclass 2`, `S-IgG2`, …
pub(super) fn named_in(text: &str) -> Vec<Named> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut named = Vec::new();
    let mut rest = words.as_slice();
    while let Some((word, mut after)) = rest.split_first() {
        let mut class = word.strip_prefix("ig").filter(|class| is_class(class));
        if class.is_none()
            && (*word == "ig" || is_spelt_out(word))
            && let Some((next, behind)) = after.split_first()
            && is_class(next)
        {
            class = Some(*next);
            after = behind;
        }
        if let Some(class) = class {
            let (name, behind) = with_subclass(class, after);
            named.push(name);
            after = behind;
        }
        rest = after;
    }
    named
}

/// The one immunoglobulin that a text names, where every other word of it is `neutral`, such as `serum`.
pub(super) fn only_named(text: &str, neutral: &[String]) -> Option<Analyte> {
    let lower = text.to_lowercase();
    let says_more = lower
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty() && !is_spelt_out(word))
        .filter(|word| word.strip_prefix("ig").is_none_or(|class| !is_class(class)))
        // The letter of `Immunoglobulin M`; `Ig M` apart is too short to go by.
        .any(|word| !is_class(word) && !neutral.iter().any(|one| one == word));
    match named_in(&lower).as_slice() {
        [Named::Analyte(analyte)] if !says_more => Some(*analyte),
        _ => None,
    }
}

/// `immunoglobulin`, `immunglobuline`, `inmunoglobulina`, …
fn is_spelt_out(word: &str) -> bool {
    [
        "immunoglobulin",
        "immunglobulin",
        "inmunoglobulin",
        "imunoglobulin",
    ]
    .iter()
    .any(|start| word.starts_with(start))
}

/// A class, perhaps with its subclass glued to it.
fn is_class(text: &str) -> bool {
    matches!(
        text,
        "m" | "g" | "a" | "d" | "e" | "g1" | "g2" | "g3" | "g4" | "a1" | "a2"
    )
}

/// The name of a class with the subclass that follows it, and the words after that.
fn with_subclass<'w, 't>(class: &str, words: &'w [&'t str]) -> (Named, &'w [&'t str]) {
    if class != "g" && class != "a" {
        return (name(class), words);
    }
    let behind_word = match words.split_first() {
        Some((word, behind)) if is_subclass_word(word) => behind,
        Some(_) | None => words,
    };
    match behind_word.split_first() {
        Some((&digit @ ("1" | "2" | "3" | "4"), behind)) => {
            (name(&[class, digit].concat()), behind)
        }
        Some(_) | None => (name(class), words),
    }
}

fn is_subclass_word(word: &str) -> bool {
    ["subcl", "subkl", "sousclasse", "subclase", "sub"]
        .iter()
        .any(|start| word.starts_with(start))
}

fn name(class: &str) -> Named {
    match class {
        "m" => Named::Analyte(Analyte::IgM),
        "g" => Named::Analyte(Analyte::IgG),
        "a" => Named::Analyte(Analyte::IgA),
        "g1" => Named::Analyte(Analyte::IgG1),
        "g2" => Named::Analyte(Analyte::IgG2),
        "g3" => Named::Analyte(Analyte::IgG3),
        "g4" => Named::Analyte(Analyte::IgG4),
        _ => Named::Another,
    }
}

#[cfg(test)]
mod tests {
    use super::{Analyte, Named, named_in};

    #[test]
    fn names_as_laboratories_write_them() {
        for (text, analyte) in [
            ("IgM", Analyte::IgM),
            ("IGM, SERUM", Analyte::IgM),
            ("Immunoglobulin M", Analyte::IgM),
            ("S-Immunglobulin M", Analyte::IgM),
            ("immunoglobuline G", Analyte::IgG),
            ("Inmunoglobulina A", Analyte::IgA),
            ("Ig A", Analyte::IgA),
            ("IgM [Mass/volume] in Serum or Plasma", Analyte::IgM),
            ("IgG1", Analyte::IgG1),
            ("IgG-2", Analyte::IgG2),
            ("IgG subclass 3 [Mass/volume] in Serum", Analyte::IgG3),
            ("IgG Subklasse 4", Analyte::IgG4),
            ("Immunoglobulin G subclass 1", Analyte::IgG1),
            ("Immunoglobulin G1", Analyte::IgG1),
        ] {
            assert_eq!(named_in(text), [Named::Analyte(analyte)], "{text}");
        }
        for text in ["IgE", "IgD", "Immunoglobulin E", "IgA1", "IgA subclass 2"] {
            assert_eq!(named_in(text), [Named::Another], "{text}");
        }
        for text in [
            "",
            "Immunoglobulins",
            "Immunoglobulin",
            "Ig",
            "igmx",
            "signal",
            "G M A",
        ] {
            assert_eq!(named_in(text), [], "{text}");
        }
        assert_eq!(named_in("IgG, IgA and IgM").len(), 3);
    }
}

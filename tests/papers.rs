//! Papers that name commands and files: what they name is there, and what must run is named.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Recipes that no release waits for.
const NOT_OF_A_RELEASE: [&str; 5] = ["default", "fmt", "lint", "test", "fuzz"];

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn papers() -> Vec<PathBuf> {
    let mut papers: Vec<PathBuf> = std::fs::read_dir("docs")
        .expect("docs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    papers.extend(["README.md", "ARCHITECTURE.md"].map(PathBuf::from));
    papers
}

/// Names of the recipes of the justfile.
fn recipes() -> BTreeSet<String> {
    read("justfile")
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter_map(|line| Some(line.split_once(':')?.0.split(' ').next()?.to_owned()))
        .collect()
}

/// What stands behind `just ` in code.
fn named(text: &str) -> BTreeSet<String> {
    text.split("`just ")
        .skip(1)
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect()
        })
        .collect()
}

#[test]
fn the_release_list_names_every_recipe_that_a_release_needs() {
    let named = named(&read("docs/releasing.md"));
    let missing: Vec<String> = recipes()
        .into_iter()
        .filter(|recipe| {
            !NOT_OF_A_RELEASE.contains(&recipe.as_str()) && !named.contains(recipe.as_str())
        })
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "not in docs/releasing.md");
}

#[test]
fn every_recipe_that_a_paper_names_is_there() {
    let recipes = recipes();
    for paper in papers() {
        for name in named(&read(&paper)) {
            assert!(recipes.contains(&name), "{}: just {name}", paper.display());
        }
    }
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    for paper in papers() {
        let text = read(&paper);
        let folder = paper.parent().unwrap_or(Path::new(""));
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
        {
            let to = link.0.split('#').next().unwrap_or_default();
            if to.is_empty() || to.contains("://") {
                continue;
            }
            assert!(folder.join(to).exists(), "{}: {to}", paper.display());
        }
    }
}

#[test]
fn every_fuzz_target_is_built_and_has_seeds() {
    let manifest = read("fuzz/Cargo.toml");
    for entry in std::fs::read_dir("fuzz/fuzz_targets").expect("targets") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let seeds = Path::new("fuzz/seeds").join(name);
        let seeds: Vec<_> = std::fs::read_dir(seeds).expect("seeds").collect();
        assert!(!seeds.is_empty() && seeds.len() <= 20, "{name}");
    }
}

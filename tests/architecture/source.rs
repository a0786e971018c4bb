//! The sources as the rules see them: code without comments, texts and tests, and the paths named in it.

use std::fs;
use std::path::Path;

/// One file below `src/`.
pub struct Source {
    /// From the root of the project, with `/`.
    pub path: String,
    code: String,
}

/// Every file below `src/` that is not only tests.
pub fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(Path::new("src"), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 10, "the tests run in the root of the project");
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if name != "tests" {
                collect(&path, found);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).expect("a source");
            let path: Vec<String> = path
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            found.push(Source::new(&path.join("/"), &text));
        }
    }
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            code: without_tests(&blank(text)).to_owned(),
        }
    }

    /// Its lines with comments and texts made blank, up to its tests.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The module's path: `src/core/hl7/mod.rs` is `core`, `hl7`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        path.split('/').filter(|part| *part != "mod").collect()
    }

    /// The room: the first part of the module's path.
    pub fn room(&self) -> &str {
        self.module().first().copied().unwrap_or_default()
    }

    /// What ARCHITECTURE.md must name: the room, and the rooms of the core.
    pub fn rooms_to_name(&self) -> Vec<String> {
        let module = self.module();
        let mut rooms = Vec::new();
        if let Some(room) = module.first()
            && !matches!(*room, "main" | "lib")
        {
            rooms.push(format!("src/{room}"));
            if *room == "core"
                && let Some(inner) = module.get(1)
            {
                rooms.push((*inner).to_owned());
            }
        }
        rooms
    }

    /// Every path that the code names, with its line; `super` and `self` are written out from `crate`.
    pub fn paths(&self) -> Vec<(usize, String)> {
        let mut paths = Vec::new();
        let mut line = 1;
        let mut rest = self.code.as_str();
        while let Some(first) = rest.chars().next() {
            if !is_name(first) {
                line += usize::from(first == '\n');
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let word = name(rest);
            let (item, length) = if word == "use" {
                let length = rest.find(';').unwrap_or(rest.len());
                (rest[word.len()..length].to_owned(), length)
            } else {
                let length = path_length(rest);
                (rest[..length].to_owned(), length)
            };
            if word == "use" || item.contains("::") {
                let flat: String = item.split_whitespace().collect::<Vec<_>>().join(" ");
                paths.extend(
                    expand(&flat)
                        .into_iter()
                        .map(|path| (line, self.absolute(&path))),
                );
            }
            line += rest[..length].matches('\n').count();
            rest = &rest[length..];
        }
        paths
    }

    fn absolute(&self, path: &str) -> String {
        let path = path.trim_start_matches("::");
        let mut module = self.module();
        let mut rest = path;
        if let Some(own) = path.strip_prefix("self::") {
            return format!("crate::{}::{own}", module.join("::"));
        }
        while let Some(upper) = rest.strip_prefix("super::") {
            module.pop();
            rest = upper;
        }
        if rest.len() == path.len() {
            return path.to_owned();
        }
        let parts: Vec<&str> = std::iter::once("crate")
            .chain(module)
            .chain([rest])
            .collect();
        parts.join("::")
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn name(text: &str) -> &str {
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    &text[..end]
}

/// Length of `a::b::c` at the start of a text.
fn path_length(text: &str) -> usize {
    let mut length = name(text).len();
    while let Some(next) = text[length..].strip_prefix("::") {
        let part = name(next).len();
        if part == 0 {
            break;
        }
        length += 2 + part;
    }
    length
}

/// `a::{b, c::{d, self}}` as `a::b`, `a::c::d`, `a::c`.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        let path = path.strip_suffix("::self").unwrap_or(path);
        return vec![path.replace(' ', "")];
    };
    let prefix = tree[..open].trim();
    let after = &tree[open + 1..];
    let inner = &after[..close(after)];
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    parts
        .into_iter()
        .filter(|part| !part.trim().is_empty())
        .flat_map(|part| expand(&format!("{prefix}{}", part.trim())))
        .collect()
}

/// Where the brace that is open at the start of a text is closed.
fn close(text: &str) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Code up to its test module, which is the last item of a file.
fn without_tests(code: &str) -> &str {
    let end = code
        .match_indices("#[cfg(test)]")
        .find(|(at, mark)| {
            let mut after = code[at + mark.len()..].trim_start();
            while let Some(attribute) = after.strip_prefix("#[") {
                after = attribute
                    .split_once(']')
                    .map_or("", |(_, item)| item)
                    .trim_start();
            }
            after.starts_with("mod ") || after.starts_with("pub mod ")
        })
        .map_or(code.len(), |(at, _)| at);
    &code[..end]
}

/// Comments and texts as spaces; lines stay where they are.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(rest).filter(|_| !ends_in_name(&out)) {
            length
        } else if rest.starts_with('"') {
            quoted(rest, '"')
        } else if rest.starts_with("'\\") {
            quoted(rest, '\'')
        } else if rest.starts_with('\'') && rest.chars().nth(2) == Some('\'') {
            rest.char_indices()
                .nth(3)
                .map_or(rest.len(), |(end, _)| end)
        } else {
            let c = rest.chars().next().unwrap_or(' ');
            out.push(c);
            at += c.len_utf8();
            continue;
        };
        out.extend(
            rest[..length]
                .chars()
                .map(|c| if c == '\n' { c } else { ' ' }),
        );
        at += length;
    }
    out
}

fn ends_in_name(out: &str) -> bool {
    out.chars()
        .next_back()
        .is_some_and(|c| is_name(c) && c != 'b')
}

/// Length of `r"…"` or `r#"…"#` at the start of a text.
fn raw_text(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end)?;
    Some(1 + hashes + 1 + length + end.len())
}

/// Length of a text in quotes, with escapes, at the start of a text.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_imports_become_paths() {
        assert_eq!(
            expand("std::{fmt::{self, Write as _}, io}"),
            ["std::fmt", "std::fmt::Write", "std::io"]
        );
        assert_eq!(expand("crate::config"), ["crate::config"]);
    }

    #[test]
    fn comments_and_texts_are_not_code() {
        let code = blank(
            "a // std::fs\n\"std::net \\\" x\" r#\"std::env\"# 'x' '\"' '\\'' &'a str /* b */ c",
        );
        assert!(!code.contains("std::"), "{code}");
        assert!(code.contains("&'a str") && code.ends_with('c'), "{code}");
        assert_eq!(code.lines().count(), 2);
    }
}

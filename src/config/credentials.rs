//! Secrets that systemd hands over (`LoadCredential=NAME:…`): files of `$CREDENTIALS_DIRECTORY`.

use ::config::{Map, Value, ValueKind};
use std::path::{Path, PathBuf};

/// The variable that names the directory.
const VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// The directory of this process's credentials, where the service manager has made one.
pub(super) fn directory(environment: &[(String, String)]) -> Option<PathBuf> {
    let named = environment.iter().find(|(name, _)| name == VARIABLE);
    named
        .map(|(_, path)| PathBuf::from(path))
        .filter(|path| path.is_absolute())
}

/// Keys `…_file` whose value is the name of a credential get its path, whatever is around them.
pub(super) fn place(table: &mut Map<String, Value>, directory: &Path) {
    for (key, value) in table.iter_mut() {
        place_one(key, value, directory);
    }
}

fn place_one(key: &str, value: &mut Value, directory: &Path) {
    match &mut value.kind {
        ValueKind::Table(inner) => place(inner, directory),
        ValueKind::Array(items) => {
            for item in items {
                place_one(key, item, directory);
            }
        }
        ValueKind::String(text) if key.ends_with("_file") && is_name(text) => {
            let path = directory.join(&*text);
            if path.is_file() {
                *text = path.display().to_string();
            }
        }
        _ => {}
    }
}

/// A plain file name, not a path.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains('/') && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::new(None, ValueKind::String(text.to_owned()))
    }

    #[test]
    fn names_of_credentials_become_their_paths_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("webhook"), "s").unwrap();
        let inner: Map<String, Value> = [
            ("key_file".to_owned(), text("webhook")),
            ("name".to_owned(), text("webhook")),
        ]
        .into();
        let mut table: Map<String, Value> = [
            ("secret_file".to_owned(), text("webhook")),
            ("password_file".to_owned(), text("not-there")),
            ("cert_file".to_owned(), text("./webhook")),
            ("tls".to_owned(), Value::new(None, ValueKind::Table(inner))),
        ]
        .into();
        place(&mut table, dir.path());
        let path = dir.path().join("webhook").display().to_string();
        let got = |table: &Map<String, Value>, key: &str| {
            table.get(key).unwrap().clone().into_string().unwrap()
        };
        assert_eq!(got(&table, "secret_file"), path);
        assert_eq!(got(&table, "password_file"), "not-there");
        assert_eq!(got(&table, "cert_file"), "./webhook");
        let inner = table.get("tls").unwrap().clone().into_table().unwrap();
        assert_eq!(got(&inner, "key_file"), path);
        assert_eq!(got(&inner, "name"), "webhook");
    }

    #[test]
    fn only_an_absolute_directory_is_one() {
        let said = |path: &str| directory(&[(VARIABLE.to_owned(), path.to_owned())]);
        assert!(said("/run/credentials/pentamer.service").is_some());
        assert!(said("here").is_none() && said("").is_none() && directory(&[]).is_none());
    }
}

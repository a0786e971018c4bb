//! Configurations: any text and any variable. Either a configuration or problems, each with a remedy; what
//! is listed of a configuration reads as the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentamer::config::load;
use std::path::PathBuf;
use std::sync::LazyLock;

/// In a folder of this process alone: `conf.d` beside it is read too.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("pentamer-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("made");
    folder.join("pentamer.toml")
});

fuzz_target!(|input: (Option<(String, String)>, &str)| {
    let (variable, text) = input;
    // A template is the one file that is read on being named; a device would never end.
    if text.contains("/dev") || text.contains("/proc") {
        return;
    }
    std::fs::write(&*FILE, text).expect("written");
    let variables = variable.map(|(name, value)| (format!("PENTAMER__{name}"), value));
    match load(Some(FILE.as_path()), variables) {
        Err(problems) => {
            assert!(problems.iter().count() > 0);
            for problem in problems.iter() {
                assert!(!problem.help.is_empty(), "{problem}");
            }
            let _ = problems.to_string();
        }
        Ok(loaded) => {
            let listed = loaded.config.to_toml();
            std::fs::write(&*FILE, &listed).expect("written");
            let again = load(Some(FILE.as_path()), None)
                .unwrap_or_else(|problems| panic!("{listed}\n{problems}"));
            assert_eq!(
                again.config.to_toml(),
                listed,
                "what is listed reads as itself"
            );
            assert_eq!(again.config.policy().hash(), loaded.config.policy().hash());
        }
    }
});

//! Queries of the pages and the API: read or refused; what is read and written again is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentamer::web::read_search;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

fuzz_target!(|query: &str| {
    let Some(search) = read_search(query) else {
        return;
    };
    let texts = |search: &pentamer::index::Query| {
        [
            ("listener", search.listener.clone()),
            ("feed", search.feed.clone()),
            ("type", search.kind.clone()),
            ("control_id", search.control_id.clone()),
            ("since", search.since.map(|at| at.to_rfc3339())),
            ("until", search.until.map(|at| at.to_rfc3339())),
            ("outcome", search.outcome.map(|one| one.word().to_owned())),
        ]
    };
    let read = texts(&search);
    let mut again = String::new();
    for (name, text) in &read {
        if let Some(text) = text {
            assert!(!text.trim().is_empty(), "nothing is asked for by nothing");
            again += &format!("&{name}={}", utf8_percent_encode(text, NON_ALPHANUMERIC));
        }
    }
    let Some(back) = read_search(&again) else {
        panic!("what was read is read again");
    };
    assert_eq!(texts(&back), read);
});

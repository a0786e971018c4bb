//! The verdict and the episodes written a second time: CLINICAL 6.1 to 6.5 with the rulings of 9, plain
//! and slow, sharing nothing with `pentamer::core` but the data that goes in and the words that come
//! out. Where the two disagree, one of them, or the document, is wrong.

mod compare;
mod decisions;
mod panel;
mod person;
mod state;
mod table;
mod version;
mod walk;

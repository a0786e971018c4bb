//! The fold: facts become state, in journal order, by one function.

pub mod state;

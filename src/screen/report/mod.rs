//! The findings for people and programs.

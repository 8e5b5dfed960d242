//! Dumps for people: what crashed, in words.
//!
//! - [`report`]: what a person wants to know of a crash; [`text`]: a report in words, on one line or on several.
//! - [`info`], [`list`]: the verbs `info` and `list`.

pub mod info;
pub mod list;
pub mod report;
pub mod text;

//! Dumps for people: what crashed, in words.
//!
//! - [`report`]: what a person wants to know of a crash; [`text`]: a report in words, on one line or on several.
//! - [`info`]: the verb `info`.

pub mod info;
pub mod report;
pub mod text;

//! Dumps for people: what crashed, in words.
//!
//! - [`report`]: what a person wants to know of a crash; [`text`]: a report in words, on one line or on several.
//! - [`info`]: the verb `info`.

pub mod info;
pub mod report;
pub mod text;

/// What came of writing to a reader: one that has closed its end, such as `head`, has what it wanted.
///
/// # Errors
/// Any other failure to write.
pub fn to_reader(written: std::io::Result<()>) -> std::io::Result<()> {
    written.or_else(|error| if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

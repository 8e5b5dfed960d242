//! Command lines as text.

use crate::error::{Error, ErrorKind, Result};

/// The longest command line, in bytes; the kernel's own limit for one argument.
const MAX_LINE: usize = 128 * 1024;

/// Splits a command line into words as a shell would (quotes, backslashes), but expands and runs nothing: `;`,
/// `|`, `$x` and `*` are plain text.
///
/// # Errors
/// [`ErrorKind::Input`] for an open quote, a NUL byte, and lines beyond 128 KiB.
pub fn split_words(line: &str) -> Result<Vec<String>> {
    let refused = |why: &str| Error::new(ErrorKind::Input, format!("invalid command line: {why}"));
    if line.len() > MAX_LINE {
        return Err(refused("it is longer than 128 KiB"));
    }
    if line.contains('\0') {
        return Err(refused("it contains a NUL byte"));
    }
    shell_words::split(line).map_err(|error| refused("a quote is open").caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_nothing_is_expanded() {
        let cases: [(&str, &[&str]); 6] = [
            ("sleep 60", &["sleep", "60"]),
            ("  a   b ", &["a", "b"]),
            ("echo 'a  b' \"c d\" e\\ f", &["echo", "a  b", "c d", "e f"]),
            ("; rm -rf /", &[";", "rm", "-rf", "/"]),
            ("echo $HOME `id` $(id) * | cat", &["echo", "$HOME", "`id`", "$(id)", "*", "|", "cat"]),
            ("", &[]),
        ];
        for (line, words) in cases {
            assert_eq!(split_words(line).unwrap(), words, "{line:?}");
        }
        for line in ["echo 'open", "a\0b", &"x".repeat(MAX_LINE + 1)] {
            assert_eq!(split_words(line).unwrap_err().kind(), ErrorKind::Input);
        }
    }
}

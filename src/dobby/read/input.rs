//! Where a spec comes from: a JSON object, JSON text, or a file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::log::shown;
use crate::oci::bundle;

/// The longest spec, in bytes; real ones have a few KiB.
const MAX_BYTES: usize = 1 << 20;

/// A spec in one of the three forms that clients send.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The spec itself.
    Json(Value),
    /// The spec as JSON text, with comments as in C.
    Text(String),
    /// The absolute path of a file that holds the text.
    File(PathBuf),
}

impl Input {
    /// The form that the value of `dobbySpec` has: an object is the spec, a string is its text or the absolute path
    /// of its file.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for any other value.
    pub fn new(value: &Value) -> Result<Self> {
        match value {
            Value::Object(_) => Ok(Self::Json(value.clone())),
            Value::String(text) if is_json(text) => Ok(Self::Text(text.clone())),
            Value::String(path) if path.starts_with('/') && !path.contains('\0') => {
                Ok(Self::File(path.into()))
            }
            _ => Err(Error::new(
                ErrorKind::Input,
                format!("dobbySpec: {} is not an object, a JSON text or an absolute path", shown(value)),
            )),
        }
    }

    /// The spec as JSON. What follows the spec in a text is ignored, as Dobby does.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for what is not JSON or too long; [`ErrorKind::Config`] for a file that cannot be read.
    pub fn read(self) -> Result<Value> {
        match self {
            Self::Json(value) => Ok(value),
            Self::Text(text) => parse(&text),
            Self::File(path) => read_file(&path),
        }
    }
}

/// JSON of the file `path`, as Dobby reads it.
pub(crate) fn read_file(path: &Path) -> Result<Value> {
    let text = String::from_utf8(bundle::read_bounded(path)?).map_err(|error| {
        Error::new(ErrorKind::Input, format!("{} is not UTF-8", path.display())).caused_by(error)
    })?;
    parse(&text).map_err(|error| error.within(path.display()))
}

/// Whether a text begins like a spec or a comment in front of one, and not like a path.
fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    ["{", "[", "\"", "/*", "//"].iter().any(|start| text.starts_with(start))
}

fn parse(text: &str) -> Result<Value> {
    if text.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::Input, format!("the text is longer than {MAX_BYTES} bytes")));
    }
    let plain = plain_json(text);
    let mut values = serde_json::Deserializer::from_str(&plain);
    Value::deserialize(&mut values)
        .map_err(|error| Error::new(ErrorKind::Input, "the text is not valid JSON").caused_by(error))
}

/// What Dobby's parser takes, as JSON proper: without comments (line breaks stay, so that the places in messages are
/// right), and with the control characters in strings escaped.
fn plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut in_string = false;
    while let Some(c) = rest.next() {
        match (in_string, c) {
            (true, '\\') => {
                plain.push(c);
                plain.extend(rest.next());
            }
            (true, c) if c < ' ' => plain.push_str(&format!("\\u{:04x}", u32::from(c))),
            (_, '"') => {
                in_string = !in_string;
                plain.push(c);
            }
            (false, '/') if rest.peek() == Some(&'/') => {
                plain.push(' ');
                while rest.next_if(|c| *c != '\n').is_some() {}
            }
            (false, '/') if rest.peek() == Some(&'*') => {
                rest.next();
                plain.push_str(&skip_comment(&mut rest));
            }
            _ => plain.push(c),
        }
    }
    plain
}

/// Passes over a comment up to its end; the line breaks in it. A comment without an end leaves a `/`, which no parser
/// takes.
fn skip_comment(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut blank = String::from(" ");
    let mut before = ' ';
    for c in rest.by_ref() {
        match (before, c) {
            ('*', '/') => return blank,
            (_, '\n') => blank.push('\n'),
            _ => {}
        }
        before = c;
    }
    blank.push('/');
    blank
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_read_as_dobby_reads_it() {
        let cases = [
            ("{\"a\": 1}", json!({"a": 1})),
            ("/* c ** / */ {/**/\"a\"://x \"\n1}// y", json!({"a": 1})),
            ("{\"a\": \"// no /* comment */\"}", json!({"a": "// no /* comment */"})),
            ("{\"a\\\"//\": \"\\\\\"}//\"", json!({"a\"//": "\\"})),
            ("{\"a\": \"x\ny\tz\"}", json!({"a": "x\ny\tz"})),
            ("{\"a\": 1, \"a\": 2} and more", json!({"a": 2})),
            ("[]", json!([])),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        let deep = "[".repeat(100_000);
        let bad =
            ["", " ", "{", "{\"a\": }", "{'a': 1}", "{\"a\": 1,}", "[1,]", "NaN", "/* {}", "{/}", &deep];
        for text in bad {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Input, "{text:.20}");
        }
        let error = parse("{\n/*\n*/ \"a\": x}").unwrap_err().report();
        assert!(error.contains("line 3"), "{error}");
        assert!(parse(&" ".repeat(MAX_BYTES + 1)).unwrap_err().to_string().contains("longer than"));
    }

    #[test]
    fn the_three_forms_are_distinguished() {
        let object = json!({"version": "1.0"});
        assert_eq!(Input::new(&object).unwrap(), Input::Json(object));
        for text in [" {}", "[]", "\"x\"", "/* c */ {}", "// c\n{}"] {
            assert_eq!(Input::new(&json!(text)).unwrap(), Input::Text(text.to_owned()));
        }
        let path = "/containers/dobbySpec";
        assert_eq!(Input::new(&json!(path)).unwrap(), Input::File(path.into()));
        for value in [json!(null), json!(1), json!([]), json!(""), json!("spec.json"), json!("/a\u{0}")] {
            let error = Input::new(&value).unwrap_err().to_string();
            assert!(error.starts_with("dobbySpec: "), "{error}");
        }
    }
}

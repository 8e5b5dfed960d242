//! The program that a dump is handed to, and its arguments with what stands for parts of them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::settings::entry::absolute;

/// The most arguments of the program.
const MAX_ARGUMENTS: usize = 64;

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Exec {
    program: PathBuf,
    arguments: Vec<Vec<Piece>>,
}

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Path,
    Record,
    Container,
    Name,
}

/// What is put into the arguments.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// The dump.
    pub path: &'a Path,
    /// Its crash record, if there is one.
    pub record: Option<&'a Path>,
    /// The container's id, if it is known.
    pub container: Option<&'a str>,
    /// What the engine calls the container, if it says so.
    pub name: Option<&'a str>,
}

impl Exec {
    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its arguments for a dump. What is put in is put in as it is, and not looked at again; only NUL, which no argument
    /// can have, is left out.
    #[must_use]
    pub fn arguments(&self, values: Values<'_>) -> Vec<OsString> {
        let argument = |pieces: &Vec<Piece>| {
            let mut bytes = Vec::new();
            for piece in pieces {
                bytes.extend_from_slice(match piece {
                    Piece::Text(text) => text.as_bytes(),
                    Piece::Path => values.path.as_os_str().as_bytes(),
                    Piece::Record => values.record.map_or(&[], |record| record.as_os_str().as_bytes()),
                    Piece::Container => values.container.unwrap_or_default().as_bytes(),
                    Piece::Name => values.name.unwrap_or_default().as_bytes(),
                });
            }
            bytes.retain(|byte| *byte != 0);
            OsString::from_vec(bytes)
        };
        self.arguments.iter().map(argument).collect()
    }
}

impl TryFrom<Vec<String>> for Exec {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let program =
            words.next().ok_or("exec names no program: write [\"/path/to/program\", \"{path}\"]")?;
        let program = absolute(&program).map_err(|rule| format!("exec's program {program:?} {rule}"))?;
        if words.len() > MAX_ARGUMENTS {
            return Err(format!("exec has {} arguments, more than {MAX_ARGUMENTS}", words.len()));
        }
        let arguments = words.map(|word| pieces(&word)).collect::<Result<_, _>>()?;
        Ok(Self { program, arguments })
    }
}

/// The parts of an argument.
fn pieces(word: &str) -> Result<Vec<Piece>, String> {
    let wrong = |what: &str| {
        format!(
            "exec's argument {word:?} {what}: there are {{path}}, {{record}}, {{container}} and {{name}}, and {{{{ or }}}} for a brace"
        )
    };
    if word.contains('\0') {
        return Err(wrong("has a NUL character"));
    }
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), word);
    while let Some((before, after)) = rest.split_once(['{', '}']) {
        text.push_str(before);
        let brace =
            if rest.get(before.len()..).is_some_and(|rest| rest.starts_with('{')) { '{' } else { '}' };
        if let Some(after) = after.strip_prefix(brace) {
            text.push(brace);
            rest = after;
            continue;
        }
        let (name, after) =
            after.split_once('}').filter(|_| brace == '{').ok_or_else(|| wrong("has a single brace"))?;
        let piece = match name {
            "path" => Piece::Path,
            "record" => Piece::Record,
            "container" => Piece::Container,
            "name" => Piece::Name,
            _ => return Err(wrong(&format!("has {{{name}}}, which is unknown"))),
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(piece);
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(words: &[&str]) -> Result<Exec, String> {
        words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>().try_into()
    }

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        let words = ["/bin/up", "", "{path}", "a{container}b{{path}}{name}", "{record}", "x={record}", "}}"];
        let exec = exec(&words).unwrap();
        let values = Values {
            path: Path::new("/d/{name}.dmp"),
            record: None,
            container: Some("{path}\"'\n\0$(x)"),
            name: Some("{record}"),
        };
        let expected = ["", "/d/{name}.dmp", "a{path}\"'\n$(x)b{path}{record}", "", "x=", "}"];
        assert_eq!(exec.arguments(values), expected);
        assert_eq!(exec.program(), Path::new("/bin/up"));
    }

    #[test]
    fn unknown_places_and_programs_without_a_path_are_refused() {
        let cases = [
            (&[][..], "names no program"),
            (&["up"], "is not an absolute path"),
            (&["/"], "is the root directory"),
            (&["/a/../b"], "contains '..'"),
            (&["/up", "{file}"], "has {file}, which is unknown"),
            (&["/up", "{}"], "has {}, which is unknown"),
            (&["/up", "{path"], "has a single brace"),
            (&["/up", "path}"], "has a single brace"),
            (&["/up", "{ path }"], "has { path }, which is unknown"),
            (&["/up", "a\0"], "has a NUL character"),
        ];
        for (words, expected) in cases {
            let error = exec(words).unwrap_err();
            assert!(error.contains(expected), "{words:?}: {error}");
        }
        assert!(exec(&["/up"; 70]).is_err());
    }
}

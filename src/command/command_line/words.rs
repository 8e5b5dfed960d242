//! The words of a command line, before it is known what they ask for.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::command::command_line::verbs::{self, Opt};
use crate::error::{Error, ErrorKind, Result};
use crate::log::escape;

/// What a command line holds, before it is known what is needed.
#[derive(Default)]
pub(super) struct Words {
    pub(super) verb: Option<String>,
    pub(super) operands: Vec<PathBuf>,
    /// What stands after `--`.
    pub(super) rest: Vec<OsString>,
    /// Options with their values, in the order of the command line.
    pub(super) options: Vec<(&'static Opt, Option<OsString>)>,
}

impl Words {
    pub(super) fn has(&self, option: &Opt) -> bool {
        self.options.iter().any(|(given, _)| *given == option)
    }

    /// The value of an option; the last one counts.
    pub(super) fn value(&self, option: &Opt) -> Option<&OsString> {
        self.options.iter().rev().find(|(given, _)| *given == option).and_then(|(_, value)| value.as_ref())
    }

    pub(super) fn path(&self, option: &Opt) -> Option<PathBuf> {
        self.value(option).map(PathBuf::from)
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, option: &Opt) -> Result<Option<T>> {
        let Some(value) = self.value(option) else { return Ok(None) };
        let value = value.to_string_lossy();
        value.parse().map(Some).map_err(|error| {
            usage(format!("the value '{}' of --{} is invalid: {error}", escape(&value), option.long))
        })
    }
}

/// Reads the words. What stands after `--` is kept apart.
pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Words> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    let rest = arguments.split_off(end);
    let words = parse(lexopt::Parser::from_args(arguments)).map_err(|error| usage(error.to_string()))?;
    Ok(Words { rest: rest.into_iter().skip(1).collect(), ..words })
}

fn parse(mut parser: lexopt::Parser) -> std::result::Result<Words, lexopt::Error> {
    let mut words = Words::default();
    while let Some(argument) = parser.next()? {
        let option = match &argument {
            Long(name) => verbs::options().find(|option| option.long == *name),
            Short(letter) => verbs::options().find(|option| option.short == Some(*letter)),
            Value(_) => None,
        };
        match (option, argument) {
            (Some(option), _) => {
                let value = option.value.map(|_| parser.value()).transpose()?;
                words.options.push((option, value));
            }
            (None, Value(word)) if words.verb.is_none() => words.verb = Some(word.string()?),
            (None, Value(operand)) => words.operands.push(operand.into()),
            (None, other) => return Err(other.unexpected()),
        }
    }
    Ok(words)
}

pub(super) fn usage(what: String) -> Error {
    Error::new(ErrorKind::Usage, what).advise("see 'oci-minidump-hook --help'")
}

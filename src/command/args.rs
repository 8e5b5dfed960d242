//! The hook's command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::command::add::Add;
use crate::command::help;
use crate::error::{Error, ErrorKind, Result};
use crate::hook::{Options, Stage};
use crate::settings::admin;

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// To be the hook: what a runtime calls.
    Hook(Options),
    /// `add BUNDLE`.
    Add(Add),
    /// `remove BUNDLE`.
    Remove(PathBuf),
    /// `check BUNDLE`, as JSON or not.
    Check(PathBuf, bool),
    /// `harvest IMAGE --to DIR`, as JSON or not.
    Harvest(PathBuf, PathBuf, bool),
    /// `sweep`, as JSON or not.
    Sweep(bool),
    /// `info FILE...`, as JSON or not.
    Info(Vec<PathBuf>, bool),
    /// A text to show.
    Show(&'static str),
}

/// A parsed command line.
#[derive(Debug)]
pub struct Args {
    /// What to do.
    pub request: Request,
    /// The administrator's settings file.
    pub settings: PathBuf,
}

/// Everything a command line can hold, before it is known what is needed.
#[derive(Default)]
struct Words {
    verb: Option<String>,
    operands: Vec<PathBuf>,
    help: bool,
    version: bool,
    json: bool,
    settings: Option<PathBuf>,
    config: Option<PathBuf>,
    to: Option<PathBuf>,
    container_source: Option<PathBuf>,
    host_destination: Option<PathBuf>,
    image: Option<PathBuf>,
    imgsize: Option<u64>,
    required: Option<bool>,
}

/// Parses a command line without the program's own name.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Args> {
    let words = read(lexopt::Parser::from_args(arguments)).map_err(|error| usage(error.to_string()))?;
    let settings = words.settings.clone().unwrap_or_else(|| admin::FILE.into());
    Ok(Args { request: request(words)?, settings })
}

fn read(mut parser: lexopt::Parser) -> std::result::Result<Words, lexopt::Error> {
    let mut words = Words::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) if words.verb.is_none() => words.verb = Some(word.string()?),
            Value(operand) => words.operands.push(operand.into()),
            Long("help") | Short('h') => words.help = true,
            Long("version") | Short('V') => words.version = true,
            Long("json") => words.json = true,
            Long("settings") => words.settings = Some(parser.value()?.into()),
            Long("config") => words.config = Some(parser.value()?.into()),
            Long("to") => words.to = Some(parser.value()?.into()),
            Long("container-source") => words.container_source = Some(parser.value()?.into()),
            Long("host-destination") => words.host_destination = Some(parser.value()?.into()),
            Long("image") => words.image = Some(parser.value()?.into()),
            Long("imgsize") => words.imgsize = Some(parser.value()?.parse()?),
            Long("required") => words.required = Some(parser.value()?.parse()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(words)
}

fn request(words: Words) -> Result<Request> {
    if words.version {
        return Ok(Request::Show(help::VERSION));
    }
    let verb = words.verb.as_deref().unwrap_or_default();
    if words.help {
        return Ok(Request::Show(help::of(verb)));
    }
    if verb.is_empty() || Stage::from_word(verb).is_some() {
        refuse_operands(&words, 0)?;
        return Ok(Request::Hook(Options { stage: Stage::from_word(verb), config: words.config }));
    }
    match verb {
        "help" => Ok(Request::Show(help::of(
            words.operands.first().and_then(|word| word.to_str()).unwrap_or_default(),
        ))),
        "add" => Ok(Request::Add(Add {
            bundle: operand(&words, "BUNDLE")?,
            container_source: need(words.container_source, "--container-source PATH")?,
            host_destination: need(words.host_destination, "--host-destination DIR")?,
            image: words.image,
            imgsize: words.imgsize,
            required: words.required,
        })),
        "remove" => Ok(Request::Remove(operand(&words, "BUNDLE")?)),
        "check" => Ok(Request::Check(operand(&words, "BUNDLE")?, words.json)),
        "harvest" => Ok(Request::Harvest(operand(&words, "IMAGE")?, need(words.to, "--to DIR")?, words.json)),
        "sweep" => {
            refuse_operands(&words, 0)?;
            Ok(Request::Sweep(words.json))
        }
        "info" if words.operands.is_empty() => Err(usage("info needs a FILE".into())),
        "info" => Ok(Request::Info(words.operands, words.json)),
        other => Err(usage(format!("there is no command '{}'", crate::log::escape(other)))),
    }
}

fn operand(words: &Words, name: &str) -> Result<PathBuf> {
    refuse_operands(words, 1)?;
    need(words.operands.first().cloned(), name)
}

fn refuse_operands(words: &Words, count: usize) -> Result<()> {
    match words.operands.get(count) {
        Some(extra) => {
            Err(usage(format!("unexpected argument '{}'", crate::log::escape(&extra.to_string_lossy()))))
        }
        None => Ok(()),
    }
}

fn need<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| usage(format!("{name} is missing")))
}

fn usage(what: String) -> Error {
    Error::new(ErrorKind::Usage, what).advise("see 'oci-minidump-hook --help'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Request> {
        parse(line.split_whitespace().map(OsString::from)).map(|args| args.request)
    }

    #[test]
    fn a_runtime_is_understood_with_and_without_a_stage() {
        let cases = [
            ("", None),
            ("prestart", Some(Stage::Prestart)),
            ("createRuntime", Some(Stage::Prestart)),
            ("--config /c.json poststop", Some(Stage::Poststop)),
        ];
        for (line, stage) in cases {
            let Ok(Request::Hook(options)) = parse_line(line) else { panic!("{line}") };
            assert_eq!(options.stage, stage, "{line}");
            assert_eq!(options.config.is_some(), line.contains("--config"), "{line}");
        }
    }

    #[test]
    fn wrong_command_lines_are_usage_errors() {
        let cases = [
            ("poststart", "there is no command 'poststart'"),
            ("prestart x", "unexpected argument 'x'"),
            ("add", "BUNDLE is missing"),
            ("add b --container-source /c", "--host-destination DIR is missing"),
            ("add b c", "unexpected argument 'c'"),
            ("harvest i", "--to DIR is missing"),
            ("info", "info needs a FILE"),
            ("check b --bogus", "invalid option '--bogus'"),
            ("add b --imgsize 8M", "8M"),
        ];
        for (line, expected) in cases {
            let error = parse_line(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.report().contains(expected), "{line}: {}", error.report());
        }
    }

    #[test]
    fn every_command_has_a_help_text_of_its_own() {
        for verb in ["add", "remove", "check", "harvest", "sweep", "info"] {
            let Ok(Request::Show(text)) = parse_line(&format!("{verb} --help")) else { panic!("{verb}") };
            assert!(text.contains(&format!("oci-minidump-hook {verb}")), "{verb}: {text}");
            let Ok(Request::Show(other)) = parse_line(&format!("help {verb}")) else { panic!("{verb}") };
            assert_eq!(text, other);
        }
    }
}

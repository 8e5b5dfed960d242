//! The hook's command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::command::add::Add;
use crate::command::enable::Enable;
use crate::command::help;
use crate::command::list::filter::Filter;
use crate::command::verbs::{self, Opt, Verb};
use crate::doctor::sample;
use crate::engines::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::hook::{Options, Stage};
use crate::log::escape;
use crate::settings::admin;
use crate::settings::size::Size;

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
    /// `enable ENGINE`.
    Enable(Enable),
    /// `doctor`, with a crash or not, as JSON or not.
    Doctor(bool, bool),
    /// What the container of `doctor --crash` runs, with the directory for its dump.
    Crash(PathBuf),
    /// What LXC calls: `lxc`, with the words that LXC adds.
    Lxc(Vec<PathBuf>),
    /// `harvest IMAGE --to DIR`, as JSON or not.
    Harvest(PathBuf, PathBuf, bool),
    /// `sweep`, as JSON or not.
    Sweep(bool),
    /// `list [DIR...]`, as JSON or not.
    List(Vec<PathBuf>, Filter, bool),
    /// `info [FILE...]`, as JSON or not; without files the newest dump.
    Info(Vec<PathBuf>, bool),
    /// A text to show.
    Show(String),
}

/// A parsed command line.
#[derive(Debug)]
pub struct Args {
    /// What to do.
    pub request: Request,
    /// The administrator's settings file.
    pub settings: PathBuf,
}

/// What a command line holds, before it is known what is needed.
#[derive(Default)]
struct Words {
    verb: Option<String>,
    operands: Vec<PathBuf>,
    /// Options with their values, in the order of the command line.
    options: Vec<(&'static Opt, Option<OsString>)>,
}

impl Words {
    fn has(&self, option: &Opt) -> bool {
        self.options.iter().any(|(given, _)| *given == option)
    }

    /// The value of an option; the last one counts.
    fn value(&self, option: &Opt) -> Option<&OsString> {
        self.options.iter().rev().find(|(given, _)| *given == option).and_then(|(_, value)| value.as_ref())
    }

    fn path(&self, option: &Opt) -> Option<PathBuf> {
        self.value(option).map(PathBuf::from)
    }

    fn parsed<T: FromStr<Err: Display>>(&self, option: &Opt) -> Result<Option<T>> {
        let Some(value) = self.value(option) else { return Ok(None) };
        let value = value.to_string_lossy();
        value.parse().map(Some).map_err(|error| {
            usage(format!("the value '{}' of --{} is invalid: {error}", escape(&value), option.long))
        })
    }
}

/// Parses a command line without the program's own name.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Args> {
    let words = read(lexopt::Parser::from_args(arguments)).map_err(|error| usage(error.to_string()))?;
    let settings = words.path(&verbs::SETTINGS).unwrap_or_else(|| admin::FILE.into());
    Ok(Args { request: request(&words)?, settings })
}

fn read(mut parser: lexopt::Parser) -> std::result::Result<Words, lexopt::Error> {
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

fn request(words: &Words) -> Result<Request> {
    if words.has(&verbs::VERSION) {
        return Ok(Request::Show(help::VERSION.to_owned()));
    }
    let name = words.verb.as_deref().unwrap_or_default();
    if words.has(&verbs::HELP) {
        return Ok(Request::Show(help::of(name)));
    }
    if name.is_empty() || Stage::from_word(name).is_some() {
        // A runtime's call is never refused for an option that is for people.
        refuse_operands(words, 0)?;
        return Ok(Request::Hook(Options {
            stage: Stage::from_word(name),
            config: words.path(&verbs::CONFIG),
            added: words.value(&verbs::ADDED).map(|section| section.to_string_lossy().into_owned()),
            stand_in: None,
        }));
    }
    if name == "lxc" {
        return Ok(Request::Lxc(words.operands.clone()));
    }
    if name == sample::VERB {
        return Ok(Request::Crash(words.operands.first().cloned().unwrap_or_else(|| sample::SOURCE.into())));
    }
    if name == "help" {
        let topic = words.operands.first().and_then(|word| word.to_str()).unwrap_or_default();
        return Ok(Request::Show(help::of(topic)));
    }
    let verb = Verb::named(name).ok_or_else(|| {
        let meant = help::nearest(name).map_or_else(String::new, |verb| format!("; did you mean '{verb}'?"));
        usage(format!("there is no command '{}'{meant}", escape(name)))
    })?;
    refuse_foreign(words, verb)?;
    command(words, verb)
}

fn command(words: &Words, verb: &Verb) -> Result<Request> {
    let json = words.has(&verbs::JSON);
    match verb.name {
        "add" => Ok(Request::Add(Add {
            bundle: operand(words, verb)?,
            container_source: needed(words, &verbs::CONTAINER_SOURCE)?,
            host_destination: needed(words, &verbs::HOST_DESTINATION)?,
            image: words.path(&verbs::IMAGE),
            imgsize: words.parsed::<Size>(&verbs::IMGSIZE)?.map(|size| size.0),
            required: words.parsed(&verbs::REQUIRED)?,
        })),
        "remove" => Ok(Request::Remove(operand(words, verb)?)),
        "check" => Ok(Request::Check(operand(words, verb)?, json)),
        "doctor" => {
            refuse_operands(words, 0)?;
            Ok(Request::Doctor(words.has(&verbs::CRASH), json))
        }
        "enable" => Ok(Request::Enable(Enable {
            engine: engine(&operand(words, verb)?)?,
            root: words.path(&verbs::ROOT),
            settings: words.path(&verbs::SETTINGS),
            undo: words.has(&verbs::UNDO),
            dry_run: words.has(&verbs::DRY_RUN),
        })),
        "harvest" => Ok(Request::Harvest(operand(words, verb)?, needed(words, &verbs::TO)?, json)),
        "sweep" => {
            refuse_operands(words, 0)?;
            Ok(Request::Sweep(json))
        }
        "list" => Ok(Request::List(words.operands.clone(), filter(words)?, json)),
        "info" => Ok(Request::Info(words.operands.clone(), json)),
        other => Err(usage(format!("there is no command '{other}'"))),
    }
}

fn filter(words: &Words) -> Result<Filter> {
    Ok(Filter {
        container: words.parsed(&verbs::CONTAINER)?,
        program: words.parsed(&verbs::PROGRAM)?,
        since: words.parsed(&verbs::SINCE)?,
        until: words.parsed(&verbs::UNTIL)?,
    })
}

fn engine(name: &Path) -> Result<Engine> {
    let name = name.to_string_lossy();
    Engine::named(&name).ok_or_else(|| {
        let known: Vec<_> = Engine::ALL.iter().map(|engine| engine.name()).collect();
        usage(format!("there is no engine '{}', only {}", escape(&name), known.join(", ")))
    })
}

/// Refuses options that the command does not have: accepted, they would silently do nothing.
fn refuse_foreign(words: &Words, verb: &Verb) -> Result<()> {
    let known = |option: &Opt| [verbs::GLOBAL, verb.needed, verb.optional].concat().contains(option);
    match words.options.iter().find(|(option, _)| !known(option)) {
        Some((option, _)) => Err(usage(format!("{} does not take --{}", verb.name, option.long))),
        None => Ok(()),
    }
}

/// The one operand of a command.
fn operand(words: &Words, verb: &Verb) -> Result<PathBuf> {
    refuse_operands(words, 1)?;
    words.operands.first().cloned().ok_or_else(|| usage(format!("{} is missing", verb.operand)))
}

fn needed(words: &Words, option: &Opt) -> Result<PathBuf> {
    words.path(option).ok_or_else(|| usage(format!("{} is missing", option.shown())))
}

fn refuse_operands(words: &Words, count: usize) -> Result<()> {
    match words.operands.get(count) {
        Some(extra) => Err(usage(format!("unexpected argument '{}'", escape(&extra.to_string_lossy())))),
        None => Ok(()),
    }
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
            ("lsit", "there is no command 'lsit'; did you mean 'list'?"),
            ("list --since yesterday", "how long ago, such as 30min"),
            ("list --to d", "list does not take --to"),
            ("check b --bogus", "invalid option '--bogus'"),
            ("add b --container-source /c --host-destination /d --imgsize 8.5M", "K, M or G"),
            ("check b --image i", "check does not take --image"),
        ];
        for (line, expected) in cases {
            let error = parse_line(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.report().contains(expected), "{line}: {}", error.report());
        }
    }

    #[test]
    fn every_command_takes_what_its_usage_says() {
        for verb in verbs::VERBS {
            let mut line = verb.usage().replace(['[', ']'], "").replace("...", "");
            for (name, value) in
                [("true|false", "true"), ("SIZE", "256K"), ("TIME", "2h"), ("ENGINE", "podman")]
            {
                line = line.replace(name, value);
            }
            assert!(parse_line(&line).is_ok(), "{line}: {:?}", parse_line(&line));
        }
    }

    #[test]
    fn every_command_has_a_help_text_of_its_own() {
        for Verb { name: verb, optional, .. } in verbs::VERBS {
            let Ok(Request::Show(text)) = parse_line(&format!("{verb} --help")) else { panic!("{verb}") };
            assert!(text.contains(&format!("oci-minidump-hook {verb}")), "{verb}: {text}");
            assert!(optional.iter().all(|option| text.contains(&option.shown())), "{text}");
            let Ok(Request::Show(other)) = parse_line(&format!("help {verb}")) else { panic!("{verb}") };
            assert_eq!(text, other);
        }
    }
}

//! What each command is asked for, from the words of its command line.

use std::path::{Path, PathBuf};

use crate::command::add::Add;
use crate::command::command_line::verbs::{self, Opt, Verb};
use crate::command::command_line::words::{Words, usage};
use crate::command::enable::Enable;
use crate::command::list::filter::Filter;
use crate::crash;
use crate::engines::engine::Engine;
use crate::error::Result;
use crate::hook::Options;
use crate::log::escape;
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
    /// `enable core`: whether to undo it, and whether only to say what would be done.
    EnableCore(bool, bool),
    /// `doctor`, with a crash or not, as JSON or not.
    Doctor(bool, bool),
    /// What the container of `doctor --crash` runs, with the directory for its dump.
    Crash(PathBuf),
    /// What LXC calls: `lxc`, with the words that LXC adds.
    Lxc(Vec<PathBuf>),
    /// `harvest IMAGE --to DIR`, as JSON or not.
    Harvest(PathBuf, PathBuf, bool),
    /// `harvest --running [ID...]`, as JSON or not.
    HarvestRunning(Vec<String>, bool),
    /// `sweep`, as JSON or not.
    Sweep(bool),
    /// `sweep --watch`, as JSON or not.
    Watch(bool),
    /// `notify`, whether also before its time, and the process whose end comes first.
    Notify(bool, Option<i32>),
    /// `list [DIR...]`, as JSON or not.
    List(Vec<PathBuf>, Filter, bool),
    /// `core PID TID SIGNAL`: what the kernel calls at a crash.
    Core(crash::Request),
    /// `core --pattern`.
    Pattern,
    /// `info [FILE...]`, as JSON or not; without files the newest dump.
    Info(Vec<PathBuf>, bool),
    /// A text to show.
    Show(String),
}

/// The request of a command for people.
pub(super) fn command(words: &Words, verb: &Verb) -> Result<Request> {
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
        "enable" if words.operands.first().is_some_and(|engine| engine == "core") => {
            refuse_operands(words, 1)?;
            if words.has(&verbs::ROOT) {
                return Err(usage(
                    "enable core goes by what the running kernel has: --root cannot be given".to_owned(),
                ));
            }
            Ok(Request::EnableCore(words.has(&verbs::UNDO), words.has(&verbs::DRY_RUN)))
        }
        "enable" => Ok(Request::Enable(Enable {
            engine: engine(&operand(words, verb)?)?,
            root: words.path(&verbs::ROOT),
            settings: words.path(&verbs::SETTINGS),
            undo: words.has(&verbs::UNDO),
            dry_run: words.has(&verbs::DRY_RUN),
        })),
        "harvest" if words.has(&verbs::RUNNING) => {
            if words.has(&verbs::TO) {
                return Err(usage(
                    "--to is not for --running: each container has its destination".to_owned(),
                ));
            }
            let ids = words.operands.iter().map(|id| id.to_string_lossy().into_owned());
            Ok(Request::HarvestRunning(ids.collect(), json))
        }
        "harvest" => Ok(Request::Harvest(operand(words, verb)?, needed(words, &verbs::TO)?, json)),
        "sweep" => {
            refuse_operands(words, 0)?;
            Ok(if words.has(&verbs::WATCH) { Request::Watch(json) } else { Request::Sweep(json) })
        }
        "notify" => {
            refuse_operands(words, 0)?;
            Ok(Request::Notify(words.has(&verbs::NOW), words.parsed(&verbs::AFTER)?))
        }
        "list" => Ok(Request::List(words.operands.clone(), filter(words)?, json)),
        "core" if words.has(&verbs::PATTERN) => {
            refuse_operands(words, 0)?;
            Ok(Request::Pattern)
        }
        "core" => core(words).map(Request::Core),
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
        last: words.parsed(&verbs::LAST)?,
    })
}

fn engine(name: &Path) -> Result<Engine> {
    let name = name.to_string_lossy();
    Engine::named(&name).ok_or_else(|| {
        let known: Vec<_> = Engine::ALL.iter().map(|engine| engine.name()).collect();
        usage(format!("the engine '{}' is not known, only {}", escape(&name), known.join(", ")))
    })
}

/// What the kernel says. Without the specifier for the descriptor, which old kernels do not know, its word is empty.
fn core(words: &Words) -> Result<crash::Request> {
    refuse_operands(words, 4)?;
    let word = |n: usize| words.operands.get(n).map(|word| word.to_string_lossy());
    let number = |n: usize, name: &str| {
        let word = word(n).ok_or_else(|| usage(format!("{name} is missing")))?;
        let number = word.parse::<i32>().ok().filter(|number| *number >= 0);
        number.ok_or_else(|| usage(format!("{name} '{}' is not a number", escape(&word))))
    };
    Ok(crash::Request {
        pid: number(0, "PID")?,
        thread: number(1, "TID")?,
        signal: number(2, "SIGNAL")?.unsigned_abs(),
        pidfd: word(3).filter(|word| !word.is_empty()).map(|_| number(3, "PIDFD")).transpose()?,
        previous: words.rest.clone(),
    })
}

/// Refuses options that the command does not have: accepted, they would silently do nothing.
pub(super) fn refuse_foreign(words: &Words, verb: &Verb) -> Result<()> {
    let known = |option: &Opt| [verbs::GLOBAL, verb.needed, verb.optional].concat().contains(option);
    match words.options.iter().find(|(option, _)| !known(option)) {
        Some((option, _)) => Err(usage(format!("{} does not take --{}", verb.name, option.long))),
        None => Ok(()),
    }
}

/// The one operand of a command.
fn operand(words: &Words, verb: &Verb) -> Result<PathBuf> {
    refuse_operands(words, 1)?;
    words.operands.first().cloned().ok_or_else(|| {
        let name = verb.operand.split([' ', '[']).find(|word| !word.is_empty()).unwrap_or_default();
        usage(format!("{name} is missing"))
    })
}

fn needed(words: &Words, option: &Opt) -> Result<PathBuf> {
    words.path(option).ok_or_else(|| usage(format!("{} is missing", option.shown())))
}

pub(super) fn refuse_operands(words: &Words, count: usize) -> Result<()> {
    match words.operands.get(count) {
        Some(extra) => Err(usage(format!("unexpected argument '{}'", escape(&extra.to_string_lossy())))),
        None => Ok(()),
    }
}

//! The hook's command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::command::add::Add;
use crate::command::enable::Enable;
use crate::command::help;
use crate::command::list::filter::Filter;
use crate::command::verbs::{self, Opt, Verb};
use crate::command::words::{self, Words, usage};
use crate::crash;
use crate::doctor::sample;
use crate::engines::engine::Engine;
use crate::error::Result;
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

/// A parsed command line.
#[derive(Debug)]
pub struct Args {
    /// What to do.
    pub request: Request,
    /// The administrator's settings file.
    pub settings: PathBuf,
}

/// Parses a command line without the program's own name.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage).
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Args> {
    let mut words = words::read(arguments)?;
    if words.verb.as_deref() != Some("core") {
        words.operands.extend(words.rest.drain(..).map(PathBuf::from));
    }
    let settings = words.path(&verbs::SETTINGS).unwrap_or_else(|| admin::FILE.into());
    Ok(Args { request: request(&words)?, settings })
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
    words.operands.first().cloned().ok_or_else(|| {
        let name = verb.operand.split([' ', '[']).find(|word| !word.is_empty()).unwrap_or_default();
        usage(format!("{name} is missing"))
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

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
            ("harvest --to d", "IMAGE is missing"),
            ("harvest --running c --to d", "--to is not for --running"),
            ("sweep --watch c", "unexpected argument 'c'"),
            ("core", "PID is missing"),
            ("core 1 2", "SIGNAL is missing"),
            ("core 1 -- 2 11", "TID is missing"),
            ("core 1 x 11", "TID 'x' is not a number"),
            ("core 1 2 11 3 4", "unexpected argument '4'"),
            ("core --pattern 1", "unexpected argument '1'"),
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
    fn the_kernels_words_are_understood_and_the_previous_handler_keeps_its_own() {
        let line = ["core", "7", "8", "11", "", "--", "/bin/a", "--json", "--", "-x"];
        let Request::Core(crash) = parse(line.map(OsString::from)).unwrap().request else { panic!() };
        assert_eq!((crash.pid, crash.thread, crash.signal, crash.pidfd), (7, 8, 11, None));
        assert_eq!(crash.previous, ["/bin/a", "--json", "--", "-x"]);
        let Ok(Request::Core(crash)) = parse_line("--settings /s core 7 8 11 3") else { panic!() };
        assert_eq!((crash.pidfd, crash.previous.len()), (Some(3), 0));
        assert!(matches!(parse_line("core --pattern"), Ok(Request::Pattern)));
        assert!(matches!(parse_line("info -- -a --b"), Ok(Request::Info(files, false)) if files.len() == 2));
    }

    #[test]
    fn every_command_takes_what_its_usage_says() {
        for verb in verbs::VERBS {
            let mut line = verb.usage().replace(['[', ']'], "").replace("...", "");
            // Either the one or the other.
            line = line.replace("--pattern PID", "PID");
            line = line.replace("IMAGE | ID --to DIR --running", "IMAGE --to DIR");
            for (name, value) in [
                ("true|false", "true"),
                ("SIZE", "256K"),
                ("TIME", "2h"),
                ("ENGINE", "podman"),
                ("PIDFD", "3"),
                ("PID", "7"),
                ("TID", "8"),
                ("SIGNAL", "11"),
            ] {
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

//! The command lines of all programs, in the form that clap has for them.

use clap::{Arg, ArgAction, Command, ValueHint};
use oci_minidump::command::command_line::verbs::{ABOUT, GLOBAL, Opt, VERBS, Verb};

/// A program, as documents describe it.
pub(crate) struct Program {
    /// Its command line.
    pub(crate) command: Command,
    /// Options of many of its commands, which the documents describe once.
    pub(crate) common: &'static [&'static str],
}

/// `ocicontainer`.
pub(crate) fn daemon() -> Program {
    let mut command = daemon_command();
    command.build();
    Program { command, common: &["socket", "json", "help"] }
}

/// Its command line.
pub(crate) fn daemon_command() -> Command {
    oci_minidump::cli::command()
        .disable_help_subcommand(true)
        .mut_subcommand("dumps", |dumps| dumps.disable_help_subcommand(true))
}

/// `oci-minidump-stack`.
pub(crate) fn stack() -> Program {
    let mut command = stack_command();
    command.build();
    Program { command, common: &["help"] }
}

/// Its command line.
pub(crate) fn stack_command() -> Command {
    oci_minidump::stack::command().disable_help_subcommand(true)
}

/// `oci-minidump-hook`.
pub(crate) fn hook() -> Program {
    let mut command = hook_command();
    command.build();
    let global = &["config", "added", "settings", "help", "version"];
    assert_eq!(GLOBAL.iter().map(|option| option.long).collect::<Vec<_>>(), global);
    Program { command, common: global }
}

/// Its command line. The program does not use clap: its own list of commands says all that there is.
pub(crate) fn hook_command() -> Command {
    Command::new("oci-minidump-hook")
        .about(ABOUT.trim_end_matches('.'))
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(GLOBAL.iter().map(|option| argument(option, false).global(true)))
        .subcommands(VERBS.iter().map(subcommand))
}

fn subcommand(verb: &'static Verb) -> Command {
    let command = Command::new(verb.name)
        .about(verb.about)
        .long_about(verb.details)
        .disable_help_flag(true)
        .disable_version_flag(true);
    let operand = Some(verb.operand).filter(|operand| !operand.is_empty()).map(|operand| {
        let name = operand.trim_end_matches("...");
        let action = if name == operand { ArgAction::Set } else { ArgAction::Append };
        Arg::new(name).value_name(name).required(true).action(action).value_hint(hint(name))
    });
    let needed = verb.needed.iter().map(|option| argument(option, true));
    command.args(
        operand.into_iter().chain(needed).chain(verb.optional.iter().map(|option| argument(option, false))),
    )
}

fn argument(option: &'static Opt, needed: bool) -> Arg {
    let argument = Arg::new(option.long).long(option.long).help(option.about).required(needed);
    let argument = if let Some(short) = option.short { argument.short(short) } else { argument };
    match option.value {
        None => argument.action(ArgAction::SetTrue),
        Some(choices) if choices.contains('|') => {
            argument.value_name(choices).value_parser(choices.split('|').collect::<Vec<_>>())
        }
        Some(value) => argument.value_name(value).value_hint(hint(value)),
    }
}

fn hint(value: &str) -> ValueHint {
    match value {
        "FILE" | "IMAGE" => ValueHint::FilePath,
        "DIR" | "BUNDLE" => ValueHint::DirPath,
        _ => ValueHint::Unknown,
    }
}

#[test]
fn the_programs_say_the_same_in_their_help() {
    let programs = [
        (env!("CARGO_BIN_EXE_oci-minidump-hook"), hook().command),
        (env!("CARGO_BIN_EXE_ocicontainer"), daemon().command),
        (env!("CARGO_BIN_EXE_oci-minidump-stack"), stack().command),
    ];
    for (path, command) in programs {
        for verb in command.get_subcommands() {
            let output = std::process::Command::new(path).args([verb.get_name(), "--help"]).output().unwrap();
            let help = String::from_utf8(output.stdout).unwrap();
            let about = verb.get_long_about().or_else(|| verb.get_about()).unwrap().to_string();
            assert!(output.status.success() && help.starts_with(&about), "{}: {help}", verb.get_name());
            let options = verb.get_arguments().filter(|option| !option.is_global_set());
            for option in options.filter_map(|option| option.get_long()) {
                assert!(help.contains(&format!("--{option}")), "{}: --{option}: {help}", verb.get_name());
            }
        }
    }
}

//! Commands and options.

use clap::{Arg, ArgAction, Command};

use crate::programs::Program;
use crate::table::{code, sentence, table};

/// A command with more options than this has them in a list of their own.
const MANY: usize = 8;

/// Every command with what it does. A command that only groups others stands for them.
pub(crate) fn table_of(program: &Program) -> String {
    let rows = leaves(&program.command).into_iter().map(|(above, command)| {
        let usage = format!("{above}{}", usage_without(&command, program.common));
        [code(&usage), sentence(&command.get_about().unwrap().to_string())]
    });
    table(["command", "what it does"], rows)
}

/// Every command with its options.
pub(crate) fn in_full(program: &Program) -> String {
    let mut text = String::new();
    for (above, command) in leaves(&program.command) {
        let about = command.get_long_about().or_else(|| command.get_about()).unwrap().to_string();
        let usage = usage_without(&command, program.common);
        let (name, program_name) = (command.get_name(), program.command.get_name());
        text.push_str(&format!("### {above}{name}\n\n```text\n{program_name} {above}{usage}\n```\n\n"));
        text.push_str(&format!("{}\n", sentence(&about)));
        let own = own(&command, program.common);
        if !own.is_empty() {
            text.push_str(&format!("\n{}", described(&own)));
        }
        text.push('\n');
    }
    text
}

/// The options that stand in front of the commands.
pub(crate) fn options(command: &Command) -> String {
    described(&command.get_arguments().collect::<Vec<_>>())
}

fn described(arguments: &[&Arg]) -> String {
    let rows = arguments.iter().map(|argument| {
        let name = argument
            .get_long()
            .map_or_else(|| operand(argument).trim_matches(['[', ']']).to_owned(), |_| spelled(argument));
        let short = argument.get_short().map_or_else(String::new, |short| format!("`-{short}`, "));
        let mut about = argument.get_help().unwrap_or_default().to_string();
        // clap's own way to say it, which is in no help text then.
        let default: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !default.is_empty() && argument.get_action().takes_values() {
            about.push_str(&format!(" [default: {}]", default.join(", ")));
        }
        [format!("{short}{}", code(&name)), about]
    });
    table(["option", "what it does"], rows)
}

/// The commands that do something, each with the name of the one above it.
fn leaves(command: &Command) -> Vec<(String, Command)> {
    let mut leaves = Vec::new();
    for below in command.get_subcommands() {
        if below.has_subcommands() {
            let inner = below.get_subcommands().map(|leaf| (format!("{} ", below.get_name()), leaf.clone()));
            leaves.extend(inner);
        } else {
            leaves.push((String::new(), below.clone()));
        }
    }
    leaves
}

/// What a command has of its own: operands with a description, then options. The common options belong to a command that
/// has all of them.
fn own<'a>(command: &'a Command, common: &[&str]) -> Vec<&'a Arg> {
    let has = |name: &str| command.get_arguments().any(|argument| argument.get_long() == Some(name));
    let left_out = if common.iter().all(|name| has(name)) { common } else { &["help"] };
    let described = |argument: &&Arg| argument.get_help().is_some();
    let operands = command.get_positionals().filter(described);
    let options = command.get_arguments().filter(|argument| !argument.is_positional());
    operands
        .chain(options.filter(|option| !left_out.contains(&option.get_long().unwrap_or_default())))
        .collect()
}

/// How a command is called.
pub(crate) fn usage(command: &Command) -> String {
    usage_without(command, &["config", "added", "settings", "help", "version"])
}

fn usage_without(command: &Command, common: &[&str]) -> String {
    let mut parts = vec![command.get_name().to_owned()];
    let operands = |last| command.get_positionals().filter(move |operand| operand.is_last_set() == last);
    parts.extend(operands(false).map(operand));
    let own = own(command, common);
    let options: Vec<_> = own.into_iter().filter(|option| !option.is_positional()).collect();
    if options.len() > MANY {
        parts.push("[OPTIONS]".to_owned());
    } else {
        let (needed, optional): (Vec<_>, Vec<_>) =
            options.into_iter().partition(|option| option.is_required_set());
        parts.extend(needed.into_iter().map(spelled));
        parts.extend(optional.into_iter().map(|option| {
            let more = if matches!(option.get_action(), ArgAction::Append) { "..." } else { "" };
            format!("[{}]{more}", spelled(option))
        }));
    }
    parts.extend(operands(true).map(|last| {
        let words = format!("-- {}", operand(last).trim_matches(['[', ']']));
        if last.is_required_set() { words } else { format!("[{words}]") }
    }));
    parts.join(" ")
}

fn operand(argument: &Arg) -> String {
    let name = value_name(argument).unwrap_or_else(|| argument.get_id().as_str().to_uppercase());
    let more = if matches!(argument.get_action(), ArgAction::Append) { "..." } else { "" };
    if argument.is_required_set() { format!("{name}{more}") } else { format!("[{name}{more}]") }
}

/// An option with its value.
fn spelled(option: &Arg) -> String {
    let long = option.get_long().unwrap_or_default();
    match value_name(option).filter(|_| option.get_action().takes_values()) {
        Some(value) => format!("--{long} {value}"),
        None => format!("--{long}"),
    }
}

fn value_name(argument: &Arg) -> Option<String> {
    argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string)
}

//! Every generated list, by the name of its place.

use oci_minidump::error::ExitCode;

use crate::programs::Program;
use crate::table::table;
use crate::{api, commands, programs, settings, source};

/// Names and texts of the lists.
pub(crate) type Lists = Vec<(&'static str, String)>;

/// The highest exit code of the hook.
const LAST_OF_HOOK: u8 = ExitCode::Timeout as u8;

/// Every list.
pub(crate) fn all() -> Lists {
    let (hook, daemon) = (programs::hook(), programs::daemon());
    vec![
        ("hook synopsis", hook_synopsis(&hook)),
        ("hook commands", commands::table_of(&hook)),
        ("hook commands in full", commands::in_full(&hook)),
        ("hook options", commands::options(&hook.command)),
        ("hook settings", settings::hook_file()),
        ("hook settings table", settings::hook_table()),
        ("hook exit codes", exit_codes(LAST_OF_HOOK)),
        ("stack commands", commands::table_of(&programs::stack())),
        ("stack commands in full", commands::in_full(&programs::stack())),
        ("daemon commands", commands::table_of(&daemon)),
        ("daemon commands in full", commands::in_full(&daemon)),
        ("daemon settings", settings::daemon_table()),
        ("exit codes", exit_codes(u8::MAX)),
        ("methods", api::methods()),
        ("methods in full", api::methods_in_full()),
        ("events", api::events()),
        ("plugins", api::plugins()),
        ("state directory", source::table("src/control/state/mod.rs")),
    ]
}

fn hook_synopsis(hook: &Program) -> String {
    let hook_usage = oci_minidump::command::command_line::verbs::HOOK_USAGE;
    let mut lines = vec![format!("oci-minidump-hook {hook_usage}")];
    lines.extend(
        hook.command.get_subcommands().map(|verb| format!("oci-minidump-hook {}", commands::usage(verb))),
    );
    format!("```text\n{}\n```\n", lines.join("\n"))
}

fn exit_codes(last: u8) -> String {
    let codes = ExitCode::ALL.iter().filter(|(code, _)| *code as u8 <= last);
    table(
        ["code", "meaning"],
        codes.map(|(code, meaning)| [(*code as u8).to_string(), (*meaning).to_owned()]),
    )
}

//! The texts of `--help`, made from the list of commands.

use crate::command::command_line::verbs::{ABOUT, GLOBAL, HOOK_USAGE, Opt, VERBS, Verb};
use crate::error::ExitCode;

/// The answer to `--version`.
pub const VERSION: &str = concat!("oci-minidump-hook ", env!("CARGO_PKG_VERSION"), "\n");

/// The highest exit code of this program; the others are the daemon's.
const LAST_EXIT_CODE: ExitCode = ExitCode::Timeout;

/// The help text of a command, or of the program.
#[must_use]
pub fn of(name: &str) -> String {
    Verb::named(name).map_or_else(program, verb)
}

/// The command whose name is most like `name`, if it is like any.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let names = VERBS.iter().map(|verb| (strsim::osa_distance(verb.name, name), verb.name));
    names
        .min()
        .filter(|(distance, verb)| *distance <= verb.len() / 3 + 1 && !name.is_empty())
        .map(|(_, verb)| verb)
}

fn verb(verb: &Verb) -> String {
    let mut text = format!("{}\n\n  oci-minidump-hook {}\n", verb.details, verb.usage());
    if !verb.needed.is_empty() || !verb.optional.is_empty() {
        text.push('\n');
        text.push_str(&list(verb.needed.iter().chain(verb.optional)));
    }
    text
}

fn program() -> String {
    let mut text = format!(
        "{ABOUT}\n\n\
         Run by an OCI runtime as prestart and poststop hook, with the OCI state on stdin:\n  \
         oci-minidump-hook {HOOK_USAGE}\n\nRun by people:\n"
    );
    for verb in VERBS {
        text.push_str(&format!("  oci-minidump-hook {}\n", verb.usage()));
    }
    text.push_str("  oci-minidump-hook help [COMMAND]\n\nOptions:\n");
    text.push_str(&list(GLOBAL.iter()));
    text.push_str(
        "\nWithout a stage, the status in the OCI state decides: 'stopped' is poststop, anything else prestart.\n\n\
         Exit codes:\n",
    );
    for (code, meaning) in ExitCode::ALL.iter().filter(|(code, _)| *code as u8 <= LAST_EXIT_CODE as u8) {
        text.push_str(&format!("  {} {meaning}\n", *code as u8));
    }
    text
}

/// Options in two columns.
fn list<'a>(options: impl Iterator<Item = &'a Opt> + Clone) -> String {
    let name = |option: &Opt| match option.short {
        Some(short) => format!("-{short}, {}", option.shown()),
        None => option.shown(),
    };
    let width = options.clone().map(|option| name(option).len()).max().unwrap_or_default();
    options.map(|option| format!("  {:width$}  {}\n", name(option), option.about)).collect()
}

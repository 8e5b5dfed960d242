//! Shell completions.

use std::path::PathBuf;

use clap::Command;
use clap_complete::{Shell, generate};

use crate::programs;
use crate::repository::root;

/// Where they are.
const DIR: &str = "scripts/completions";

/// Every file with what it must be.
pub(crate) fn all() -> Vec<(PathBuf, String)> {
    let programs = [programs::hook_command(), programs::daemon_command(), programs::stack_command()];
    programs
        .iter()
        .flat_map(|command| [Shell::Bash, Shell::Zsh, Shell::Fish].map(|shell| file(command, shell)))
        .collect()
}

fn file(command: &Command, shell: Shell) -> (PathBuf, String) {
    let name = command.get_name().to_owned();
    // clap_complete's bash finds no command of a program whose name has a dash.
    let word = if shell == Shell::Bash { name.replace('-', "_") } else { name.clone() };
    let mut text = Vec::new();
    generate(shell, &mut command.clone(), &word, &mut text);
    let text = String::from_utf8(text).unwrap();
    let lines = text.trim_end().lines().map(|line| {
        let line = line.trim_end();
        match line.strip_suffix(&word).filter(|_| line.contains("complete -F")) {
            Some(start) => format!("{start}{name}\n"),
            None => format!("{line}\n"),
        }
    });
    let file = if shell == Shell::Zsh { format!("_{name}") } else { format!("{name}.{shell}") };
    (root().join(DIR).join(file), lines.collect())
}

/// What bash offers for a command line whose last word is being typed.
fn offered(program: &str, words: &[&str]) -> Vec<String> {
    let line: Vec<_> = std::iter::once(&program).chain(words).map(|word| format!("'{word}'")).collect();
    let script = format!(
        "{}\nCOMP_WORDS=({}); COMP_CWORD={}; function=$(complete -p {program}); function=${{function#*-F }}; \
         ${{function%% *}} {program} '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        all().into_iter().find(|(path, _)| path.ends_with(format!("{program}.bash"))).unwrap().1,
        line.join(" "),
        words.len(),
        words.last().unwrap_or(&""),
        words.iter().rev().nth(1).unwrap_or(&program),
    );
    let output = std::process::Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_commands_and_options() {
    let hook = offered("oci-minidump-hook", &[""]);
    assert!(["add", "check", "sweep"].iter().all(|verb| hook.iter().any(|word| word == verb)), "{hook:?}");
    assert_eq!(offered("oci-minidump-hook", &["harvest", "x", "--j"]), ["--json"]);
    let daemon = offered("ocicontainer", &["st"]);
    assert_eq!(daemon, ["state", "stats", "start", "start-spec", "stop"]);
    assert_eq!(offered("ocicontainer", &["dumps", "l"]), ["list"]);
    assert_eq!(offered("ocicontainer", &["stop", "x", "--for"]), ["--force"]);
}

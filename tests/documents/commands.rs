//! Every command line that the documents show is one that the programs understand, and every command and option that
//! they have is in the book.

use std::collections::BTreeSet;
use std::process::Command;

use crate::binaries::{HOOK, OCICONTAINER, STACK};
use crate::files::{documents, root};
use crate::markdown::Document;

/// A command line as a document shows it.
#[derive(Debug)]
struct Shown {
    program: &'static str,
    words: Vec<String>,
    place: String,
}

impl Shown {
    /// Nothing when the line is of another program.
    fn parse(line: &str, place: &str) -> Option<Self> {
        let mut words = line.split_whitespace().map(str::to_owned).peekable();
        let program = match words.next()?.as_str() {
            "oci-minidump-hook" => HOOK,
            "oci-minidump-stack" => STACK,
            "ocicontainer" => OCICONTAINER,
            _ => return None,
        };
        words.peek()?;
        Some(Self { program, words: words.collect(), place: format!("{place}: {line}") })
    }

    /// The words that select a command: `sweep`, `dumps list`.
    fn command(&self) -> Vec<&str> {
        let is_word = |word: &&String| {
            word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
        };
        let count = if self.words.first().is_some_and(|word| word == "dumps") { 2 } else { 1 };
        self.words.iter().take_while(is_word).take(count).map(String::as_str).collect()
    }

    fn check(&self) {
        let command = self.command();
        // The stages are no commands of their own; what follows `help` is one.
        let command = match command[..] {
            ["prestart" | "poststop"] | [] => Vec::new(),
            ["help"] => {
                self.words.iter().skip(1).filter(|word| *word != "COMMAND").map(String::as_str).collect()
            }
            _ => command,
        };
        let mut known = explained(&help(self.program, &command, &self.place));
        known.extend(explained(&help(self.program, &[], &self.place)));
        // Behind `--`, options are the container's; behind `|`, another program's.
        let ours = self.words.iter().take_while(|word| !["--", "[--", "|"].contains(&word.as_str()));
        for option in ours.flat_map(|word| options(word)) {
            assert!(known.contains(&option), "{} has no option {option}", self.place);
        }
    }
}

/// The help of a command, which must exist.
fn help(program: &str, command: &[&str], place: &str) -> String {
    let output = Command::new(program).args(command).arg("--help").output().unwrap();
    let (help, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{place}: {error}");
    // The hook answers an unknown command with the help of the whole program.
    if let (HOOK, [verb]) = (program, command) {
        assert!(help.contains(&format!("oci-minidump-hook {verb}")), "{place}: there is no command {verb}");
    }
    help.into_owned()
}

/// The long options in a text.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}

/// The options that a help text explains, or shows in a command line; others are mentioned in its sentences.
fn explained(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter_map(|line| match line.split("  ").next() {
        Some(start) if line.starts_with('-') => Some(start),
        _ if line.starts_with("oci-minidump-hook ") => Some(line),
        _ => None,
    });
    lines.flat_map(options).collect()
}

/// All command lines of ours in the documents.
fn shown() -> Vec<Shown> {
    let mut shown = Vec::new();
    for path in documents() {
        let document = Document::open(&path);
        let blocks = document.blocks().into_iter().filter(|block| block.language == "sh");
        let lines: Vec<String> = blocks.flat_map(|block| block.lines).collect();
        // Each side of a pipe is a command.
        let commands = lines.iter().flat_map(|line| line.split(" | ")).map(str::trim);
        for line in commands.chain(document.inline_code().iter().map(String::as_str)) {
            shown.extend(Shown::parse(line, &document.shown()));
        }
    }
    shown
}

#[test]
fn every_command_line_that_is_shown_exists() {
    let shown = shown();
    assert!(shown.len() > 20, "{shown:?}");
    for line in shown {
        line.check();
    }
}

/// What the first cell of each row of the table of commands shows, as command lines.
fn listed(title: &str) -> Vec<String> {
    let page = Document::open(&root().join("docs/commands.md"));
    let cells = page.rows(title).into_iter().map(|row| row[0].clone());
    let code = cells.flat_map(|cell| {
        cell.split('`').skip(1).step_by(2).map(|code| format!("{title} {code}")).collect::<Vec<_>>()
    });
    code.collect()
}

#[test]
fn the_book_has_every_command_with_all_its_options() {
    let programs =
        [("oci-minidump-hook", HOOK), ("oci-minidump-stack", STACK), ("ocicontainer", OCICONTAINER)];
    // What all commands have is said once, below the tables; what `serve` has is the settings.
    let common = ["--help", "--version", "--json", "--socket", "--settings", "--config"].map(str::to_owned);
    for (title, program) in programs {
        let lines = listed(title);
        let verbs: BTreeSet<String> =
            lines.iter().filter_map(|line| Some(line.split(' ').nth(1)?.to_owned())).collect();
        assert_eq!(verbs, verbs_of(program), "{title}");
        for line in &lines {
            let shown = Shown::parse(line, "docs/commands.md").unwrap();
            shown.check();
            let command = shown.command();
            if command == ["serve"] {
                continue;
            }
            let known = explained(&help(program, &command, line));
            let missing: Vec<_> =
                known.iter().filter(|o| !line.contains(o.as_str()) && !common.contains(o)).collect();
            assert!(missing.is_empty(), "{line} lacks {missing:?}");
        }
    }
}

/// The verbs in the help of a program.
fn verbs_of(program: &str) -> BTreeSet<String> {
    let help = help(program, &[], program);
    let verbs: Vec<&str> = if program == HOOK {
        help.lines().filter_map(|line| line.strip_prefix("  oci-minidump-hook ")?.split(' ').next()).collect()
    } else {
        let (_, commands) = help.split_once("Commands:\n").unwrap();
        commands
            .split("\n\n")
            .next()
            .unwrap()
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect()
    };
    verbs.into_iter().filter(|verb| !verb.starts_with('[') && *verb != "help").map(str::to_owned).collect()
}

#[test]
fn exit_codes_are_those_of_the_programs() {
    let page = Document::open(&root().join("docs/commands.md"));
    let rows = page.rows("Exit codes");
    let codes: Vec<u8> = rows.iter().skip(1).map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(codes, (0..=oci_minidump::error::ExitCode::BadBundle as u8).collect::<Vec<_>>());
}

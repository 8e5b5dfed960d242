//! What users read has none of the words and phrases that readers stumble over (CONTRIBUTING.md, "Language"): the
//! documents, and the string literals of the programs. Help texts come into the documents by `tests/pages`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// Words and phrases, each with what to write instead.
const PHRASES: &[(&str, &str)] = &[
    ("is no", "is not a"),
    ("are no", "are not"),
    ("told", "sent, reported"),
    ("nobody", "the role: no client, no process"),
    ("somebody", "the role: a client, another process"),
    ("whoever", "the role: the user who"),
    ("so far as", "if"),
    ("mend", "fix"),
    ("as far as", "if"),
    ("hear", "receive"),
    ("hears", "receives"),
    ("tells", "says, sends"),
    ("anew", "again"),
    ("so many", "this many"),
    ("grave", "severe"),
];

/// What makes `is no` and `are no` good English: a word in front of it, or one behind it.
const BEFORE: &[&str] = &["there", "where there"];
const BEHIND: &[&str] = &["longer", "more", "better", "worse", "one"];

/// Documents at the top of the repository. CONTRIBUTING.md names what not to write, and CHANGELOG.md is history.
const DOCUMENTS: &[&str] = &["README.md", "SECURITY.md", "src/dobby/DIFFERENCES.md"];

/// A piece of text, and the line on which it begins.
type Piece = (usize, String);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn below(dir: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, extension, files);
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
}

/// The string literals of a source file, without those of its tests.
fn literals(source: &str) -> Vec<Piece> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let (mut pieces, mut rest, mut line) = (Vec::new(), source, 1);
    while let Some(c) = rest.chars().next() {
        let (length, text) = match c {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), None),
            '\'' => (character(rest), None),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#") => raw(rest),
            '"' => quoted(rest),
            c if c.is_alphanumeric() || c == '_' => {
                (rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()), None)
            }
            c => (c.len_utf8(), None),
        };
        let (taken, after) = rest.split_at(length);
        pieces.extend(text.map(|text| (line, text)));
        line += taken.matches('\n').count();
        rest = after;
    }
    pieces
}

/// The length of a character literal; 1 for a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some((at, _))) => {
            at + 1 + text.get(at + 1..).and_then(|t| t.find('\'')).unwrap_or(0) + 1
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// The length and the text of a string literal.
fn quoted(text: &str) -> (usize, Option<String>) {
    let mut is_escaped = true;
    let end = text.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    let end = end.unwrap_or(text.len() - 1);
    (end + 1, text.get(1..end).map(str::to_owned))
}

/// The same of a raw one; a name such as `r#type` has no text.
fn raw(text: &str) -> (usize, Option<String>) {
    let hashes = text.chars().skip(1).take_while(|c| *c == '#').count();
    let start = hashes + 2;
    if !text.get(start - 1..).is_some_and(|text| text.starts_with('"')) {
        return (start - 1, None);
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let length = text.get(start..).and_then(|text| text.find(&end)).unwrap_or(0);
    (start + length + end.len(), text.get(start..start + length).map(str::to_owned))
}

/// The phrases in a text, each with the line, counted from 0, on which it begins.
fn found(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    // Line ends in a literal are written `\` and an end of line.
    let mut words: Vec<(usize, String)> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let parts = line.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
        words.extend(parts.map(|word| (n, word.to_lowercase())));
    }
    let mut found = Vec::new();
    for (n, (line, _)) in words.iter().enumerate() {
        for (phrase, instead) in PHRASES {
            let parts: Vec<_> = phrase.split(' ').collect();
            let is_here =
                parts.iter().zip(words.iter().skip(n)).filter(|(part, (_, word))| *part == word).count();
            let before = n.checked_sub(1).and_then(|n| words.get(n)).map(|(_, word)| word.as_str());
            let behind = words.get(n + parts.len()).map(|(_, word)| word.as_str());
            let is_fine = phrase.ends_with(" no")
                && (before.is_some_and(|word| BEFORE.contains(&word))
                    || behind.is_some_and(|word| BEHIND.contains(&word)));
            if is_here == parts.len() && !is_fine {
                found.push((*line, *phrase, *instead));
            }
        }
    }
    found
}

#[test]
fn what_users_read_is_plain() {
    let mut documents: Vec<PathBuf> = DOCUMENTS.iter().map(|name| root().join(name)).collect();
    below(&root().join("docs"), "md", &mut documents);
    let mut sources = Vec::new();
    below(&root().join("src"), "rs", &mut sources);
    let read = |path: &PathBuf| (path.clone(), fs::read_to_string(path).unwrap());
    let documents = documents.iter().map(read).map(|(path, text)| (path, vec![(1, text)]));
    let sources = sources.iter().map(read).map(|(path, text)| (path, literals(&text)));
    let mut wrong = Vec::new();
    for (path, pieces) in documents.chain(sources) {
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        for (start, text) in pieces {
            for (line, phrase, instead) in found(&text) {
                wrong.push(format!("{shown}:{}: \"{phrase}\"; write {instead}", start + line));
            }
        }
    }
    assert!(wrong.is_empty(), "{} places:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn literals_are_found_and_comments_are_not() {
    let source = "// \"a\"\nfn f<'a>(c: char) -> &'a str {\n    let q = ('\"', '\\'', '\\u{41}', b'x');\n    g(\"b \\\" c\", r#\"d \" e\"#)\n}\n\
                  /// \"x\"\nconst X: &str = \"two\nlines\";\nlet r#type = 1;\n#[cfg(test)]\nmod tests { \"y\" }";
    let texts: Vec<_> = literals(source);
    let expected =
        [(4, "b \\\" c"), (4, "d \" e"), (7, "two\nlines")].map(|(line, text)| (line, text.to_owned()));
    assert_eq!(texts, expected);
}

#[test]
fn phrases_are_found_as_words() {
    let of = |text: &str| found(text).into_iter().map(|(line, phrase, _)| (line, phrase)).collect::<Vec<_>>();
    assert_eq!(of("x is no\nfile; they were told"), [(0, "is no"), (1, "told")]);
    assert_eq!(of("there is no file, it is no longer there, is not, recommend, this is nothing"), []);
    assert_eq!(of("Nobody waits, so far as it goes"), [(0, "nobody"), (0, "so far as")]);
}

/// Whether the arguments of a macro, from its opening parenthesis on, end early at an error.
fn ends_early(arguments: &str) -> bool {
    let (mut depth, mut rest) = (0_u32, arguments);
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' => quoted(rest).0,
            '\'' => character(rest),
            c => c.len_utf8(),
        };
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '?' => return true,
            _ => {}
        }
        if depth == 0 {
            return false;
        }
        rest = rest.split_at(length).1;
    }
    false
}

/// What is not logged is not evaluated: nothing that must happen stands in a message.
#[test]
fn messages_of_the_log_do_nothing() {
    let levels = ["error", "warn", "info", "debug", "trace", "log"].map(|level| format!("log::{level}!"));
    let mut sources = Vec::new();
    below(&root().join("src"), "rs", &mut sources);
    for path in sources {
        let source = fs::read_to_string(&path).unwrap();
        for level in &levels {
            for (at, _) in source.match_indices(level.as_str()) {
                let line = source[..at].matches('\n').count() + 1;
                assert!(!ends_early(&source[at + level.len()..]), "{}:{line}", path.display());
            }
        }
    }
    assert!(ends_early("(\"{}\", f()?.g());") && !ends_early("(\"why?\", f()); g()?"));
}

//! What the tests must know of Markdown: blocks, tables, inline code, headings, links.

use std::path::{Path, PathBuf};

use crate::files::text;

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced block of code.
#[derive(Debug)]
pub(crate) struct Block {
    /// What stands behind the fence: the language.
    pub(crate) language: String,
    pub(crate) lines: Vec<String>,
}

impl Document {
    pub(crate) fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), text: text(path) }
    }

    /// The path for messages.
    pub(crate) fn shown(&self) -> String {
        self.path.strip_prefix(crate::files::root()).unwrap_or(&self.path).display().to_string()
    }

    /// The fenced blocks.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_open = false;
        for line in self.text.lines() {
            match line.trim_start().strip_prefix("```") {
                Some(_) if is_open => is_open = false,
                Some(language) => {
                    is_open = true;
                    blocks.push(Block { language: language.to_owned(), lines: Vec::new() });
                }
                None if is_open => blocks.last_mut().unwrap().lines.push(line.to_owned()),
                None => {}
            }
        }
        assert!(!is_open, "{}: a block is not closed", self.shown());
        blocks
    }

    /// The text without fenced blocks.
    pub(crate) fn prose(&self) -> String {
        let mut is_open = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            let is_fence = line.trim_start().starts_with("```");
            if is_fence || is_open {
                is_open ^= is_fence;
                continue;
            }
            prose.push_str(line);
            prose.push('\n');
        }
        prose
    }

    /// What stands between backticks, with blanks in place of line ends.
    pub(crate) fn inline_code(&self) -> Vec<String> {
        let prose = self.prose();
        let parts: Vec<&str> = prose.split('`').collect();
        assert!(parts.len() % 2 == 1, "{}: a backtick is missing", self.shown());
        let code = parts.iter().skip(1).step_by(2);
        code.map(|code| code.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\|", "|")).collect()
    }

    /// The rows of all tables below the heading `title`, without those that separate; each cell trimmed.
    pub(crate) fn rows(&self, title: &str) -> Vec<Vec<String>> {
        let section = self.section(title);
        let rows = section.lines().filter_map(|line| line.strip_prefix('|')?.trim_end().strip_suffix('|'));
        let cells = |row: &str| {
            row.replace("\\|", "\0").split('|').map(|cell| cell.trim().replace('\0', "|")).collect::<Vec<_>>()
        };
        rows.map(cells).filter(|row| !row.iter().all(|cell| cell.starts_with("---"))).collect()
    }

    /// The text from the heading `title` to the next one that is not below it.
    pub(crate) fn section(&self, title: &str) -> String {
        let is_title = |line: &&str| line.trim_start_matches('#').trim() == title && line.starts_with('#');
        let mut lines = self.text.lines().skip_while(|line| !is_title(line));
        let Some(first) = lines.next() else { panic!("{} has no heading {title:?}", self.shown()) };
        let level = level(first);
        let mut is_code = false;
        let section = lines.take_while(|line| {
            is_code ^= line.starts_with("```");
            is_code || !line.starts_with('#') || self::level(line) > level
        });
        section.collect::<Vec<_>>().join("\n")
    }

    /// The anchors of the headings, as mdBook and GitHub make them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings = self.prose();
        let headings = headings.lines().filter(|line| line.starts_with('#'));
        headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// The targets of links and pictures.
    pub(crate) fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let parts = prose.split("](").skip(1);
        parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned())).collect()
    }
}

fn level(heading: &str) -> usize {
    heading.chars().take_while(|c| *c == '#').count()
}

/// Letters and digits in lower case, hyphens for blanks, nothing else.
fn anchor(heading: &str) -> String {
    let keep = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    keep.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn documents_are_taken_apart() {
    let text = "# A `b`: c\n[x](y.md#z) `a\nb`\n\n```sh\n# no heading\n```\n\n## D\n\n| a | b\\|c |\n| --- | --- |\n\n# E\n";
    let document = Document { path: "x.md".into(), text: text.to_owned() };
    assert_eq!(document.anchors(), ["a-b-c", "d", "e"]);
    assert_eq!(document.links(), ["y.md#z"]);
    assert_eq!(document.inline_code(), ["b", "a b"]);
    assert_eq!(document.rows("D"), [["a", "b|c"]]);
    assert_eq!((document.blocks()[0].language.as_str(), document.blocks()[0].lines.len()), ("sh", 1));
    assert!(document.section("A `b`: c").contains("## D") && !document.section("D").contains("# E"));
}

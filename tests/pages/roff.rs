//! From Markdown to a manual page: headings, paragraphs, lists, tables, code. A table becomes a list of its first column;
//! the column that explains it is the text, and any other is a sentence after it that begins with its head.

use crate::table::sentence;

/// The width of a line of the manual page's source.
const WIDTH: usize = 79;

/// The heads of columns that explain the first one.
const EXPLAINING: [&str; 4] = ["what it does", "what it is", "meaning", "when"];

/// The manual page that a Markdown text describes. Its first line is the title: `# name(section)`.
pub(crate) fn page(text: &str) -> String {
    let (title, body) = text.split_once('\n').unwrap();
    let (name, section) = title.trim_start_matches("# ").trim_end_matches(')').split_once('(').unwrap();
    let manual = if section == "1" { "User commands" } else { "oci-minidump manual" };
    let mut page = format!(".TH {} {section} \"\" \"oci-minidump\" \"{manual}\"\n", name.to_uppercase());
    for block in blocks(body) {
        let roff = block.to_roff();
        // A heading begins a paragraph by itself.
        let begun =
            page.lines().last().is_some_and(|line| line.starts_with(".SH") || line.starts_with(".SS"));
        page.push_str(roff.strip_prefix(".PP\n").filter(|_| begun).unwrap_or(&roff));
    }
    page
}

/// A part of the text that stands for itself.
enum Block<'a> {
    Heading(usize, &'a str),
    Paragraph(Vec<&'a str>),
    Item(Vec<&'a str>),
    Code(Vec<&'a str>),
    Table(Vec<&'a str>),
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let depth = line.len() - line.trim_start_matches('#').len();
        if line.trim().is_empty() || line.starts_with("<!--") {
            blocks.push(Block::Paragraph(Vec::new()));
        } else if line.starts_with("```") {
            blocks.push(Block::Code(lines.by_ref().take_while(|line| !line.starts_with("```")).collect()));
        } else if depth > 0 {
            blocks.push(Block::Heading(depth, line.trim_start_matches('#').trim()));
        } else if let Some(item) = line.strip_prefix("- ") {
            blocks.push(Block::Item(vec![item]));
        } else if line.starts_with('|') {
            match blocks.last_mut() {
                Some(Block::Table(rows)) => rows.push(line),
                _ => blocks.push(Block::Table(vec![line])),
            }
        } else {
            match blocks.last_mut() {
                Some(Block::Paragraph(words) | Block::Item(words)) => words.push(line.trim()),
                _ => blocks.push(Block::Paragraph(vec![line])),
            }
        }
    }
    blocks
}

impl Block<'_> {
    fn to_roff(&self) -> String {
        match self {
            Self::Paragraph(lines) if lines.is_empty() => String::new(),
            Self::Heading(2, title) => format!(".SH {}\n", inline(&title.to_uppercase())),
            Self::Heading(_, title) => format!(".SS {}\n", inline(title)),
            Self::Paragraph(lines) => format!(".PP\n{}", filled(&lines.join(" "))),
            Self::Item(lines) => format!(".IP \\(bu 2\n{}", filled(&lines.join(" "))),
            Self::Code(lines) => {
                let lines: String = lines.iter().map(|line| format!("{}\n", literal(line))).collect();
                format!(".PP\n.RS 4\n.nf\n{lines}.fi\n.RE\n")
            }
            Self::Table(rows) => table(rows),
        }
    }
}

fn table(rows: &[&str]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row)).collect();
    let (head, rows) = rows.split_first().unwrap();
    let explaining = head.iter().position(|name| EXPLAINING.contains(&name.as_str())).unwrap_or(1);
    let mut text = String::new();
    for row in rows.iter().skip(1) {
        let (term, mut about) = (row.first().unwrap(), row[explaining].clone());
        for (n, cell) in row.iter().enumerate().skip(1) {
            if n != explaining && !cell.is_empty() {
                about = format!("{} {}", sentence(&about), sentence(&format!("{}: {cell}", head[n])));
            }
        }
        text.push_str(&format!(".TP\n{}\n{}", inline(term), filled(&about)));
    }
    text
}

/// The cells of a row; `\|` is no border.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').replace("\\|", "\0");
    let row = row.strip_suffix('|').unwrap_or(&row);
    row.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

/// Text in lines of at most [`WIDTH`] characters.
fn filled(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in inline(text).split(' ') {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() > WIDTH {
            // What begins a line with these is a command.
            lines.push(if word.starts_with(['.', '\'']) { format!("\\&{word}") } else { word.to_owned() });
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

/// Text with `code`, **strong** and *emphasised* parts, and links, of which only the text stays.
fn inline(text: &str) -> String {
    let mut roff = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let part = |open: &str, close: &str| {
            let inside = rest.strip_prefix(open)?;
            let end = inside.find(close).filter(|end| *end > 0)?;
            Some((inside.get(..end)?, inside.get(end + close.len()..)?))
        };
        if let Some((inside, after)) = part("`", "`") {
            roff.push_str(&format!("\\fB{}\\fR", literal(inside).trim_start_matches("\\&")));
            rest = after;
        } else if let Some((inside, after)) = part("**", "**") {
            roff.push_str(&format!("\\fB{}\\fR", inline(inside)));
            rest = after;
        } else if let Some((inside, after)) = part("*", "*") {
            roff.push_str(&format!("\\fI{}\\fR", inline(inside)));
            rest = after;
        } else if let Some((inside, after)) = part("[", "](") {
            roff.push_str(&inline(inside));
            rest = after.split_once(')').map_or("", |(_, after)| after);
        } else {
            // A backslash takes the meaning from what follows.
            let mut letters = rest.chars();
            let plain = letters.next().filter(|c| *c != '\\').or_else(|| letters.next()).unwrap_or(first);
            roff.push_str(&if plain == '\\' { "\\e".to_owned() } else { plain.to_string() });
            rest = letters.as_str();
        }
    }
    if roff.starts_with(['.', '\'']) { format!("\\&{roff}") } else { roff }
}

/// Text that must stay as it is, character by character.
fn literal(text: &str) -> String {
    let mut roff = String::new();
    for c in text.chars() {
        match c {
            '\\' => roff.push_str("\\e"),
            '-' => roff.push_str("\\-"),
            '\'' => roff.push_str("\\(aq"),
            '"' => roff.push_str("\\(dq"),
            '`' => roff.push_str("\\(ga"),
            '^' => roff.push_str("\\(ha"),
            '~' => roff.push_str("\\(ti"),
            c => roff.push(c),
        }
    }
    if roff.starts_with('.') { format!("\\&{roff}") } else { roff }
}

#[test]
fn each_kind_of_block_becomes_roff() {
    let text = "# x(5)\n\n## Name\n\nx - a *file*\nof `-a.b`\n\n- one\n  more\n- [two](y.md)\n\n```sh\n.x 'y'\n```\n\n\
                <!-- generated: z -->\n| a | b | c |\n| --- | --- | --- |\n| `k\\|l` | what | 3 |\n| `m`\\* | .dot | |\n<!-- end -->\n";
    let expected = ".TH X 5 \"\" \"oci-minidump\" \"oci-minidump manual\"\n.SH NAME\nx - a \\fIfile\\fR of \\fB\\-a.b\\fR\n\
                    .IP \\(bu 2\none more\n.IP \\(bu 2\ntwo\n.PP\n.RS 4\n.nf\n\\&.x \\(aqy\\(aq\n.fi\n.RE\n\
                    .TP\n\\fBk|l\\fR\nWhat. C: 3.\n.TP\n\\fBm\\fR*\n\\&.dot\n";
    assert_eq!(page(text), expected);
}

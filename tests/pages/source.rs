//! What doc comments of the source say.

use crate::repository::{below, root, text};

/// The fields of a public structure in a file: name and doc comment.
pub(crate) fn fields(file: &str, structure: &str) -> Vec<(String, String)> {
    let text = text(&root().join(file));
    let start = format!("pub struct {structure} {{\n");
    let (_, body) = text.split_once(&start).unwrap_or_else(|| panic!("{file} has no structure {structure}"));
    let (body, _) = body.split_once("\n}\n").unwrap();
    let (mut fields, mut doc) = (Vec::new(), String::new());
    for line in body.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            doc.push_str(words);
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(':')) {
            fields.push((name.to_owned(), plain(&std::mem::take(&mut doc))));
        }
    }
    fields
}

/// The first paragraph of the doc comment of the file below `dir` that begins with the name in code, without that name:
/// for `//! `gpu`: a limit.` it is `a limit.`.
pub(crate) fn about(dir: &str, name: &str) -> String {
    let start = format!("//! `{name}`");
    for path in below(&root().join(dir)) {
        let text = text(&path);
        let Some(first) = text.strip_prefix(&start) else { continue };
        let more = first.lines().skip(1).map_while(|line| line.strip_prefix("//! "));
        let lines: Vec<_> = first.lines().take(1).chain(more).collect();
        return plain(lines.join(" ").trim_start_matches(':'));
    }
    panic!("no file below {dir} begins with {start}")
}

/// The table in the doc comment of a module.
pub(crate) fn table(file: &str) -> String {
    let text = text(&root().join(file));
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! ").filter(|line| line.starts_with('|')));
    rows.map(|row| format!("{row}\n")).collect()
}

/// A doc comment without links to code.
fn plain(doc: &str) -> String {
    let mut plain = doc.trim().replace("[`", "`").replace("`]", "`");
    for path in ["Admin::", "crate::", "Self::"] {
        plain = plain.replace(path, "");
    }
    plain
}

//! Tables of Markdown.

/// A table with this head.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(N));
    for row in rows {
        text.push('|');
        for cell in row {
            let cell = cell.trim().replace('|', "\\|");
            text.push_str(if cell.is_empty() { "" } else { " " });
            text.push_str(&cell);
            text.push_str(" |");
        }
        text.push('\n');
    }
    text
}

/// Text as code.
pub(crate) fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The text with a capital letter and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with(['.', '!', '?']) || text.is_empty() { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[test]
fn cells_are_escaped_and_empty_ones_stay_short() {
    let rows = [["a|b".to_owned(), String::new()]];
    assert_eq!(table(["x", "y"], rows), "| x | y |\n| --- | --- |\n| a\\|b | |\n");
    assert_eq!(sentence("abc"), "Abc.");
}

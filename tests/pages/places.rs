//! The places in documents that hold generated lists.

use crate::lists::Lists;

const END: &str = "<!-- end -->";

/// The line in front of a list.
pub(crate) fn mark(name: &str) -> String {
    format!("<!-- generated: {name} -->")
}

/// The document with every list as it must be, or what is wrong with it.
pub(crate) fn fill(text: &str, lists: &Lists) -> Result<String, String> {
    let mut filled = String::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        filled.push_str(line);
        let Some(name) =
            line.trim().strip_prefix("<!-- generated: ").and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        let list = lists.iter().find(|(known, _)| *known == name);
        let (_, list) = list.ok_or_else(|| format!("there is no list '{name}'"))?;
        filled.push_str(list.trim_end());
        filled.push('\n');
        let end =
            lines.find(|line| line.trim() == END).ok_or_else(|| format!("the list '{name}' has no {END}"))?;
        filled.push_str(end);
    }
    Ok(filled)
}

#[test]
fn only_what_is_between_the_marks_changes() {
    let lists = vec![("x", "new\n".to_owned())];
    let text = "a\n<!-- generated: x -->\nold\nold\n<!-- end -->\nb\n<!-- other -->\n";
    let expected = "a\n<!-- generated: x -->\nnew\n<!-- end -->\nb\n<!-- other -->\n";
    assert_eq!(fill(text, &lists).unwrap(), expected);
    assert_eq!(fill(expected, &lists).unwrap(), expected);
    assert!(fill("<!-- generated: y -->\n<!-- end -->\n", &lists).is_err());
    assert!(fill("<!-- generated: x -->\n", &lists).is_err());
}

//! Lines put into a TOML file of the administrator, each with a mark by which it is found again; all else stays byte by byte.

use toml::{Table, Value};

/// What stands at the end of every line of ours.
const MARK: &str = " # oci-minidump-hook enable";
/// The same, when the line before had no end before.
const MARK_AFTER_OPEN_LINE: &str = " # oci-minidump-hook enable (open line)";

/// Puts `lines` into the table `path`: behind its header, or with a new header at the end of the file.
#[must_use]
pub fn insert(text: &str, path: &[&str], lines: &[String]) -> String {
    let marked: String = lines.iter().map(|line| format!("{line}{MARK}\n")).collect();
    if let Some(end) =
        header(text, path).filter(|end| text.get(..*end).is_some_and(|head| head.ends_with('\n')))
    {
        let (before, after) = text.split_at(end);
        return format!("{before}{marked}{after}");
    }
    let parts: Vec<_> = path.iter().map(|part| quoted(part)).collect();
    let (gap, mark) =
        if text.is_empty() || text.ends_with('\n') { ("", MARK) } else { ("\n", MARK_AFTER_OPEN_LINE) };
    format!("{text}{gap}[{}]{mark}\n{marked}", parts.join("."))
}

/// A line of ours at the beginning of a file.
#[must_use]
pub fn first(line: &str) -> String {
    format!("{line}{MARK}\n")
}

/// Puts `item` at the beginning of the array `key` of the table `path`; `None` when the array does not begin on the line of
/// its key.
#[must_use]
pub fn extend(text: &str, path: &[&str], key: &str, item: &str) -> Option<String> {
    let start = header(text, path)?;
    let mut place = start;
    for line in text.get(start..)?.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            return None;
        }
        let array = line.split_once('=').filter(|(name, _)| name.trim() == key).map(|(_, value)| value);
        if let Some(value) = array {
            let opening =
                value.find('[').filter(|at| value.get(..*at).is_some_and(|blank| blank.trim().is_empty()))?;
            let at = place
                .checked_add(line.len().checked_sub(value.len())?)?
                .checked_add(opening)?
                .checked_add(1)?;
            let (before, after) = text.split_at_checked(at)?;
            return Some(format!("{before}{}{after}", piece(item)));
        }
        place = place.checked_add(line.len())?;
    }
    None
}

fn piece(item: &str) -> String {
    format!("{}, ", quoted(item))
}

/// A basic string: what JSON makes of one is one in TOML, too.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// The text without our lines, and without `item` in the arrays `keys`.
#[must_use]
pub fn remove(text: &str, keys: &[&str], item: &str) -> String {
    let mut rest = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let end = line.trim_end_matches(['\n', '\r']);
        if end.ends_with(MARK_AFTER_OPEN_LINE) {
            rest.pop();
        } else if !end.ends_with(MARK) {
            let is_array = line.split_once('=').is_some_and(|(name, _)| keys.contains(&name.trim()));
            let line =
                if is_array { line.replacen(&format!("[{}", piece(item)), "[", 1) } else { line.to_owned() };
            rest.push_str(&line);
        }
    }
    rest
}

/// The value at `path`, if it is there.
#[must_use]
pub fn get<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, part| value.get(part))
}

/// Where the line with the header of the table `path` ends.
fn header(text: &str, path: &[&str]) -> Option<usize> {
    let mut end = 0_usize;
    for line in text.split_inclusive('\n') {
        end = end.checked_add(line.len())?;
        let line = line.trim();
        if line.starts_with('[')
            && !line.starts_with("[[")
            && line.parse().is_ok_and(|table| is_chain(&table, path))
        {
            return Some(end);
        }
    }
    None
}

/// Whether the table has nothing but the empty table `path`.
fn is_chain(table: &Table, path: &[&str]) -> bool {
    match path.split_first() {
        None => table.is_empty(),
        Some((first, rest)) => {
            let next = table.get(*first).and_then(Value::as_table);
            table.len() == 1 && next.is_some_and(|next| is_chain(next, rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: [&str; 3] = ["plugins", "a.b", "runc"];
    const TEXTS: [&str; 7] = [
        "",
        "# comment\nversion = 2",
        "[plugins]\n  [plugins.\"a.b\"]\n    x = 1 # why\n",
        "  [plugins.\"a.b\".runc]   # here\n    y = [1,\n 2]\n[z]\n",
        "[plugins.'a.b'.runc.options]\nq = true\n",
        "[plugins.'a.b'.runc]\nlist = [\"x\"]\n",
        "[ plugins . 'a.b' . runc ]\r\nlist = []\r\n[[many]]\r\n",
    ];

    #[test]
    fn lines_are_put_in_and_taken_out_and_the_rest_stays() {
        for text in TEXTS {
            let with = insert(text, &PATH, &["new = \"value\"".to_owned()]);
            let table: Table = with.parse().unwrap_or_else(|error| panic!("{with}: {error}"));
            assert_eq!(get(&table, &PATH).unwrap()["new"].as_str(), Some("value"), "{with}");
            assert_eq!(remove(&with, &[], ""), text);
        }
    }

    #[test]
    fn an_array_gets_one_more_item_and_loses_it_again() {
        let mut extended = 0;
        for text in TEXTS {
            let Some(with) = extend(text, &PATH, "list", "org.x*") else { continue };
            let table: Table = with.parse().unwrap_or_else(|error| panic!("{with}: {error}"));
            assert_eq!(get(&table, &PATH).unwrap()["list"][0].as_str(), Some("org.x*"));
            assert_eq!(remove(&with, &["list"], "org.x*"), text);
            extended += 1;
        }
        assert_eq!(extended, 2);
    }
}

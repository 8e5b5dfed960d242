//! A member put into a JSON file of the administrator; all else stays byte by byte.

use serde::de::{DeserializeOwned, IgnoredAny};

/// Puts the member `key` with `value` (JSON) into the object `parent` of the object `text`, which gets one if it has none.
/// `None` when that is not how the text is made.
#[must_use]
pub fn insert(text: &str, parent: &str, key: &str, value: &str) -> Option<String> {
    let (at, added) = insertion(text, parent, key, value)?;
    let (before, after) = text.split_at_checked(at)?;
    Some(format!("{before}{added}{after}"))
}

/// The text before the member was put in; `None` when it does not stand there as it was written.
#[must_use]
pub fn remove(text: &str, parent: &str, key: &str, value: &str) -> Option<String> {
    let root = root(text)?;
    let inside =
        member(text, root, parent).filter(|at| text.get(*at..).is_some_and(|rest| rest.starts_with('{')));
    for at in inside.into_iter().chain([root]).filter_map(|at| at.checked_add(1)) {
        let (before, after) = text.split_at_checked(at)?;
        let is_root = Some(at) == root.checked_add(1);
        for comma in [",", ""] {
            let added = if is_root { outer(parent, key, value, comma) } else { inner(key, value, comma) };
            if let Some(rest) = after.strip_prefix(&added)
                && rest.trim_start().starts_with('}') == comma.is_empty()
            {
                return Some(format!("{before}{rest}"));
            }
        }
    }
    None
}

fn insertion(text: &str, parent: &str, key: &str, value: &str) -> Option<(usize, String)> {
    let root = root(text)?;
    let object = member(text, root, parent);
    let at = object.unwrap_or(root);
    let inside = text.get(at..)?.strip_prefix('{')?;
    let comma = if inside.trim_start().starts_with('}') { "" } else { "," };
    let added = if object.is_some() { inner(key, value, comma) } else { outer(parent, key, value, comma) };
    Some((at.checked_add(1)?, added))
}

fn inner(key: &str, value: &str, comma: &str) -> String {
    format!("\n        \"{key}\": {value}{comma}")
}

fn outer(parent: &str, key: &str, value: &str, comma: &str) -> String {
    format!("\n    \"{parent}\": {{\"{key}\": {value}}}{comma}")
}

/// Where the outermost object begins.
fn root(text: &str) -> Option<usize> {
    text.find('{').filter(|at| text.get(..*at).is_some_and(|before| before.trim().is_empty()))
}

/// Where the value of the member `key` of the object at `at` begins.
fn member(text: &str, at: usize, key: &str) -> Option<usize> {
    let mut rest = text.get(at..)?.strip_prefix('{')?;
    loop {
        rest = rest.trim_start();
        let (name, after): (String, _) = value(rest)?;
        rest = after.trim_start().strip_prefix(':')?.trim_start();
        if name == key {
            return text.len().checked_sub(rest.len());
        }
        let (_, after): (IgnoredAny, _) = value(rest)?;
        rest = after.trim_start().strip_prefix(',')?;
    }
}

/// The value at the beginning of a text, and what follows it.
fn value<T: DeserializeOwned>(text: &str) -> Option<(T, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_member_is_put_in_and_taken_out_and_the_rest_stays() {
        let texts = [
            "{}",
            " {\n}\n",
            "{\"a\": \"runtimes\", \"b\": {\"runtimes\": {}}}",
            "{\n  \"log\": [1, {\"}\": \"{\"}],\n  \"runtimes\": {}\n}\n",
            "{\"runtimes\" :{\"kata\":{\"path\":\"/k\"}},\"z\":1.50}",
            "{\n\t\"runtimes\": {\n\t\t\"kata\": {}\n\t}\n}",
        ];
        for text in texts {
            let with = insert(text, "runtimes", "ours", "{\"path\": \"/x\"}").unwrap();
            let parsed: Value = serde_json::from_str(&with).unwrap_or_else(|error| panic!("{with}: {error}"));
            assert_eq!(parsed["runtimes"]["ours"], json!({"path": "/x"}), "{with}");
            assert_eq!(
                remove(&with, "runtimes", "ours", "{\"path\": \"/x\"}").as_deref(),
                Some(text),
                "{with}"
            );
            assert_eq!(remove(text, "runtimes", "ours", "{\"path\": \"/x\"}"), None);
        }
        for text in ["", "[]", "{\"runtimes\": 3}", "{\"runtimes\": []}"] {
            assert_eq!(insert(text, "runtimes", "ours", "{}"), None, "{text}");
        }
    }
}

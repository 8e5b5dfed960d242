//! What a source file says about other files: a scanner for paths that is good enough for formatted Rust.

use std::collections::BTreeMap;

/// The code alone: comments, strings and characters are blanked, so that nothing in them is taken for code.
pub(crate) fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let end = skipped(&chars, at);
        if end == at {
            code.push(c);
            at += 1;
        } else {
            let hidden = chars.get(at..end).unwrap_or_default();
            code.extend(hidden.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none does.
fn skipped(chars: &[char], at: usize) -> usize {
    let is = |offset: usize, text: &str| {
        text.chars().enumerate().all(|(n, c)| chars.get(at + offset + n) == Some(&c))
    };
    let find = |from: usize, end: &[char]| {
        (from..chars.len())
            .find(|n| chars.get(*n..n + end.len()) == Some(end))
            .map_or(chars.len(), |n| n + end.len())
    };
    let word_before = at > 0 && chars.get(at - 1).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    if is(0, "//") {
        return (at..chars.len()).find(|n| chars.get(*n) == Some(&'\n')).unwrap_or(chars.len());
    }
    if is(0, "/*") {
        return find(at + 2, &['*', '/']);
    }
    if is(0, "r") && !word_before {
        let hashes = chars.iter().skip(at + 1).take_while(|c| **c == '#').count();
        if chars.get(at + 1 + hashes) == Some(&'"') {
            let mut end = vec!['"'];
            end.resize(1 + hashes, '#');
            return find(at + 2 + hashes, &end);
        }
    }
    if is(0, "\"") {
        return quoted(chars, at, '"');
    }
    // A quote is a character, unless it is a lifetime.
    if is(0, "'") && (is(1, "\\") || is(2, "'")) {
        return quoted(chars, at, '\'');
    }
    at
}

fn quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut end = at + 1;
    while let Some(&c) = chars.get(end) {
        match c {
            '\\' => end += 1,
            _ if c == quote => return end + 1,
            _ => {}
        }
        end += 1;
    }
    end
}

/// Every path in `code` that may lead to another file, as absolute segments (without `crate`). `module` is the file's own
/// module, `children` are those that it declares.
pub(crate) fn paths(code: &str, module: &[String], children: &[String]) -> Vec<Vec<String>> {
    let tests = code.find("\nmod tests {").unwrap_or(code.len());
    let base = |at: usize| {
        let mut base = module.to_vec();
        base.extend((at > tests).then(|| "tests".to_owned()));
        base
    };
    let mut imported: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut found = Vec::new();
    let mut rest = 0;
    // What is left when imports and visibilities are blanked.
    let mut other = String::with_capacity(code.len());
    while let Some((at, end)) = next_use(code, rest) {
        other.push_str(code.get(rest..at).unwrap_or_default());
        other.push_str(&" ".repeat(end - at));
        for (path, name) in expand(code.get(at..end).unwrap_or_default()) {
            if let Some(path) = absolute(&path, &base(at), children) {
                imported.insert(name, path.clone());
                found.push(path);
            }
        }
        rest = end;
    }
    other.push_str(code.get(rest..).unwrap_or_default());
    for (at, path) in inline(&other.replace("pub(in crate::", "pub(in        ")) {
        let known = path.first().and_then(|first| imported.get(first));
        let path = match known {
            Some(start) => Some(start.iter().chain(path.iter().skip(1)).cloned().collect()),
            None => absolute(&path, &base(at), children),
        };
        found.extend(path);
    }
    found
}

/// The text between the next `use` and its semicolon.
fn next_use(code: &str, from: usize) -> Option<(usize, usize)> {
    let mut from = from;
    loop {
        let at = from + code.get(from..)?.find("use ")?;
        let before = code.get(..at)?.trim_end_matches(' ').chars().next_back();
        let end = at + code.get(at..)?.find(';')?;
        // `pub use`, `pub(crate) use`, or alone on its line.
        if before.is_none_or(|c| matches!(c, '\n' | ')' | 'b' | '{')) {
            return Some((at + 4, end));
        }
        from = at + 4;
    }
}

/// `a::{b, c as d}` as the paths `a::b` (known as `b`) and `a::c` (known as `d`).
fn expand(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut path: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let last = path.last().cloned().unwrap_or_default();
        let name = if name.trim().is_empty() { last } else { name.trim().to_owned() };
        return vec![(path, name)];
    };
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(group.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(group.get(start..));
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expand(&format!("{}{}", head.trim(), part.trim()))).collect()
}

/// Paths in expressions and types: `a::b::c`, with where they begin.
fn inline(code: &str) -> Vec<(usize, Vec<String>)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = code.get(at..).and_then(|rest| rest.find("::")) {
        let middle = at + offset;
        let head = code.get(..middle).unwrap_or_default();
        let start =
            head.char_indices().rev().take_while(|(_, c)| is_word(*c)).last().map_or(middle, |(n, _)| n);
        let tail = code.get(start..).unwrap_or_default();
        let length =
            tail.char_indices().find(|(_, c)| !is_word(*c) && *c != ':').map_or(tail.len(), |(n, _)| n);
        let path = tail.get(..length).unwrap_or_default();
        let after_path =
            head.get(..start).is_some_and(|before| before.ends_with("::") || before.ends_with('.'));
        if start < middle && !after_path {
            let parts = path.split("::").filter(|part| !part.is_empty()).map(str::to_owned);
            found.push((start, parts.collect()));
        }
        at = middle.max(start + length).max(middle + 2);
    }
    found
}

/// The segments from the crate's root on; `None` for a path into another crate or to a name of this file.
fn absolute(path: &[String], module: &[String], children: &[String]) -> Option<Vec<String>> {
    let mut base = module.to_vec();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => return Some(rest.get(1..)?.to_vec()),
        "self" => rest = rest.get(1..)?,
        "super" => {
            while let Some((_, after)) = rest.split_first().filter(|(first, _)| *first == "super") {
                base.pop();
                rest = after;
            }
        }
        first if children.iter().any(|child| child == first) => {}
        _ => return None,
    }
    Some(base.into_iter().chain(rest.iter().cloned()).collect())
}

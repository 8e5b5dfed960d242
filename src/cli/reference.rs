//! The methods and plugins for the man page, generated from their tables.

use crate::control::plugin_reference;
use crate::rpc::methods::METHODS;
use crate::rpc::methods::method::Method;

/// The width of a line in columns.
const WIDTH: usize = 79;
/// Where the second column begins: behind the longest name that is not too long for that.
const INDENT: usize = 18;

/// What the man page says of the methods.
#[must_use]
pub fn methods() -> String {
    let mut text = "* marks what must be given.\n\n".to_owned();
    for method in METHODS {
        let mut lines = wrapped(&method.parameters.join(", "), "");
        lines.extend(wrapped(&method.result.join(", "), "-> "));
        add(&mut text, method.name, &lines);
    }
    let aliases = METHODS.iter().filter(|method| !method.aliases.is_empty());
    let also = |method: &Method| format!("{} is also called {}.", method.name, method.aliases.join(" and "));
    let aliases: Vec<_> = aliases.map(also).collect();
    let notes = format!(
        "startContainer honours the annotation org.rdk.restartOnCrash=true of a bundle, which restarts it after a crash, \
         and the plugins below. {} Failures have their reason as text in error.data. Event onMinidump {{name, path, \
         size, truncated}}: a crash dump of container name is on the host at path; it comes before \
         onContainerStopped, or when the dump is harvested late: at the next start, or by a sweep.",
        aliases.join(" ")
    );
    text.push('\n');
    text.push_str(&fill(&notes, WIDTH).join("\n"));
    text
}

/// What the man page says of the plugins in `rdkPlugins`.
#[must_use]
pub fn plugins() -> String {
    let mut text = "The members of their data; * marks what must be given.\n\n".to_owned();
    for (name, members) in plugin_reference() {
        add(&mut text, name, &wrapped(&members.join(", "), ""));
    }
    text.trim_end().to_owned()
}

/// Adds an entry: a name, and lines beside it, or below it when it is too long.
fn add(text: &mut String, name: &str, lines: &[String]) {
    let mut name = name;
    if name.len() >= INDENT {
        text.push_str(name);
        text.push('\n');
        name = "";
    }
    for line in lines {
        let line = format!("{name:INDENT$}{line}");
        text.push_str(line.trim_end());
        text.push('\n');
        name = "";
    }
}

/// The lines of a second column. The first one begins with `mark`, and the others are indented as much.
fn wrapped(text: &str, mark: &str) -> Vec<String> {
    let lines = fill(text, WIDTH - INDENT - mark.len());
    let lines = lines.into_iter().enumerate();
    lines
        .map(
            |(n, line)| if n == 0 { format!("{mark}{line}") } else { format!("{:1$}{line}", "", mark.len()) },
        )
        .collect()
}

/// Words in lines of at most `width` columns.
fn fill(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_there_and_no_line_too_long() {
        let text = methods();
        for method in METHODS {
            assert!(text.contains(&format!("\n{}", method.name)), "{text}");
        }
        for (plugin, _) in plugin_reference() {
            assert!(plugins().contains(&format!("\n{plugin}")), "{}", plugins());
        }
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(wrapped("", "-> "), ["-> "]);
    }
}

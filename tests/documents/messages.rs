//! Every message that the book explains is one that the programs write.

use crate::files::{root, sources, text};
use crate::markdown::Document;

/// The source of all programs, each run of blanks as one: a long message goes over several lines.
fn source() -> String {
    let all: Vec<String> = sources().iter().map(|path| text(path)).collect();
    all.join("\n").replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_message_that_is_explained_is_in_the_source() {
    let source = source();
    let rows = Document::open(&root().join("docs/operators.md")).rows("Messages");
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows.iter().skip(1) {
        let message = row[0].trim_matches('`');
        let parts = message.split("...").map(str::trim).filter(|part| !part.is_empty());
        for part in parts {
            assert!(
                source.contains(part.trim_start_matches([',', ' '])),
                "no program says {part:?} ({message})"
            );
        }
        assert!(row.len() == 2 && !row[1].is_empty(), "{row:?}");
    }
}

#[test]
fn the_words_of_the_api_are_those_of_the_code() {
    let methods = oci_minidump::rpc::methods::METHODS.iter();
    let names: Vec<&str> =
        methods.flat_map(|method| [method.name].into_iter().chain(method.aliases.to_vec())).collect();
    let page = Document::open(&root().join("docs/rdk.md"));
    let listed: Vec<String> =
        page.rows("The API").iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    for name in &names {
        assert!(page.text.contains(&format!("`{name}`")), "{name} is not in docs/rdk.md");
    }
    let source = source();
    for name in listed.iter().filter(|name| !["method", "event"].contains(&name.as_str())) {
        let is_event = name.starts_with("on") && source.contains(&format!("\"{name}\""));
        assert!(is_event || names.contains(&name.as_str()), "there is no {name}");
    }
    for row in page.rows("Plugins").iter().skip(1) {
        let name = row[0].trim_matches('`');
        assert!(source.contains(&format!("\"{name}\"")), "there is no plugin {name}");
    }
}

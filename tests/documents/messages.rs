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

#[test]
fn the_picture_of_a_container_has_every_phase() {
    let picture = text(&root().join("docs/pictures/container.txt"));
    let phases = text(&root().join("src/control/phase.rs"));
    let (_, phases) = phases.split_once("enum Phase {").unwrap();
    let (phases, _) = phases.split_once("\n}").unwrap();
    let phases = phases.lines().filter_map(|line| line.trim().split(['(', ',']).next());
    let phases: Vec<&str> = phases.filter(|phase| phase.starts_with(char::is_uppercase)).collect();
    assert!(phases.len() > 4 && phases.iter().all(|phase| picture.contains(phase)), "{phases:?}");
}

/// The places in the code that the tour names, as modules: `hook/prepare`, `control/lifecycle/exit`.
#[test]
fn the_tour_leads_to_modules_that_exist() {
    let folders =
        ["hook", "image", "harvest", "settings", "control", "rpc", "server", "cli", "dobby", "lifecycle"];
    for page in ["architecture", "image", "container", "adding", "decisions"] {
        let document = Document::open(&root().join(format!("docs/developers/{page}.md")));
        for code in document.inline_code() {
            let is_path =
                code.chars().all(|c| c.is_ascii_lowercase() || "/_".contains(c)) && code.contains('/');
            if !is_path || !folders.iter().any(|folder| code.starts_with(&format!("{folder}/"))) {
                continue;
            }
            let places = ["src", "src/control"].map(|base| root().join(base).join(&code));
            let exists = places.iter().any(|place| place.is_dir() || place.with_extension("rs").is_file());
            assert!(exists, "{}: there is no module {code}", document.shown());
        }
    }
}

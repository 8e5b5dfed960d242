//! Docker has no hooks.d: it gets a runtime, which a container asks for by `--runtime minidump`.

use serde_json::Value;

use crate::calls::runtime::{ANY, SETTINGS_OPTION};
use crate::engines::change::{Change, Fate};
use crate::engines::tree::Tree;
use crate::engines::{json_text, runtime};
use crate::error::{Error, ErrorKind, Result};

/// Docker's settings.
const FILE: &str = "/etc/docker/daemon.json";
/// The name of the runtime.
pub const NAME: &str = "minidump";
/// What a new file is made of. Nothing else looks like it, so that undoing knows its own.
const EMPTY: &str = "{ }\n";

/// Puts the runtime into Docker's settings and makes its program, or takes both away.
///
/// # Errors
/// [`ErrorKind::Config`] when the settings have another runtime of that name, or cannot be understood.
pub fn changes(tree: &Tree, undo: bool) -> Result<Vec<Change>> {
    let path = tree.at(FILE);
    let within = |what: String| Error::new(ErrorKind::Config, format!("{} {what}", path.display()));
    let present = tree.read(FILE)?;
    let text = present.clone().unwrap_or_else(|| EMPTY.to_owned());
    let settings: Value =
        serde_json::from_str(&text).map_err(|error| within("is not valid JSON".into()).caused_by(error))?;
    let found = settings.pointer("/runtimes/minidump");
    let ours = entry(tree);
    let links = runtime::changes(tree, ANY, undo);
    let by_hand = || format!("by hand, add or remove: \"runtimes\": {{\"{NAME}\": {ours}}}");
    let fate = match (undo, found) {
        (false, None) => Fate::File(
            json_text::insert(&text, "runtimes", NAME, &ours)
                .ok_or_else(|| within("cannot be edited".into()).advise(by_hand()))?
                .into_bytes(),
        ),
        (false, Some(found)) if is_same(found, &ours) => return Ok(links),
        (false, Some(_)) => {
            return Err(within(format!("has another runtime {NAME}")).advise("rename it first"));
        }
        (true, None) => return Ok(links),
        (true, Some(_)) => match json_text::remove(&text, "runtimes", NAME, &ours) {
            Some(rest) if rest == EMPTY => Fate::Gone,
            Some(rest) => Fate::File(rest.into_bytes()),
            None => return Err(within(format!("was edited: the runtime {NAME} stays")).advise(by_hand())),
        },
    };
    let settings = Change { path, fate };
    // No settings may name a program that is not there.
    Ok(if undo { [vec![settings], links].concat() } else { [links, vec![settings]].concat() })
}

fn is_same(found: &Value, ours: &str) -> bool {
    serde_json::from_str::<Value>(ours).is_ok_and(|ours| ours == *found)
}

/// The runtime's entry, as JSON on one line.
fn entry(tree: &Tree) -> String {
    let quoted = |text: &str| Value::String(text.to_owned()).to_string();
    let path = quoted(&runtime::path(tree, ANY).to_string_lossy());
    match tree.settings() {
        None => format!("{{\"path\": {path}}}"),
        Some(settings) => {
            let (option, settings) = (quoted(SETTINGS_OPTION), quoted(&settings.to_string_lossy()));
            format!("{{\"path\": {path}, \"runtimeArgs\": [{option}, {settings}]}}")
        }
    }
}

//! `enable ENGINE`: writes what an engine needs to call the hook, or takes it away again.

use std::io::Write;
use std::path::PathBuf;

use crate::command::say;
use crate::engines::engine::Engine;
use crate::engines::tree::Tree;
use crate::error::Result;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enable {
    /// The engine.
    pub engine: Engine,
    /// The tree, when it is not the host.
    pub root: Option<PathBuf>,
    /// The settings file that the hook shall read, when it is not the usual one.
    pub settings: Option<PathBuf>,
    /// Whether to take away what was written.
    pub undo: bool,
    /// Whether only to say what would be done.
    pub dry_run: bool,
}

/// Makes the changes and says each. Running it twice changes nothing.
///
/// # Errors
/// As [`Engine::changes`]; nothing is changed then. Or the kernel's.
pub fn enable(request: &Enable, out: &mut impl Write) -> Result<()> {
    let tree = Tree::open(request.root.as_deref(), request.settings.as_deref())?;
    let mut needed = Vec::new();
    for change in request.engine.changes(&tree, request.undo)? {
        if change.is_needed()? {
            needed.push(change);
        }
    }
    let name = request.engine.name();
    let would = if request.dry_run { "would " } else { "" };
    for change in &needed {
        // Said before, so that what was done is known when the next one fails.
        say(out, format_args!("{name}: {would}{change}"))?;
        if !request.dry_run {
            change.apply()?;
        }
    }
    match (needed.is_empty(), request.engine.then()) {
        (true, _) => say(out, format_args!("{name}: nothing to change"))?,
        (false, Some(command)) if request.root.is_none() => {
            say(out, format_args!("{name}: then run: {command}"))?
        }
        _ => {}
    }
    if request.undo { Ok(()) } else { say(out, format_args!("{name}: {}", request.engine.usage(&tree))) }
}

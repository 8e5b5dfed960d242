//! LXC's templates include every file of a directory: ours registers the hook for all of their containers. It does nothing
//! for those that do not ask ([`crate::calls::lxc`]).

use crate::engines::change::{Change, Fate};
use crate::engines::tree::Tree;
use crate::error::{Error, ErrorKind, Result};

/// The file.
pub const FILE: &str = "/usr/share/lxc/config/common.conf.d/50-oci-minidump.conf";
const FIRST_LINE: &str = "# Written by 'oci-minidump-hook enable lxc'.";

/// Puts the file in place, or takes it away.
///
/// # Errors
/// [`ErrorKind::Config`] when another file has its place, or the path of the hook has blanks, which LXC takes for the end of
/// a word.
pub fn changes(tree: &Tree, undo: bool) -> Result<Vec<Change>> {
    let path = tree.at(FILE);
    match tree.read(FILE)? {
        Some(text) if !text.starts_with(FIRST_LINE) => {
            let what = format!("{} was not written by this program", path.display());
            return Err(Error::new(ErrorKind::Config, what).advise("move it away first"));
        }
        None if undo => return Ok(Vec::new()),
        _ => {}
    }
    let fate = if undo { Fate::Gone } else { Fate::File(content(tree)?) };
    Ok(vec![Change { path, fate }])
}

fn content(tree: &Tree) -> Result<Vec<u8>> {
    let mut command = tree.program().to_string_lossy().into_owned();
    if let Some(settings) = tree.settings() {
        command.push_str(&format!(" --settings {}", settings.display()));
    }
    let words = command.split(' ').count();
    let is_plain = |c: char| c.is_alphanumeric() || "/._+- ".contains(c);
    if words != if tree.settings().is_some() { 3 } else { 1 } || !command.chars().all(is_plain) {
        let what = format!("LXC cannot call a hook by the path {}", tree.program().display());
        return Err(
            Error::new(ErrorKind::Config, what).advise("install it where no blank or sign is in the path")
        );
    }
    let text =
        format!("{FIRST_LINE}\nlxc.hook.start-host = {command} lxc\nlxc.hook.post-stop = {command} lxc\n");
    Ok(text.into_bytes())
}

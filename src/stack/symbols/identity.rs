//! What identifies a module of a dump: its path, and the build of its program or library. All of it comes from a container.

use std::path::PathBuf;

use minidump::Module;

use crate::dump::Order;
use crate::dump::build::Build;

/// The longest file name that is looked up, in bytes.
const MAX_NAME: usize = 200;

/// A module, as far as its symbols depend on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    /// Its path in the container.
    path: String,
    /// The file name of what has its debug data.
    debug_file: Option<String>,
    /// Breakpad's debug id.
    debug_id: Option<String>,
    /// The GNU build id in lower-case hex, if the dump has it.
    build_id: Option<String>,
}

impl Identity {
    pub(super) fn of(module: &(dyn Module + Sync)) -> Self {
        Self {
            path: module.code_file().into_owned(),
            debug_file: module.debug_file().map(std::borrow::Cow::into_owned),
            debug_id: module.debug_identifier().map(|id| id.breakpad().to_string()),
            build_id: module.code_identifier().map(|id| id.to_string().to_ascii_lowercase()),
        }
    }

    pub(super) fn debug_id(&self) -> Option<&str> {
        self.debug_id.as_deref()
    }

    /// Whether an ELF file of this build id is of the same build.
    pub(super) fn is_build(&self, build_id: &[u8]) -> bool {
        let Some(build) = Build::parse(&[b"LEpB", build_id].concat(), Order::Little) else { return false };
        match &self.build_id {
            Some(own) => build.build_id.as_ref() == Some(own),
            None => self.debug_id.as_ref() == Some(&build.debug_id),
        }
    }

    /// Where its symbol file may be below a directory.
    pub(super) fn symbol_files(&self) -> Vec<PathBuf> {
        let Some(debug_id) = &self.debug_id else { return Vec::new() };
        let debug_file = self.debug_file.as_deref().filter(|path| !path.is_empty());
        let named = file_name(debug_file.unwrap_or(&self.path))
            .map(|name| [name, debug_id, &format!("{name}.sym")].iter().collect());
        let by_build_id = self.split_id().map(|(first, rest)| [first, rest, "breakpad"].iter().collect());
        named.into_iter().chain(by_build_id).collect()
    }

    /// Where ELF files of it may be below a directory: by its build id as debuginfod and as distributions have them, by its
    /// path in the container, by its name.
    pub(super) fn elf_files(&self) -> Vec<PathBuf> {
        let mut places = Vec::new();
        if let Some((id, (first, rest))) = self.build_id.as_ref().zip(self.split_id()) {
            places.extend(["executable", "debuginfo"].map(|kind| [id, kind].iter().collect()));
            let debug = format!("{rest}.debug");
            places.push([".build-id", first, rest].iter().collect());
            places.push([".build-id", first, &debug].iter().collect());
            places.push(["usr/lib/debug/.build-id", first, &debug].iter().collect());
        }
        if let Some(name) = file_name(&self.path) {
            places.extend([PathBuf::from(&self.path), name.into(), format!("{name}.debug").into()]);
        }
        places
    }

    /// The build id as directories have it: the first two digits, and the rest.
    fn split_id(&self) -> Option<(&str, &str)> {
        let id = self.build_id.as_deref()?;
        let is_id = (3..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        id.split_at_checked(2).filter(|_| is_id)
    }
}

/// The file name in a path, if it is nothing but one.
fn file_name(path: &str) -> Option<&str> {
    let name = path.rsplit(['/', '\\']).next()?;
    let is_name = !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME && !name.contains('\0');
    is_name.then_some(name)
}

//! Symbol files of the administrator, in the text format of Breakpad's `dump_syms`: names of functions, lines, and how to
//! get from a frame to its caller.
//!
//! A directory is one of `NAME/DEBUG-ID/NAME.sym`, as Breakpad has it, or of `ab/cdef.../breakpad`, by the build id. Names
//! come from a dump, so from a container: one that is more than a file name is never looked up.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use minidump::Module;
use minidump_unwind::{FileError, FileKind, LocateSymbolsResult, SymbolError, SymbolFile, SymbolSupplier};

use crate::error::{Error, ErrorKind, Result, Tried};

/// The most bytes of symbol files that are read for one dump: it chooses which are.
const MAX_BYTES: u64 = 256 << 20;
/// The longest first line of a symbol file.
const MAX_HEAD: u64 = 4096;

/// Where symbol files are.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    dirs: Vec<PathBuf>,
    /// Single files, with the debug id that their first line has.
    files: Vec<(String, PathBuf)>,
}

impl Symbols {
    /// The symbol files at `paths`: directories, or single files.
    ///
    /// # Errors
    /// `Input` when a file is not a symbol file; the operating system's error when it cannot be read.
    pub fn at(paths: &[PathBuf]) -> Result<Self> {
        let mut symbols = Self::default();
        for path in paths {
            let metadata =
                fs::metadata(path).tried(|| format!("cannot find symbols at {}", path.display()))?;
            if metadata.is_dir() {
                symbols.dirs.push(path.clone());
            } else {
                symbols.files.push((debug_id(path, metadata.is_file())?, path.clone()));
            }
        }
        Ok(symbols)
    }

    /// The symbol file for a module, if there is one.
    fn find(&self, module: &(dyn Module + Sync)) -> Option<PathBuf> {
        let debug_id = module.debug_identifier()?.breakpad().to_string();
        let single = self.files.iter().find(|(id, _)| *id == debug_id).map(|(_, path)| path.clone());
        let build_id = module.code_identifier().map(|id| id.to_string());
        let places: Vec<PathBuf> = name(module)
            .map(|name| [&*name, &debug_id, &format!("{name}.sym")].iter().collect())
            .into_iter()
            .chain(build_id.and_then(|id| by_build_id(&id)))
            .collect();
        let below = |dir: &PathBuf| places.iter().map(|place| dir.join(place)).find(|path| path.is_file());
        single.or_else(|| self.dirs.iter().find_map(below))
    }
}

/// The debug id in the first line of a symbol file: `MODULE Linux x86_64 ID NAME`.
fn debug_id(path: &Path, is_file: bool) -> Result<String> {
    let wrong = || {
        let what = format!("{} is not a symbol file of Breakpad", path.display());
        Error::new(ErrorKind::Input, what).advise("make one with dump_syms, or name a directory of them")
    };
    if !is_file {
        return Err(wrong());
    }
    let (shown, mut head) = (path.display(), Vec::new());
    let file = File::open(path).tried(|| format!("cannot open {shown}"))?;
    file.take(MAX_HEAD).read_to_end(&mut head).tried(|| format!("cannot read {shown}"))?;
    let head = String::from_utf8_lossy(&head);
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    match (words.next(), words.nth(2)) {
        (Some("MODULE"), Some(id)) => Ok(id.to_owned()),
        _ => Err(wrong()),
    }
}

/// The file name of a module, if it is nothing but one.
fn name(module: &(dyn Module + Sync)) -> Option<String> {
    let path = module.debug_file().filter(|path| !path.is_empty()).unwrap_or_else(|| module.code_file());
    let name = path.rsplit(['/', '\\']).next()?;
    let is_name = !matches!(name, "" | "." | "..") && name.len() <= 200 && !name.contains('\0');
    is_name.then(|| name.to_owned())
}

/// `ab/cdef.../breakpad`.
fn by_build_id(id: &str) -> Option<PathBuf> {
    let is_id = id.len() > 2 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (first, rest) = id.split_at_checked(2).filter(|_| is_id)?;
    Some([first, rest, "breakpad"].iter().collect())
}

/// The symbols for the modules of one dump.
#[derive(Debug)]
pub(super) struct Supplier {
    symbols: Symbols,
    served: Mutex<Served>,
}

/// What was read for the dump.
#[derive(Debug, Default)]
struct Served {
    files: BTreeSet<PathBuf>,
    bytes: u64,
}

impl Served {
    /// Whether a file may be read: once, so that modules with other names cannot have it parsed again and again, and
    /// only if it fits into what is left. One that does not fit takes nothing from the others.
    fn allows(&mut self, path: &Path, size: u64) -> bool {
        let bytes = self.bytes.saturating_add(size);
        if bytes > MAX_BYTES || !self.files.insert(path.to_owned()) {
            return false;
        }
        self.bytes = bytes;
        true
    }
}

impl Supplier {
    pub(super) fn new(symbols: &Symbols) -> Self {
        Self { symbols: symbols.clone(), served: Mutex::default() }
    }

    fn load(&self, module: &(dyn Module + Sync)) -> std::result::Result<SymbolFile, SymbolError> {
        let path = self.symbols.find(module).ok_or(SymbolError::NotFound)?;
        let size = fs::metadata(&path)?.len();
        // Two names for one file are one.
        let real = fs::canonicalize(&path)?;
        if !self.served.lock().unwrap_or_else(PoisonError::into_inner).allows(&real, size) {
            log::warn!(
                "{} is left out: another module has it, or all symbols have more than {MAX_BYTES} bytes",
                path.display()
            );
            return Err(SymbolError::NotFound);
        }
        let loaded = SymbolFile::from_file(&path);
        if let Err(error) = &loaded {
            log::warn!("cannot read the symbols in {}: {error}", path.display());
        }
        loaded
    }
}

#[async_trait]
impl SymbolSupplier for Supplier {
    async fn locate_symbols(
        &self,
        module: &(dyn Module + Sync),
    ) -> std::result::Result<LocateSymbolsResult, SymbolError> {
        self.load(module).map(|symbols| LocateSymbolsResult { symbols, extra_debug_info: None })
    }

    async fn locate_file(
        &self,
        _module: &(dyn Module + Sync),
        _kind: FileKind,
    ) -> std::result::Result<PathBuf, FileError> {
        Err(FileError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once_and_a_large_one_takes_nothing_from_the_others() {
        let mut served = Served::default();
        assert!(!served.allows(Path::new("large"), MAX_BYTES + 1));
        assert!(served.allows(Path::new("a"), MAX_BYTES - 1));
        assert!(!served.allows(Path::new("a"), 0));
        assert!(!served.allows(Path::new("b"), 2));
        assert!(served.allows(Path::new("c"), 1));
    }
}

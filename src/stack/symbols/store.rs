//! Where symbols are: directories and single files that the administrator names.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::cache::Cache;
use super::identity::Identity;
use super::place::Place;
use crate::coredump::elf::MAGIC;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::stack::elf::file::Elf;

/// The longest first line of a symbol file.
const MAX_HEAD: u64 = 4096;

/// Where symbols are, and what was read of them.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    dirs: Vec<(PathBuf, Arc<File>)>,
    /// Single symbol files, with the debug id that their first line has.
    files: Vec<(String, PathBuf)>,
    /// Single ELF files, with their build ids.
    elves: Vec<(Vec<u8>, PathBuf)>,
    pub(super) cache: Arc<Mutex<Cache>>,
}

impl Symbols {
    /// The symbols at `paths`: directories, single symbol files, single ELF files.
    ///
    /// # Errors
    /// `Input` when a file is none of these; the operating system's error when it cannot be read.
    pub fn at(paths: &[PathBuf]) -> Result<Self> {
        let mut symbols = Self::default();
        for path in paths {
            let shown = path.display();
            let metadata = fs::metadata(path).tried(|| format!("cannot find symbols at {shown}"))?;
            if metadata.is_dir() {
                let dir = File::open(path).tried(|| format!("cannot open {shown}"))?;
                symbols.dirs.push((path.clone(), Arc::new(dir)));
            } else {
                symbols.add_file(path, metadata.is_file())?;
            }
        }
        Ok(symbols)
    }

    fn add_file(&mut self, path: &Path, is_file: bool) -> Result<()> {
        let wrong = || {
            let what = format!("{} is neither a symbol file of Breakpad nor an ELF file", path.display());
            Error::new(ErrorKind::Input, what).advise("make one with dump_syms, or name a directory of them")
        };
        if !is_file {
            return Err(wrong());
        }
        let (shown, mut head) = (path.display(), Vec::new());
        let file = File::open(path).tried(|| format!("cannot open {shown}"))?;
        (&file).take(MAX_HEAD).read_to_end(&mut head).tried(|| format!("cannot read {shown}"))?;
        if head.starts_with(&MAGIC) {
            let elf = Elf::read(&file).map_err(|error| error.within(shown))?;
            self.elves.push((elf.build_id, path.to_owned()));
        } else {
            self.files.push((debug_id(&head).ok_or_else(wrong)?, path.to_owned()));
        }
        Ok(())
    }

    /// How many files, or parts of them, were read until now: each once, as long as what was read is kept.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).reads
    }

    /// The symbol file for a module, if there is one: its path, what identifies it, its size.
    pub(super) fn breakpad(&self, identity: &Identity) -> Option<(PathBuf, (u64, u64), u64)> {
        let debug_id = identity.debug_id()?;
        let single = self.files.iter().find(|(id, _)| id == debug_id).map(|(_, path)| path.clone());
        let places = identity.symbol_files();
        let below =
            |(dir, _): &(PathBuf, _)| places.iter().map(|place| dir.join(place)).find(|path| path.is_file());
        let path = single.or_else(|| self.dirs.iter().find_map(below))?;
        let metadata = fs::metadata(&path).ok()?;
        Some((path, (metadata.dev(), metadata.ino()), metadata.len()))
    }

    /// The places that may have ELF files of a module.
    pub(super) fn elf_places(&self, identity: &Identity) -> Vec<Place> {
        let single = self.elves.iter().filter(|(build_id, _)| identity.is_build(build_id));
        let mut places: Vec<Place> =
            single.map(|(_, path)| Place { dir: None, path: path.clone(), shown: path.clone() }).collect();
        for (dir, opened) in &self.dirs {
            places.extend(identity.elf_files().into_iter().map(|path| {
                let shown = dir.join(path.strip_prefix("/").unwrap_or(&path));
                Place { dir: Some(Arc::clone(opened)), path, shown }
            }));
        }
        places
    }
}

/// The debug id in the first line of a symbol file: `MODULE Linux x86_64 ID NAME`.
fn debug_id(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    match (words.next(), words.nth(2)) {
        (Some("MODULE"), Some(id)) => Some(id.to_owned()),
        _ => None,
    }
}

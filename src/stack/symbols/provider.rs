//! The symbols for one dump, as the walker asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use minidump::{MinidumpModule, Module};
use minidump_unwind::{
    FileError, FileKind, FillSymbolError, FrameSymbolizer, FrameWalker, SymbolFile, SymbolProvider,
};

use super::cache::{MAX_BYTES, Used};
use super::identity::Identity;
use super::loaded::{Key, Kind, Loaded};
use super::module::Symbolic;
use super::place::Found;
use super::store::Symbols;
use crate::error::{Error, ErrorKind, Result};
use crate::process::caught;
use crate::stack::elf::functions::{Functions, TABLES};
use crate::stack::elf::lines::{self, Lines};
use crate::stack::elf::unwind::{self, Unwind};

/// The most rows of line tables that are looked at for one dump.
const MAX_ROWS: u64 = 1 << 26;

/// The symbols for the modules of one dump.
#[derive(Debug)]
pub(in crate::stack) struct Provider {
    symbols: Symbols,
    /// By the modules' addresses.
    modules: Mutex<BTreeMap<u64, Arc<Symbolic>>>,
    used: Mutex<Used>,
    /// The instructions from which ELF files have led to the caller.
    steps: Mutex<BTreeSet<u64>>,
    rows: Mutex<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Provider {
    pub(in crate::stack) fn new(symbols: &Symbols) -> Self {
        lock(&symbols.cache).begin();
        Self {
            symbols: symbols.clone(),
            modules: Mutex::default(),
            used: Mutex::default(),
            steps: Mutex::default(),
            rows: Mutex::new(MAX_ROWS),
        }
    }

    /// The instructions from which ELF files have led to the caller since this was asked last.
    pub(in crate::stack) fn take_steps(&self) -> BTreeSet<u64> {
        std::mem::take(&mut lock(&self.steps))
    }

    /// The source file and the line of an instruction, as an ELF file has them.
    pub(in crate::stack) fn line(&self, module: &MinidumpModule, address: u64) -> Option<(String, u32)> {
        let symbolic = self.module(module);
        let found = symbolic.lines.as_ref().filter(|_| symbolic.breakpad.is_none())?;
        let loaded = self.load(found, Kind::Lines, &lines::SECTIONS, &mut Vec::new())?;
        let Loaded::Lines(lines) = &*loaded else { return None };
        let address = found.elf.address(module.base_address(), address);
        caught(|| lines.at(address, &mut lock(&self.rows))).flatten()
    }

    fn module(&self, module: &(dyn Module + Sync)) -> Arc<Symbolic> {
        let base = module.base_address();
        if let Some(known) = lock(&self.modules).get(&base) {
            return Arc::clone(known);
        }
        let identity = Identity::of(module);
        let kept = lock(&self.symbols.cache).module(&identity);
        let symbolic = kept.filter(|kept| lock(&self.used).allows(&kept.parts)).unwrap_or_else(|| {
            let (symbolic, is_whole) = self.find(&identity);
            let symbolic = Arc::new(symbolic);
            if is_whole {
                lock(&self.symbols.cache).keep(identity, &symbolic);
            }
            symbolic
        });
        lock(&self.modules).insert(base, Arc::clone(&symbolic));
        symbolic
    }

    /// Finds and reads what there is of a module, and says whether nothing was left out for being too much.
    fn find(&self, identity: &Identity) -> (Symbolic, bool) {
        let mut symbolic = Symbolic::default();
        let mut wanted = 0_usize;
        let mut parts = Vec::new();
        if let Some((path, file, size)) = self.symbols.breakpad(identity) {
            wanted = wanted.saturating_add(1);
            let key = Key { kind: Kind::Breakpad, file };
            symbolic.breakpad = self.read(key, size, &path, || read_breakpad(&path), &mut parts);
        }
        let files = self.elf_files(identity);
        let has = |names: &[&str]| files.iter().find(|found| found.elf.size_of(names) > 0);
        if let Some(found) = has(&unwind::SECTIONS) {
            wanted = wanted.saturating_add(1);
            let loaded = self.load(found, Kind::Unwind, &unwind::SECTIONS, &mut parts);
            symbolic.unwind = loaded.map(|loaded| (found.clone(), loaded));
        }
        if let Some((number, found)) =
            TABLES.iter().enumerate().find_map(|(number, [table, _])| Some((number, has(&[table])?)))
        {
            wanted = wanted.saturating_add(1);
            symbolic.all_functions = number == 0;
            let loaded = self.load(found, Kind::Functions, &TABLES[number], &mut parts);
            symbolic.functions = loaded.map(|loaded| (found.clone(), loaded));
        }
        symbolic.lines = has(&lines::SECTIONS[..1]).cloned();
        let is_whole = parts.len() == wanted;
        symbolic.parts = parts;
        (symbolic, is_whole)
    }

    /// The ELF files of the module's build, in the order of the places.
    fn elf_files(&self, identity: &Identity) -> Vec<Found> {
        let mut files: Vec<Found> = Vec::new();
        for place in self.symbols.elf_places(identity) {
            let Some(found) = place.find() else { continue };
            let refused = match found {
                Ok(found) if identity.is_build(&found.elf.build_id) => {
                    if !files.iter().any(|other| other.id == found.id) {
                        files.push(found);
                    }
                    continue;
                }
                Ok(_) => "it is of another build: its build id is not the one in the dump".to_owned(),
                Err(error) => error.report(),
            };
            if lock(&self.symbols.cache).is_news(&place.shown) {
                log::warn!("{} is left out: {refused}", place.shown.display());
            }
        }
        files
    }

    /// A part of an ELF file.
    fn load(
        &self,
        found: &Found,
        kind: Kind,
        sections: &[&str],
        parts: &mut Vec<(Key, u64)>,
    ) -> Option<Arc<Loaded>> {
        let key = Key { kind, file: found.id };
        let read = || {
            let what = || Error::new(ErrorKind::System, "the file is gone");
            let (elf, file) = (&found.elf, found.place.open().ok_or_else(what)?);
            Ok(match kind {
                Kind::Unwind => Loaded::Unwind(Unwind::read(elf, &file)?),
                Kind::Lines => Loaded::Lines(Lines::read(elf, &file)?),
                Kind::Functions => {
                    Loaded::Functions(Functions::read(elf, &file, [sections[0], sections[1]])?)
                }
                Kind::Breakpad => Loaded::Nothing,
            })
        };
        self.read(key, found.elf.size_of(sections), &found.place.shown, read, parts)
    }

    /// Reads a part of a file, or takes what was read of it before, when it fits into what is left for this dump.
    fn read(
        &self,
        key: Key,
        size: u64,
        path: &Path,
        read: impl FnOnce() -> Result<Loaded>,
        parts: &mut Vec<(Key, u64)>,
    ) -> Option<Arc<Loaded>> {
        if !lock(&self.used).allows(&[(key, size)]) {
            log::warn!("{} is left out: all symbols have more than {MAX_BYTES} bytes", path.display());
            return None;
        }
        parts.push((key, size));
        Some(lock(&self.symbols.cache).load(key, size, path, read))
    }
}

fn read_breakpad(path: &Path) -> Result<Loaded> {
    let read = SymbolFile::from_file(path);
    let wrong = |error| Error::new(ErrorKind::Input, "it is not a symbol file of Breakpad").caused_by(error);
    read.map(|file| Loaded::Breakpad(Box::new(file))).map_err(wrong)
}

#[async_trait]
impl SymbolProvider for Provider {
    async fn fill_symbol(
        &self,
        module: &(dyn Module + Sync),
        frame: &mut (dyn FrameSymbolizer + Send),
    ) -> std::result::Result<(), FillSymbolError> {
        self.module(module).fill(module, frame)
    }

    async fn walk_frame(
        &self,
        module: &(dyn Module + Sync),
        walker: &mut (dyn FrameWalker + Send),
    ) -> Option<()> {
        let instruction = walker.get_instruction();
        if self.module(module).step(module, walker)? {
            lock(&self.steps).insert(instruction);
        }
        Some(())
    }

    async fn get_file_path(
        &self,
        _module: &(dyn Module + Sync),
        _kind: FileKind,
    ) -> std::result::Result<PathBuf, FileError> {
        Err(FileError::NotFound)
    }
}

//! The symbols of one module.

use std::sync::Arc;

use minidump::Module;
use minidump_unwind::{FillSymbolError, FrameSymbolizer, FrameWalker, SymbolFile};

use super::loaded::{Key, Loaded};
use super::place::Found;
use crate::process::caught;
use crate::stack::elf::functions::Functions;
use crate::stack::elf::unwind::Unwind;

/// What is known of a module; each part may come from another file.
#[derive(Debug, Default)]
pub(super) struct Symbolic {
    /// The symbol file of Breakpad.
    pub(super) breakpad: Option<Arc<Loaded>>,
    /// ELF files: of call frame information, of functions, and of lines. Those of lines are read when lines are asked for.
    pub(super) unwind: Option<(Found, Arc<Loaded>)>,
    pub(super) functions: Option<(Found, Arc<Loaded>)>,
    pub(super) lines: Option<Found>,
    /// Whether the functions are all that there are, and not only those for other modules.
    pub(super) all_functions: bool,
    /// What was read, and how many bytes of it.
    pub(super) parts: Vec<(Key, u64)>,
}

impl Symbolic {
    fn breakpad(&self) -> Option<&SymbolFile> {
        match &**self.breakpad.as_ref()? {
            Loaded::Breakpad(file) => Some(file),
            _ => None,
        }
    }

    fn unwind(&self) -> Option<(&Found, &Unwind)> {
        match self.unwind.as_ref().map(|(found, loaded)| (found, &**loaded))? {
            (found, Loaded::Unwind(unwind)) => Some((found, unwind)),
            _ => None,
        }
    }

    fn functions(&self) -> Option<(&Found, &Functions)> {
        match self.functions.as_ref().map(|(found, loaded)| (found, &**loaded))? {
            (found, Loaded::Functions(functions)) => Some((found, functions)),
            _ => None,
        }
    }

    /// Names the function of a frame. An error says that the module's functions are not known; without one, what is not named
    /// is no code.
    pub(super) fn fill(
        &self,
        module: &(dyn Module + Sync),
        frame: &mut (dyn FrameSymbolizer + Send),
    ) -> Result<(), FillSymbolError> {
        if let Some(file) = self.breakpad() {
            file.fill_symbol(module, frame);
            return Ok(());
        }
        let (found, functions) = self.functions().ok_or(FillSymbolError {})?;
        let base = module.base_address();
        let address = found.elf.address(base, frame.get_instruction());
        match caught(|| functions.at(address)).flatten() {
            Some(function) => {
                let start = function.start.wrapping_sub(found.elf.base).wrapping_add(base);
                frame.set_function(&function.name, start, 0);
                Ok(())
            }
            None if self.all_functions => Ok(()),
            None => Err(FillSymbolError {}),
        }
    }

    /// Goes to the caller of a frame. Says whether ELF files were what led there.
    pub(super) fn step(
        &self,
        module: &(dyn Module + Sync),
        walker: &mut (dyn FrameWalker + Send),
    ) -> Option<bool> {
        if let Some(found) = self.breakpad().and_then(|file| file.walk_frame(module, walker)) {
            return Some(found).map(|()| false);
        }
        let (found, unwind) = self.unwind()?;
        let base = module.base_address();
        let address = found.elf.address(base, walker.get_instruction());
        let bias = base.wrapping_sub(found.elf.base);
        caught(|| unwind.step(address, bias, walker)).flatten().map(|()| true)
    }
}

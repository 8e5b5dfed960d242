//! Symbols of the administrator: names of functions, lines, and how to get from a frame to its caller. They are in the text
//! format of Breakpad's `dump_syms`, or in ELF files. From the bottom up:
//!
//! - `identity`: what a dump says of a module, and where its files may be. `place`: an ELF file, from which no link leads out.
//! - `loaded`: a part of a file. `module`: what is known of one module. `cache`: what was read, for all dumps.
//! - `store`: where symbols are. `provider`: the symbols for one dump.
//!
//! What a dump says comes from a container: a name that is more than a file name is never looked up, a path only below the
//! directory, and an ELF file only counts when its build id is that of the module.

mod cache;
mod identity;
mod loaded;
mod module;
mod place;
mod provider;
mod store;

pub(super) use self::provider::Provider;
pub use self::store::Symbols;

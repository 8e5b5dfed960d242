//! ELF files: names of functions, lines, and how to get from a frame to its caller. From the bottom up:
//!
//! - [`file`]: the headers, the sections that count, the build id.
//! - [`names`]: names as the source has them. [`functions`]: the symbol table.
//! - `registers`: the registers that a rule may name. `evaluate`: expressions of DWARF.
//! - [`lines`]: the table of line numbers.
//! - [`unwind`]: call frame information.
//!
//! The files may come from a container's image. Whatever they say of themselves is bounded before it is believed: each section
//! by its size, each table by the bytes that it takes, each entry by what real ones have.
//!
//! [`file`]: mod@file

mod evaluate;
pub mod file;
pub mod functions;
pub mod lines;
pub mod names;
mod registers;
pub mod unwind;

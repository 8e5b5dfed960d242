//! A pristine file system of the default size, kept in the binary as its non-zero bytes.
//!
//! Writing it takes 0.1 ms instead of the 3 ms of `mke2fs`. `examples/make_template.rs` makes it with the very options
//! that [`super::run_mke2fs`] gives to `mke2fs` for other sizes, so both kinds of image have the same features.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Runs of bytes: offset (u32), length (u16), both little-endian, then the bytes.
const RUNS: &[u8] = include_bytes!("template.bin");

/// Writes the file system into `file`, which must be all holes and of the default size. Its runs lie close together, so
/// one write with the zeros between them is cheaper than a write for each.
pub(in crate::image) fn write(file: &File) -> io::Result<()> {
    let mut rest = RUNS;
    let mut bytes = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<6>() {
        let [o0, o1, o2, o3, l0, l1] = *head;
        let offset = usize::try_from(u32::from_le_bytes([o0, o1, o2, o3])).map_err(io::Error::other)?;
        let length = usize::from(u16::from_le_bytes([l0, l1]));
        let (run, next) = tail.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.resize(offset, 0);
        bytes.extend_from_slice(run);
        rest = next;
    }
    file.write_all_at(&bytes, 0)
}

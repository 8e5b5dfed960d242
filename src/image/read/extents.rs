//! Trees of extents: which blocks of an image a file or directory has.
//!
//! Layout: kernel documentation, "ext4 Data Structures and Algorithms".

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::error::{Error, ErrorKind, Result};
use crate::image::superblock::{field16, field32};

const EXTENT_MAGIC: u16 = 0xF30A;
/// The bytes of a tree's root, which lies in the inode.
const ROOT: usize = 60;
/// The bytes of an entry of a tree; the header of a node has as many.
const ENTRY: usize = 12;
/// The deepest tree that the kernel makes.
const MAX_DEPTH: u16 = 5;
/// Lengths above this one mean that the blocks are preallocated.
pub(super) const MAX_WRITTEN: u16 = 32_768;

/// That an image is not for the user-space reader.
pub(super) fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the user-space reader cannot read this image: {what}"))
}

pub(super) fn unreadable(error: io::Error) -> Error {
    wrong("it cannot be read").caused_by(error)
}

/// Fills `bytes` from the place `at` on.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the image ends before.
pub(super) fn read(file: &File, at: u64, bytes: &mut [u8]) -> Result<()> {
    // A file offset is signed.
    if i64::try_from(at).is_err() {
        return Err(wrong("something lies outside of it"));
    }
    file.read_exact_at(bytes, at).map_err(unreadable)
}

/// A run of blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// The first one's number in the file.
    pub(super) start: u64,
    /// How many there are; more than [`MAX_WRITTEN`] if they are preallocated.
    pub(super) length: u16,
    /// The first one's number in the image.
    pub(super) block: u64,
}

/// Walks through trees of extents, and ends: no more nodes are read than there are blocks.
pub(super) struct Extents<'f> {
    pub(super) file: &'f File,
    blocks: u64,
    block_size: u64,
    nodes: u64,
}

impl<'f> Extents<'f> {
    /// Those of an image of `length` bytes.
    pub(super) fn new(file: &'f File, length: u64, block_size: u64) -> Self {
        Self { file, blocks: length / block_size, block_size, nodes: 0 }
    }

    /// Calls `each` with every extent of an inode.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when the tree is damaged, and those of `each`.
    pub(super) fn each(&mut self, inode: &[u8], each: &mut dyn FnMut(Extent) -> Result<()>) -> Result<()> {
        let root = inode.get(0x28..0x28 + ROOT).unwrap_or_default();
        self.node(root, MAX_DEPTH.saturating_add(1), each)
    }

    /// A node whose depth is below `limit`.
    fn node(&mut self, node: &[u8], limit: u16, each: &mut dyn FnMut(Extent) -> Result<()>) -> Result<()> {
        let (count, depth) = (field16(node, 2), field16(node, 6));
        let entries = node.chunks_exact(ENTRY).skip(1).take(count.into());
        if field16(node, 0) != EXTENT_MAGIC || depth >= limit || entries.len() < usize::from(count) {
            return Err(wrong("a tree of extents is damaged"));
        }
        for entry in entries {
            if depth > 0 {
                let block = u64::from(field16(entry, 8)) << 32 | u64::from(field32(entry, 4));
                self.child(block, depth, each)?;
                continue;
            }
            each(Extent {
                start: field32(entry, 0).into(),
                length: field16(entry, 4),
                block: u64::from(field16(entry, 6)) << 32 | u64::from(field32(entry, 8)),
            })?;
        }
        Ok(())
    }

    fn child(&mut self, block: u64, depth: u16, each: &mut dyn FnMut(Extent) -> Result<()>) -> Result<()> {
        self.nodes += 1;
        if self.nodes > self.blocks {
            return Err(wrong("its trees of extents do not end"));
        }
        let mut node = vec![0; usize::try_from(self.block_size).unwrap_or_default()];
        read(self.file, block.saturating_mul(self.block_size), &mut node)?;
        self.node(&node, depth, each)
    }
}

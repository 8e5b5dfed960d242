//! The inode numbers behind the names in a directory, which the user-space reader's library does not give: without
//! them, every name of a file that has many would be looked at.
//!
//! Layout: kernel documentation, "ext4 Data Structures and Algorithms", "Linear (Classic) Directories". The blocks of an
//! indexed directory that hold its index look like entries that are not used.

use std::fs::File;

use crate::error::Result;
use crate::image::read::extents::{Extents, read, wrong};
use crate::image::read::layout::{Tables, is_directory, size};
use crate::image::superblock::{field16, field32};

/// The inode number of the root directory.
pub(super) const ROOT_INODE: u64 = 2;
/// The bytes of an entry in front of its name.
const HEADER: usize = 8;

/// The entries of one directory, in their order in the image.
#[derive(Debug)]
pub(super) struct Entries<'i> {
    image: &'i File,
    block_size: u64,
    /// The numbers of the blocks that were not read yet, the next one last.
    blocks: Vec<u64>,
    block: Vec<u8>,
    at: usize,
}

/// An entry: the number of the inode, and the name.
type Entry = (u64, Vec<u8>);

impl<'i> Entries<'i> {
    /// The entries of the directory with the inode `number`.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Corrupt`] when it is not a directory, or damaged.
    pub(super) fn new(image: &'i File, tables: &Tables, number: u64) -> Result<Self> {
        let inode = tables.inode(image, number)?;
        let length = size(&inode);
        if !is_directory(&inode) || length > tables.length {
            return Err(wrong("a directory has no extents"));
        }
        let count = usize::try_from(length.div_ceil(tables.block_size)).unwrap_or_default();
        // Block 0 holds no directory.
        let mut blocks = vec![0; count];
        Extents::new(image, tables.length, tables.block_size).each(&inode, &mut |extent| {
            let start = usize::try_from(extent.start).unwrap_or(usize::MAX).min(count);
            let places = blocks.iter_mut().skip(start).take(extent.length.into());
            for (place, block) in places.zip(extent.block..) {
                *place = block;
            }
            Ok(())
        })?;
        if blocks.contains(&0) {
            return Err(wrong("a directory has a hole"));
        }
        blocks.reverse();
        Ok(Self { image, block_size: tables.block_size, blocks, block: Vec::new(), at: 0 })
    }

    /// The next entry that is in use.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Corrupt`] when the directory is damaged.
    pub(super) fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            if self.at >= self.block.len() && !self.load()? {
                return Ok(None);
            }
            let entry = self.block.get(self.at..).unwrap_or_default();
            let (inode, length) = (field32(entry, 0), usize::from(field16(entry, 4)));
            if length < HEADER {
                return Err(wrong("an entry of a directory is too short"));
            }
            let name = HEADER..HEADER + usize::from(entry.get(6).copied().unwrap_or_default());
            let found = entry.get(name).map(<[u8]>::to_vec);
            self.at = self.at.saturating_add(length);
            if inode != 0 {
                let name = found.ok_or_else(|| wrong("a name is longer than its block"))?;
                return Ok(Some((inode.into(), name)));
            }
        }
    }

    /// Reads the next block, if there is one.
    fn load(&mut self) -> Result<bool> {
        let Some(block) = self.blocks.pop() else { return Ok(false) };
        self.block.resize(usize::try_from(self.block_size).unwrap_or_default(), 0);
        self.at = 0;
        read(self.image, block.saturating_mul(self.block_size), &mut self.block)?;
        Ok(true)
    }
}

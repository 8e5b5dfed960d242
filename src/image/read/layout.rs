//! A look at the inodes of an image before the user-space reader gets it: that reader takes preallocated blocks for
//! written ones, so that stale bytes would come out as a dump, and it follows whatever it finds for as long as it goes.
//!
//! Layout: kernel documentation, "ext4 Data Structures and Algorithms".

use std::fs::File;

use crate::error::Result;
use crate::image::read::extents::{Extents, MAX_WRITTEN, read, unreadable, wrong};
use crate::image::superblock::{field16, field32};
use crate::image::token::OFFSET;

/// `s_feature_incompat`: descriptors have `s_desc_size` bytes.
const INCOMPAT_64BIT: u32 = 0x80;
/// `i_flags`: the inode has a tree of extents instead of a map of blocks.
const EXTENTS: u32 = 0x8_0000;
/// The longest symbolic link, in bytes.
const MAX_LINK: u64 = 4096;
const KIND: u16 = 0xF000;
const DIRECTORY: u16 = 0x4000;
const FILE: u16 = 0x8000;
const LINK: u16 = 0xA000;

/// Checks that the user-space reader reads the image in `file` as the kernel does, and ends.
///
/// # Errors
/// [`ErrorKind::Corrupt`] with the reason why it would not.
pub(super) fn check(file: &File) -> Result<Tables> {
    let length = file.metadata().map_err(unreadable)?.len();
    let mut superblock = [0; 1024];
    read(file, OFFSET, &mut superblock)?;
    let tables = Tables::new(&superblock, length)?;
    let mut extents = Extents::new(file, tables.length, tables.block_size);
    for group in 0..tables.groups {
        check_group(&mut extents, &tables, group)?;
    }
    Ok(tables)
}

/// Where the inodes are.
#[derive(Debug)]
pub(super) struct Tables {
    /// The length of the image in bytes.
    pub(super) length: u64,
    pub(super) block_size: u64,
    groups: u64,
    /// Where the descriptors of the groups begin, and how long each is.
    descriptors: u64,
    descriptor_size: u16,
    /// How many inodes a group has, and how long each is.
    inodes: u32,
    inode_size: u16,
}

impl Tables {
    fn new(superblock: &[u8], length: u64) -> Result<Self> {
        let is_wide = field32(superblock, 0x60) & INCOMPAT_64BIT != 0;
        let block_size = match field32(superblock, 0x18) {
            log @ 0..=6 => 1024 << log,
            _ => return Err(wrong("its blocks are too large")),
        };
        // The reader takes the upper half whether or not the file system is said to have one.
        let blocks = u64::from(field32(superblock, 0x150)) << 32 | u64::from(field32(superblock, 0x4));
        let data = blocks.saturating_sub(field32(superblock, 0x14).into());
        let per_group = u64::from(field32(superblock, 0x20)).max(1);
        let tables = Self {
            length,
            block_size,
            groups: data.div_ceil(per_group),
            descriptors: (OFFSET / block_size + 1).saturating_mul(block_size),
            descriptor_size: if is_wide { field16(superblock, 0xFE).max(64) } else { 32 },
            inodes: field32(superblock, 0x28),
            inode_size: field16(superblock, 0x58).max(128),
        };
        let fits = |count: u64, size: u64| count.checked_mul(size).is_some_and(|all| all <= length);
        if fits(tables.groups, tables.descriptor_size.into())
            && fits(tables.count(), tables.inode_size.into())
        {
            Ok(tables)
        } else {
            Err(wrong("its tables are larger than itself"))
        }
    }

    /// How many inodes there are. They are numbered from 1 on.
    pub(super) fn count(&self) -> u64 {
        self.groups.saturating_mul(self.inodes.into())
    }

    /// Where the inodes of a group begin.
    fn group(&self, file: &File, number: u64) -> Result<u64> {
        let mut descriptor = [0; 64];
        let size = usize::from(self.descriptor_size).min(descriptor.len());
        let at = self.descriptors.saturating_add(number.saturating_mul(self.descriptor_size.into()));
        read(file, at, descriptor.get_mut(..size).unwrap_or_default())?;
        let table = u64::from(field32(&descriptor, 0x28)) << 32 | u64::from(field32(&descriptor, 0x8));
        Ok(table.saturating_mul(self.block_size))
    }

    /// The bytes of the inode `number`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when there is none.
    pub(super) fn inode(&self, file: &File, number: u64) -> Result<Vec<u8>> {
        let index = number.checked_sub(1).filter(|_| number <= self.count());
        let index = index.ok_or_else(|| wrong("an entry of a directory leads nowhere"))?;
        let (group, index) = (index / u64::from(self.inodes), index % u64::from(self.inodes));
        let mut inode = vec![0; self.inode_size.into()];
        read(file, self.group(file, group)?.saturating_add(index * u64::from(self.inode_size)), &mut inode)?;
        Ok(inode)
    }
}

fn check_group(extents: &mut Extents<'_>, tables: &Tables, number: u64) -> Result<()> {
    let mut at = tables.group(extents.file, number)?;
    let size = usize::from(tables.inode_size);
    let mut left = usize::try_from(tables.inodes).unwrap_or(usize::MAX).saturating_mul(size);
    let mut piece = vec![0; (64 << 10) / size * size];
    while left > 0 {
        let count = left.min(piece.len());
        let inodes = piece.get_mut(..count).unwrap_or_default();
        read(extents.file, at, inodes)?;
        for inode in inodes.chunks(size) {
            check_inode(extents, tables, inode)?;
        }
        at = at.saturating_add(count.try_into().unwrap_or(u64::MAX));
        left -= count;
    }
    Ok(())
}

fn check_inode(extents: &mut Extents<'_>, tables: &Tables, inode: &[u8]) -> Result<()> {
    let size = size(inode);
    match kind(inode) {
        // Reading them takes as long as they claim to be.
        DIRECTORY if size > tables.length => return Err(wrong("a directory is larger than it")),
        LINK if size > MAX_LINK => return Err(wrong("a symbolic link is too long")),
        DIRECTORY | FILE | LINK if has_extents(inode) => {}
        _ => return Ok(()),
    }
    extents.each(inode, &mut |extent| match extent.length {
        0 => Err(wrong("an extent is empty")),
        // Beyond the end of the file nothing is read.
        1..=MAX_WRITTEN => Ok(()),
        _ if extent.start.saturating_mul(tables.block_size) >= size => Ok(()),
        _ => Err(wrong("a file has preallocated blocks")),
    })
}

/// The length of an inode's file in bytes.
pub(super) fn size(inode: &[u8]) -> u64 {
    u64::from(field32(inode, 0x6C)) << 32 | u64::from(field32(inode, 0x4))
}

fn kind(inode: &[u8]) -> u16 {
    field16(inode, 0x0) & KIND
}

fn has_extents(inode: &[u8]) -> bool {
    field32(inode, 0x20) & EXTENTS != 0
}

/// Whether an inode is a directory whose blocks are found through a tree of extents.
pub(super) fn is_directory(inode: &[u8]) -> bool {
    kind(inode) == DIRECTORY && has_extents(inode)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::error::ErrorKind;
    use crate::image::create::template;
    use crate::settings::DEFAULT_IMGSIZE;

    /// Where the first inode lies in the template: its descriptor is in the third block of 1024 bytes.
    fn inodes(file: &File) -> u64 {
        let mut number = [0; 4];
        file.read_exact_at(&mut number, 2048 + 0x8).unwrap();
        u64::from(u32::from_le_bytes(number)) * 1024
    }

    fn image() -> File {
        let name = format!("layout-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.set_len(DEFAULT_IMGSIZE).unwrap();
        template::write(&file).unwrap();
        file
    }

    /// The verdict on a file system of ours, with other bytes in its superblock or in the inode of its root directory.
    fn checked(is_root: bool, pieces: &[(u64, Vec<u8>)]) -> Result<Tables> {
        let file = image();
        let base = if is_root { inodes(&file) + 256 } else { OFFSET };
        for (at, bytes) in pieces {
            file.write_all_at(bytes, base + at).unwrap();
        }
        check(&file)
    }

    #[test]
    fn images_that_the_reader_would_misread_are_named() {
        let (block, extent) = (0x28_u64, 0x28 + 12);
        type Case = (bool, Vec<(u64, Vec<u8>)>, &'static str);
        let cases: [Case; 9] = [
            (false, vec![(0x150, 1_u32.to_le_bytes().to_vec())], "its tables are larger than itself"),
            (false, vec![(0x20, 1_u32.to_le_bytes().to_vec())], "its tables are larger than itself"),
            (false, vec![(0x18, 7_u32.to_le_bytes().to_vec())], "its blocks are too large"),
            (false, vec![(0x28, u32::MAX.to_le_bytes().to_vec())], "its tables are larger than itself"),
            (true, vec![(0x6C, 1_u32.to_le_bytes().to_vec())], "a directory is larger than it"),
            (
                true,
                vec![(0, 0xA1FF_u16.to_le_bytes().to_vec()), (4, vec![0, 0x20])],
                "a symbolic link is too long",
            ),
            (true, vec![(extent + 4, 32_769_u16.to_le_bytes().to_vec())], "a file has preallocated blocks"),
            (true, vec![(extent + 4, vec![0, 0])], "an extent is empty"),
            (true, vec![(block + 6, vec![6, 0])], "a tree of extents is damaged"),
        ];
        assert!(checked(true, &[]).is_ok());
        for (is_root, pieces, reason) in cases {
            let error = checked(is_root, &pieces).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.report().contains(reason), "{reason}: {}", error.report());
        }
    }

    /// Five levels whose nodes all have the same children: without a bound, 84 to the power of 4 nodes.
    #[test]
    fn trees_that_share_their_nodes_end() {
        let node = |depth: u16, child: u32, count: u16| {
            let mut node = [0xF30A_u16, count, count, depth, 0, 0].map(u16::to_le_bytes).concat();
            for _ in 0..count {
                let leaf = [0, 0, 1, 0, 0, 0].map(u16::to_le_bytes).concat();
                let inner = [[0; 4], child.to_le_bytes(), [0; 4]].concat();
                node.extend(if depth == 0 { leaf } else { inner });
            }
            node
        };
        let mut pieces = vec![(0x28, node(5, 5000, 4))];
        // Blocks, not fields of the inode.
        let base = inodes(&image()) + 256;
        for (n, depth) in (0..5_u16).rev().enumerate() {
            let number = 5000 + u32::try_from(n).unwrap();
            pieces.push((u64::from(number) * 1024 - base, node(depth, number + 1, 84)));
        }
        let error = checked(true, &pieces).unwrap_err();
        assert!(error.report().contains("its trees of extents do not end"), "{}", error.report());
    }
}

//! Space that belongs to a file and was never written to: set aside by fallocate(2), or by the kernel for data that a
//! power cut kept from coming. It reads as zeros, but the user-space reader (ext4-view 1.0) takes its length for
//! another one and gives whatever lies on the disk. So it must be known before that reader is trusted (ext4 kernel
//! documentation, "Dynamic Structures", `ee_len`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::image::superblock::{OFFSET, field16, field32};

/// `s_feature_incompat`: group descriptors have a length of their own.
const INCOMPAT_64BIT: u32 = 0x80;
/// `bg_flags`: the inode table of the group was never written.
const INODE_UNINIT: u16 = 1;
/// `i_flags`: the blocks are given by extents.
const EXTENTS: u32 = 0x8_0000;
/// `i_mode`: what kind of file it is, and a regular one.
const KIND: u16 = 0xF000;
const REGULAR: u16 = 0x8000;
/// The inodes below are the file system's own.
const FIRST_INODE: u64 = 11;
const EXTENT_MAGIC: u16 = 0xF30A;
const ENTRY: usize = 12;
/// The longest extent with data; what is longer is that much longer than its unwritten space.
const MAX_WRITTEN: u16 = 0x8000;
/// The deepest tree of extents.
const MAX_DEPTH: u16 = 5;
/// How many inodes and how many nodes of extent trees are looked at.
const MAX_INODES: u64 = 1 << 20;
const MAX_NODES: u32 = 1 << 16;

/// A file system whose superblock makes sense: the user-space reader has opened it.
struct Layout<'a> {
    file: &'a File,
    block_size: u64,
    inodes: u64,
    inodes_per_group: u64,
    inode_size: u64,
    descriptors: u64,
    descriptor_size: u64,
}

/// Whether a regular file in the ext4 file system `file` has unwritten space, or may have it: with more inodes or
/// extents than are looked at, the answer is yes.
///
/// # Errors
/// The kernel's, also when the file system points behind its end.
pub fn has_unwritten(file: &File) -> io::Result<bool> {
    let layout = Layout::read(file)?;
    if layout.inodes > MAX_INODES || layout.inodes_per_group == 0 || layout.inode_size < 128 {
        return Ok(true);
    }
    let mut nodes = MAX_NODES;
    for group in 0..layout.inodes.div_ceil(layout.inodes_per_group) {
        for inode in
            layout.table(group)?.chunks_exact(usize::try_from(layout.inode_size).unwrap_or(usize::MAX))
        {
            if is_extent_file(inode)
                && layout.is_unwritten(inode.get(0x28..0x64).unwrap_or_default(), MAX_DEPTH, &mut nodes)?
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether an inode is that of a file with extents and with a name.
fn is_extent_file(inode: &[u8]) -> bool {
    field16(inode, 0) & KIND == REGULAR && field16(inode, 0x1A) > 0 && field32(inode, 0x20) & EXTENTS != 0
}

impl<'a> Layout<'a> {
    fn read(file: &'a File) -> io::Result<Self> {
        let mut block = [0; 512];
        file.read_exact_at(&mut block, OFFSET)?;
        let block_size = 1024_u64 << field32(&block, 0x18).min(6);
        let is_64bit = field32(&block, 0x60) & INCOMPAT_64BIT != 0;
        Ok(Self {
            file,
            block_size,
            inodes: field32(&block, 0).into(),
            inodes_per_group: field32(&block, 0x28).into(),
            inode_size: field16(&block, 0x58).into(),
            descriptors: (OFFSET / block_size + 1) * block_size,
            descriptor_size: if is_64bit { field16(&block, 0xFE).into() } else { 32 },
        })
    }

    /// The inodes of a group that were ever used, without the file system's own.
    fn table(&self, group: u64) -> io::Result<Vec<u8>> {
        let mut descriptor = [0; 64];
        let size = usize::try_from(self.descriptor_size).unwrap_or(64).min(64);
        let part = descriptor.get_mut(..size).unwrap_or_default();
        self.file.read_exact_at(part, self.descriptors + group * self.descriptor_size)?;
        if field16(&descriptor, 0x12) & INODE_UNINIT != 0 {
            return Ok(Vec::new());
        }
        let unused = u64::from(field16(&descriptor, 0x1C)) | u64::from(field16(&descriptor, 0x32)) << 16;
        let used = self.inodes_per_group.saturating_sub(unused).min(self.inodes);
        let first = if group == 0 { FIRST_INODE - 1 } else { 0 };
        let start = u64::from(field32(&descriptor, 8)) | u64::from(field32(&descriptor, 0x28)) << 32;
        let length = used.saturating_sub(first) * self.inode_size;
        self.read_at(start, first * self.inode_size, length)
    }

    /// Whether there is unwritten space in a node of an extent tree or below it.
    fn is_unwritten(&self, node: &[u8], depth_left: u16, nodes: &mut u32) -> io::Result<bool> {
        let depth = field16(node, 6);
        *nodes = nodes.saturating_sub(1);
        if field16(node, 0) != EXTENT_MAGIC || depth > depth_left || *nodes == 0 {
            return Ok(true);
        }
        for entry in node.chunks_exact(ENTRY).skip(1).take(field16(node, 2).into()) {
            if depth == 0 {
                if field16(entry, 4) > MAX_WRITTEN {
                    return Ok(true);
                }
                continue;
            }
            let child = u64::from(field32(entry, 4)) | u64::from(field16(entry, 8)) << 32;
            let child = self.read_at(child, 0, self.block_size)?;
            if self.is_unwritten(&child, depth - 1, nodes)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `length` bytes, `skip` bytes behind the beginning of a block. What cannot be in the file is not allocated.
    fn read_at(&self, block: u64, skip: u64, length: u64) -> io::Result<Vec<u8>> {
        let at = block.checked_mul(self.block_size).and_then(|at| at.checked_add(skip));
        let end = at.and_then(|at| at.checked_add(length));
        let (Some(at), Some(end)) = (at, end) else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        if end > self.file.metadata()?.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

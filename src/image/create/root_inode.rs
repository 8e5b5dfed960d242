//! Who owns the root directory of a new image, and who may write there.
//!
//! It is written into the image before the mount (ext4(5), kernel documentation "Index Nodes"). Changed by the mounted
//! file system, it would be a transaction: flushes of the disk at every start and end of a container.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crc::{CRC_32_ISCSI, Crc};

use crate::image::superblock::{field16, field32};
use crate::image::token;

/// The mode of the root directory: every user of the container can write, and can remove only its own files.
pub const MODE: u16 = 0o1777;

/// `i_mode`: a directory.
const DIRECTORY: u16 = 0x4000;
/// The root directory is inode 2, the second of the first group.
const NUMBER: u32 = 2;
/// Where the fields lie in an inode, in bytes.
const MODE_AT: usize = 0x00;
const UID_LOW: usize = 0x02;
const GID_LOW: usize = 0x18;
const GENERATION: usize = 0x64;
const UID_HIGH: usize = 0x78;
const GID_HIGH: usize = 0x7A;
const CHECKSUM_LOW: usize = 0x7C;
const CHECKSUM_HIGH: usize = 0x82;
/// The bytes of an inode in our images; the checksum's upper half lies behind the first 128.
const SIZE: usize = 256;

/// Gives the root directory of a file system that is not in use yet to `uid` and `gid`, with the mode [`MODE`].
///
/// # Errors
/// The kernel's; [`io::ErrorKind::InvalidData`] when the file system is not laid out as `create` has it.
pub fn write(image: &File, (uid, gid): (u32, u32)) -> io::Result<()> {
    let mut superblock = [0; 256];
    image.read_exact_at(&mut superblock, token::OFFSET)?;
    let block_size = 1024_u64.checked_shl(field32(&superblock, 0x18)).filter(|size| *size <= 4096);
    let (Some(block_size), SIZE) = (block_size, usize::from(field16(&superblock, 0x58))) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    // The descriptors of the groups begin in the block behind the superblock's.
    let descriptors = (token::OFFSET / block_size + 1) * block_size;
    let mut descriptor = [0; 32];
    image.read_exact_at(&mut descriptor, descriptors)?;
    let at = u64::from(field32(&descriptor, 0x08)) * block_size + SIZE as u64;
    let mut inode = [0; SIZE];
    image.read_exact_at(&mut inode, at)?;
    if field16(&inode, MODE_AT) & 0xF000 != DIRECTORY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let [uid, gid] = [uid, gid].map(u32::to_le_bytes);
    put(&mut inode, MODE_AT, (DIRECTORY | MODE).to_le_bytes());
    put(&mut inode, UID_LOW, [uid[0], uid[1]]);
    put(&mut inode, UID_HIGH, [uid[2], uid[3]]);
    put(&mut inode, GID_LOW, [gid[0], gid[1]]);
    put(&mut inode, GID_HIGH, [gid[2], gid[3]]);
    let [low0, low1, high0, high1] = checksum(&superblock, &mut inode).to_le_bytes();
    put(&mut inode, CHECKSUM_LOW, [low0, low1]);
    put(&mut inode, CHECKSUM_HIGH, [high0, high1]);
    image.write_all_at(&inode, at)
}

/// The checksum of the root's inode: over the file system's UUID, the inode's number and generation, and the inode with
/// no checksum in it.
fn checksum(superblock: &[u8; 256], inode: &mut [u8; SIZE]) -> u32 {
    put(inode, CHECKSUM_LOW, [0; 2]);
    put(inode, CHECKSUM_HIGH, [0; 2]);
    let crc = Crc::<u32>::new(&CRC_32_ISCSI);
    let mut digest = crc.digest();
    digest.update(superblock.get(0x68..0x78).unwrap_or_default());
    digest.update(&NUMBER.to_le_bytes());
    digest.update(inode.get(GENERATION..GENERATION + 4).unwrap_or_default());
    digest.update(inode);
    // ext4 leaves out the last step of the algorithm, which inverts every bit.
    !digest.finalize()
}

fn put<const N: usize>(inode: &mut [u8; SIZE], at: usize, bytes: [u8; N]) {
    inode.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = from);
}

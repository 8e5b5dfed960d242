//! The few fields of an ext4 superblock that decide how an image is treated (ext4(5), kernel documentation "Super
//! Block"). Everything in it was written by the kernel on behalf of a container: read, never believed blindly.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::image::mark::Mark;
use crate::image::token::{OFFSET, SEED, Token};

/// The volume label by which an image is known to be ours.
pub const LABEL: &str = "oci-minidump";

const MAGIC: u16 = 0xEF53;
/// `s_state`: cleanly unmounted, no errors seen.
const STATE_CLEAN: u16 = 1;
/// `s_state`: the kernel has seen errors.
const STATE_ERRORS: u16 = 2;
/// `s_feature_compat`: there is a journal.
const COMPAT_HAS_JOURNAL: u32 = 4;
/// `s_feature_incompat`: the journal must be replayed.
const INCOMPAT_RECOVER: u32 = 4;

/// How an image looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// An ext4 file system (or its ancestors ext2 and ext3).
    Ext4 {
        /// Whether its label says that we made it.
        ours: bool,
        /// Whether it was in use when the power went, or the kernel found errors in it.
        dirty: bool,
        /// Whether the kernel has seen errors in it, or could not write to it.
        errors: bool,
        /// What tells it from every other image.
        token: Option<Token>,
        /// Whether it has a journal; the smallest images have no room for one.
        journal: bool,
    },
    /// Every byte is zero, or there is none.
    Blank {
        /// Whether its mark says that we made it, so that a creation was interrupted. Nothing else can say so.
        ours: bool,
    },
    /// Something else.
    Unknown,
}

impl Condition {
    /// Whether we made it.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Ext4 { ours: true, .. } | Self::Blank { ours: true })
    }
}

/// Looks at the superblock in `file`.
///
/// # Errors
/// The kernel's, when the file cannot be read.
pub fn inspect(file: &File) -> io::Result<Condition> {
    let mut block = [0; 256];
    match file.read_exact_at(&mut block, OFFSET) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return without_superblock(file);
        }
        other => other?,
    }
    if field16(&block, 0x38) != MAGIC {
        return without_superblock(file);
    }
    let state = field16(&block, 0x3A);
    let dirty = state != STATE_CLEAN || field32(&block, 0x60) & INCOMPAT_RECOVER != 0;
    let errors = state & STATE_ERRORS != 0;
    let token = block.get(SEED..).and_then(|rest| rest.first_chunk()).copied().and_then(Token::from_seed);
    let journal = field32(&block, 0x5C) & COMPAT_HAS_JOURNAL != 0;
    Ok(Condition::Ext4 { ours: label(&block) == LABEL.as_bytes(), dirty, errors, token, journal })
}

fn without_superblock(file: &File) -> io::Result<Condition> {
    let ours = || Mark::read(file).container.is_some();
    Ok(if is_blank(file)? { Condition::Blank { ours: ours() } } else { Condition::Unknown })
}

/// The little-endian number at `at`, 0 when there is none.
pub(super) fn field16(block: &[u8], at: usize) -> u16 {
    block.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// The little-endian number at `at`, 0 when there is none.
pub(super) fn field32(block: &[u8], at: usize) -> u32 {
    block.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn label(block: &[u8; 256]) -> &[u8] {
    let field = block.get(0x78..0x88).unwrap_or_default();
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Whether a file holds nothing but zeros; holes are not read.
fn is_blank(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let mut chunk = vec![0; 64 << 10];
    let mut at = 0;
    while at < length {
        at = match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => return Ok(true),
            // A file system that does not know its holes: read on.
            Err(_) => at,
        };
        let count = file.read_at(&mut chunk, at)?;
        if chunk.iter().take(count).any(|byte| *byte != 0) {
            return Ok(false);
        }
        if count == 0 {
            break;
        }
        at = at.saturating_add(count.try_into().unwrap_or(u64::MAX));
    }
    Ok(true)
}

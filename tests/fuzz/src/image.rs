//! Images for the target `image`: a whole file system, damaged in ways that reach far into the reader. Noise alone would
//! hardly get past the superblock.

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{self, Arbitrary};

/// The templates of `build.rs`.
static TEMPLATES: LazyLock<[Image; 3]> = LazyLock::new(|| {
    [
        Image::new(include_bytes!(concat!(env!("OUT_DIR"), "/ours.img"))),
        Image::new(include_bytes!(concat!(env!("OUT_DIR"), "/map.img"))),
        Image::new(include_bytes!(concat!(env!("OUT_DIR"), "/wide.img"))),
    ]
});

const SUPERBLOCK: usize = 1024;
const INODE_SIZE: usize = 256;
const INODES: usize = 64;
/// `s_feature_ro_compat`, and its bit that says that everything has a checksum.
const RO_COMPAT: usize = SUPERBLOCK + 0x64;
const METADATA_CSUM: u32 = 0x400;

/// What an input says about the image.
#[derive(Arbitrary, Debug)]
pub struct Recipe {
    template: u8,
    /// Whether checksums are left on: then the reader finds most damage at once.
    checksums: bool,
    changes: Vec<Change>,
    /// The image ends after this many of its bytes, in 65,536ths, when it is cut.
    cut: Option<u16>,
}

/// One change of the image. Every offset and number is taken modulo what there is.
#[derive(Arbitrary, Debug)]
enum Change {
    /// A field of the superblock.
    Superblock { offset: u16, value: Piece },
    /// A field of a group's descriptor.
    Descriptor { offset: u8, value: Piece },
    /// A field of an inode.
    Inode { number: u8, offset: u8, value: Piece },
    /// The block pointers or extents in an inode.
    Pointers { number: u8, offset: u8, value: Piece },
    /// Bytes of a block that holds something: a directory, an index, a node of extents, a dump.
    Block { number: u16, offset: u16, value: Piece },
    /// An inode in place of another one.
    CopyInode { from: u8, to: u8 },
    /// A block in place of another one.
    CopyBlock { from: u16, to: u16 },
    /// The length of an inode's file.
    Length { number: u8, length: u64 },
}

#[derive(Arbitrary, Debug)]
enum Piece {
    Byte(u8),
    Half(u16),
    Word(u32),
    Long(u64),
    /// The number of a block that holds something.
    BlockNumber(u16),
    /// The number of an inode.
    InodeNumber(u8),
    /// The name of a dump: any bytes, and the ending.
    Name([u8; 8]),
}

#[derive(Clone)]
struct Image {
    bytes: Vec<u8>,
    block_size: usize,
    /// Where the table of inodes begins.
    inodes: usize,
    /// The numbers of the blocks that are not all zeros.
    used: Vec<usize>,
}

impl Recipe {
    /// The image as the recipe says.
    pub fn cook(&self) -> Vec<u8> {
        let mut image = TEMPLATES[usize::from(self.template) % TEMPLATES.len()].clone();
        if !self.checksums {
            let features = image.u32(RO_COMPAT) & !METADATA_CSUM;
            image.put(RO_COMPAT, &features.to_le_bytes());
        }
        for change in self.changes.iter().take(64) {
            image.change(change);
        }
        if let Some(cut) = self.cut {
            let length = image.bytes.len() * usize::from(cut) / 65_536;
            image.bytes.truncate(length);
        }
        image.bytes
    }
}

impl Image {
    fn new(template: &[u8]) -> Self {
        let mut image = Self { bytes: template.to_vec(), block_size: 0, inodes: 0, used: Vec::new() };
        image.block_size = 1024 << image.u32(SUPERBLOCK + 0x18);
        let table = image.u32(image.descriptors() + 0x8);
        image.inodes = usize::try_from(table).expect("a small number") * image.block_size;
        let blocks = template.chunks(image.block_size).enumerate();
        image.used =
            blocks.filter(|(_, block)| block.iter().any(|byte| *byte != 0)).map(|(n, _)| n).collect();
        image
    }

    /// The group descriptors lie in the block behind the superblock.
    fn descriptors(&self) -> usize {
        (SUPERBLOCK / self.block_size + 1) * self.block_size
    }

    fn inode(&self, number: u8) -> usize {
        self.inodes + usize::from(number) % INODES * INODE_SIZE
    }

    fn block(&self, number: u16) -> usize {
        self.used[usize::from(number) % self.used.len()] * self.block_size
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"))
    }

    /// Writes `bytes` at `at`; what would lie behind the end is left out.
    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }

    fn copy(&mut self, from: usize, to: usize, length: usize) {
        let piece = self.bytes[from..].iter().take(length).copied().collect::<Vec<u8>>();
        self.put(to, &piece);
    }

    fn bytes_of(&self, piece: &Piece) -> Vec<u8> {
        match piece {
            Piece::Byte(value) => vec![*value],
            Piece::Half(value) => value.to_le_bytes().to_vec(),
            Piece::Word(value) => value.to_le_bytes().to_vec(),
            Piece::Long(value) => value.to_le_bytes().to_vec(),
            Piece::BlockNumber(number) => u32::try_from(self.block(*number) / self.block_size)
                .expect("a small number")
                .to_le_bytes()
                .to_vec(),
            Piece::InodeNumber(number) => (u32::from(*number) % 64 + 1).to_le_bytes().to_vec(),
            Piece::Name(stem) => stem.iter().copied().chain(*b".dmp").collect(),
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Superblock { offset, value } => {
                self.put(SUPERBLOCK + usize::from(*offset) % 1024, &self.bytes_of(value));
            }
            Change::Descriptor { offset, value } => {
                self.put(self.descriptors() + usize::from(*offset), &self.bytes_of(value));
            }
            Change::Inode { number, offset, value } => {
                self.put(self.inode(*number) + usize::from(*offset), &self.bytes_of(value));
            }
            Change::Pointers { number, offset, value } => {
                self.put(self.inode(*number) + 0x28 + usize::from(*offset) % 60, &self.bytes_of(value));
            }
            Change::Block { number, offset, value } => {
                let at = self.block(*number) + usize::from(*offset) % self.block_size;
                self.put(at, &self.bytes_of(value));
            }
            Change::CopyInode { from, to } => self.copy(self.inode(*from), self.inode(*to), INODE_SIZE),
            Change::CopyBlock { from, to } => self.copy(self.block(*from), self.block(*to), self.block_size),
            Change::Length { number, length } => {
                let (inode, length) = (self.inode(*number), length.to_le_bytes());
                self.put(inode + 0x4, &length[..4]);
                self.put(inode + 0x6c, &length[4..]);
            }
        }
    }
}

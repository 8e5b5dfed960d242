//! The random value that tells an image from every other.
//!
//! It lies in the superblock, in the field that seeds the hashes of directory names (`s_hash_seed`): every ext4 file system
//! has one, the kernel and e2fsck keep it, it goes wherever the file goes, and the file system that the image lies on needs
//! no extended attributes for it.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crc::{CRC_32_ISCSI, Crc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Tried};

/// Where the superblock begins in an image, in bytes.
pub(super) const OFFSET: u64 = 1024;
/// The bytes of a superblock.
const SIZE: usize = 1024;
/// Where the token lies in the superblock, in bytes.
pub(super) const SEED: usize = 0xEC;
/// Where the superblock's checksum lies in it, in bytes; it covers everything before.
const CHECKSUM: usize = 0x3FC;
/// The seed of all images that version 0.1 made, which tells none from another.
const FORMER_SEED: u128 = 0x6f63_692d_6d69_4e69_8475_6d70_0000_0002;

/// 16 random bytes that an image keeps from its making to its end; shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(u128);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// The kernel's, when it has no random bytes to give.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        let what = || "cannot get random bytes";
        match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
            Ok(16) => {}
            // Before Linux 3.17.
            Err(rustix::io::Errno::NOSYS) => {
                let source = File::open("/dev/urandom").tried(what)?;
                std::io::Read::read_exact(&mut &source, &mut bytes).tried(what)?;
            }
            Ok(_) => return Err(Error::new(ErrorKind::System, what())),
            Err(error) => return Err(error).tried(what),
        }
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    /// The token in the superblock's field, if that tells the image from others.
    pub(super) fn from_seed(seed: [u8; 16]) -> Option<Self> {
        Some(u128::from_be_bytes(seed)).filter(|seed| ![0, FORMER_SEED].contains(seed)).map(Self)
    }

    /// As the text of a UUID, as mke2fs(8) wants it.
    #[must_use]
    pub fn as_uuid(self) -> String {
        let text = self.to_string();
        let mut parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].map(|(from, to)| text.get(from..to));
        parts.iter_mut().map(|part| part.take().unwrap_or_default()).collect::<Vec<_>>().join("-")
    }

    /// Writes the token into the superblock of a file system that nobody uses yet.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(self, image: &File) -> std::io::Result<()> {
        let mut superblock = [0; SIZE];
        image.read_exact_at(&mut superblock, OFFSET)?;
        let field = |superblock: &mut [u8; SIZE], at: usize, bytes: &[u8]| {
            superblock.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
        };
        field(&mut superblock, SEED, &self.0.to_be_bytes());
        // ext4 leaves out the last step of the algorithm, which inverts every bit.
        let checksum =
            !Crc::<u32>::new(&CRC_32_ISCSI).checksum(superblock.get(..CHECKSUM).unwrap_or_default());
        field(&mut superblock, CHECKSUM, &checksum.to_le_bytes());
        image.write_all_at(&superblock, OFFSET)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.to_string()
    }
}

impl TryFrom<String> for Token {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let number =
            Some(&text).filter(|text| text.len() == 32).and_then(|text| u128::from_str_radix(text, 16).ok());
        number.map(Self).ok_or_else(|| format!("{text:?} is not 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_being_written_down() {
        let token = Token::random().unwrap();
        assert_ne!(token, Token::random().unwrap());
        let text = serde_json::to_string(&token).unwrap();
        assert_eq!(serde_json::from_str::<Token>(&text).unwrap(), token);
        assert_eq!(token.as_uuid().replace('-', ""), token.to_string());
        assert_eq!(token.as_uuid().split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(serde_json::from_str::<Token>("\"12\"").is_err());
        assert!(Token::from_seed([0; 16]).is_none() && Token::from_seed(FORMER_SEED.to_be_bytes()).is_none());
    }
}

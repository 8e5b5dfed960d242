//! Which image a file is. Its path does not say: another image may have taken the name since.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use crate::error::{Result, Tried};
use crate::image::superblock::{Condition, inspect};
use crate::image::token::Token;

/// What an image is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The device of the file, as `st_dev` gives it.
    pub device: u64,
    /// The inode number of the file.
    pub inode: u64,
    /// What is in the image itself. Images of version 0.1 have none.
    pub token: Option<Token>,
}

impl Identity {
    /// The identity of the image in `file`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(file: &File) -> Result<Self> {
        let what = || "cannot inspect the image";
        let metadata = file.metadata().tried(what)?;
        let token = match inspect(file).tried(what)? {
            Condition::Ext4 { token, .. } => token,
            Condition::Blank { .. } | Condition::Unknown => None,
        };
        Ok(Self { device: metadata.dev(), inode: metadata.ino(), token })
    }

    /// Whether both are the same image. The token decides where there is one: a device can get another number at the next
    /// mount, and some file systems number an inode anew when they have forgotten it.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self.token, other.token) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => (self.device, self.inode) == (other.device, other.inode),
            _ => false,
        }
    }
}

/// Short, and different for different images: part of a file name.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.token {
            Some(token) => token.fmt(f),
            None => write!(f, "{:x}-{:x}", self.device, self.inode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_decides_and_the_inode_where_there_is_none() {
        let token = |number: u128| Token::from_seed(number.to_be_bytes());
        let image = |inode, token| Identity { device: 7, inode, token };
        assert!(image(1, token(5)).is_same(&image(2, token(5))));
        assert!(!image(1, token(5)).is_same(&image(1, token(6))));
        assert!(!image(1, token(5)).is_same(&image(1, None)));
        assert!(image(1, None).is_same(&image(1, None)) && !image(1, None).is_same(&image(2, None)));
    }
}

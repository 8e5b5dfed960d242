//! Taking a record apart, field by field.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

/// The order of the bytes in numbers and UTF-16 texts: that of the CPU that wrote the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The dump begins with `MDMP`.
    Little,
    /// The dump begins with `PMDM`.
    Big,
}

impl Order {
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// The fields of a record that were not taken yet. Taking more than there is gives zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    order: Order,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8], order: Order) -> Self {
        Self { bytes, order }
    }

    /// The next `N` bytes.
    pub(crate) fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.bytes.split_first_chunk() {
            Some((field, rest)) => {
                self.bytes = rest;
                *field
            }
            None => {
                self.bytes = &[];
                [0; N]
            }
        }
    }

    pub(crate) fn u16(&mut self) -> u16 {
        self.order.u16(self.take())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        self.order.u32(self.take())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.order.u64(self.take())
    }

    /// The same fields without the next `count` bytes.
    pub(crate) fn skip(mut self, count: usize) -> Self {
        self.bytes = self.bytes.get(count..).unwrap_or_default();
        self
    }

    /// What was not taken.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.bytes
    }
}

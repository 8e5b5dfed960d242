//! What identifies the build of a program or library, so that its symbols can be found.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::fmt::Write as _;

use super::fields::{Fields, Order};

/// Breakpad's `MD_CVINFOELF_SIGNATURE`: `LEpB` in a little-endian dump.
const ELF: u32 = 0x4270_454c;
/// `RSDS` in a little-endian dump.
const PDB70: u32 = 0x5344_5352;

/// The identity of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The GNU build id in hex, as `file` and `readelf -n` show it, if the writer noted it.
    pub build_id: Option<String>,
    /// Breakpad's debug id, as in the directory names of a symbol store.
    pub debug_id: String,
}

impl Build {
    /// Reads a CodeView record: Breakpad's `MDCVInfoELF`, or the older `MDCVInfoPDB70`. `None` if it is neither.
    #[must_use]
    pub fn parse(record: &[u8], order: Order) -> Option<Self> {
        let mut fields = Fields::new(record, order);
        match fields.u32() {
            ELF if record.len() > 4 => {
                Some(Self { build_id: Some(hex(fields.rest())), debug_id: debug_id(fields, 0, order) })
            }
            PDB70 if record.len() >= 24 => {
                let age = fields.skip(16).u32();
                Some(Self { build_id: None, debug_id: debug_id(fields, age, order) })
            }
            _ => None,
        }
    }
}

/// The first 16 bytes as a GUID without dashes, then the age. A shorter id counts as filled up with zeros.
fn debug_id(id: Fields<'_>, age: u32, order: Order) -> String {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(id.rest()) {
        *to = *from;
    }
    let mut guid = Fields::new(&padded, order);
    let (first, second, third) = (guid.u32(), guid.u16(), guid.u16());
    let last = u64::from_be_bytes(guid.take());
    format!("{first:08X}{second:04X}{third:04X}{last:016X}{age:x}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

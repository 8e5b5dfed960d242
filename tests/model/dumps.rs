//! Whole minidumps that are as small as can be, each known by its content wherever it turns up.

/// The length of a minidump's header, which a crash handler writes last.
pub(crate) const HEADER: usize = 32;
/// The length of the smallest dump here.
pub(crate) const SMALLEST: usize = PAYLOAD + 8;
/// `MINIDUMP_SYSTEM_INFO`, behind the header and a directory of two entries.
const SYSTEM: usize = HEADER + 2 * 12;
/// Where the dump's number stands, and then bytes that depend on it.
const PAYLOAD: usize = SYSTEM + 56;
/// The numbers of the two streams: `SystemInfoStream`, and one that only we know.
const STREAMS: [u32; 2] = [7, 0x4d4f_444c];

/// The dump with this number, of `size` bytes.
pub(crate) fn bytes(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size);
    bytes.extend(b"MDMP");
    // Version, count of streams, where the directory is, checksum, time, and flags of eight bytes.
    for field in [0xa793, 2, HEADER, 0, 0, 0, 0] {
        bytes.extend(u32::try_from(field).unwrap().to_le_bytes());
    }
    for (kind, from, to) in [(STREAMS[0], SYSTEM, PAYLOAD), (STREAMS[1], PAYLOAD, size)] {
        bytes.extend(kind.to_le_bytes());
        bytes.extend([to - from, from].map(|n| u32::try_from(n).unwrap().to_le_bytes()).as_flattened());
    }
    bytes.resize(PAYLOAD, 0);
    bytes.extend(number.to_le_bytes());
    let mut seed = number;
    while bytes.len() < size {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.push(seed.to_be_bytes()[0]);
    }
    bytes
}

/// The number of the dump that these bytes claim to be.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.get(PAYLOAD..)?.first_chunk().map(|number| u64::from_le_bytes(*number))
}

#[test]
fn the_dumps_of_the_model_are_whole_and_known_by_their_content() {
    use oci_minidump::dump::completeness::{Completeness, completeness};

    for size in [SMALLEST, 1000, 5000, 200_000] {
        let dump = bytes(42, size);
        assert_eq!((dump.len(), number(&dump)), (size, Some(42)));
        assert_eq!(completeness(&dump[..]).unwrap(), Completeness::Complete, "{size}");
        // Without its end or its header it is no whole dump.
        assert_ne!(completeness(&dump[..size - 1]).unwrap(), Completeness::Complete, "{size}");
        assert!(completeness(&[&[0; HEADER], &dump[HEADER..]].concat()[..]).is_err(), "{size}");
    }
}

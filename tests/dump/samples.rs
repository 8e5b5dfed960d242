//! The real dumps that come with the tests: their names say writer, crash, user.

use std::io::Read;
use std::path::PathBuf;

/// The builds of the two programs that crashed.
const BREAKPAD: &str = "51fecc6a141d1becc30a95fcb549f1590879a502";
const MINIDUMPER: &str = "dd33f96dedb1cf77dfa8d72e336a9e9241605829";

/// A whole dump, and what is to be said of it.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    /// The one-line report, without the build id at its end.
    pub(crate) summary: &'static str,
    pub(crate) build_id: &'static str,
    pub(crate) time: &'static str,
    pub(crate) uid: u32,
}

/// Every whole dump.
pub(crate) const WHOLE: [Sample; 5] = [
    Sample {
        name: "breakpad-abrt-uid1000.dmp",
        summary: "SIGABRT (SI_TKILL) in crashbp+0xf659b, thread 1 \"crashbp\"",
        build_id: BREAKPAD,
        time: "2026-11-22T01:57:20Z",
        uid: 1000,
    },
    Sample {
        name: "breakpad-segv-uid0.dmp",
        summary: "SIGSEGV (SEGV_MAPERR) at 0x1234 in crashbp+0x56036, thread 1 \"crashbp\"",
        build_id: BREAKPAD,
        time: "2026-11-22T01:57:19Z",
        uid: 0,
    },
    Sample {
        name: "breakpad-stack-uid0.dmp",
        summary: "SIGSEGV (SEGV_MAPERR) at 0x7fff4928a710 in crashbp+0x55198, thread 1 \"crashbp\"",
        build_id: BREAKPAD,
        time: "2026-11-22T01:57:17Z",
        uid: 0,
    },
    Sample {
        name: "breakpad-thread-uid1000.dmp",
        summary: "SIGSEGV (SEGV_MAPERR) at 0xdead0000 in crashbp+0x573ca, thread 5 \"worker-3\"",
        build_id: BREAKPAD,
        time: "2026-11-22T01:57:21Z",
        uid: 1000,
    },
    Sample {
        name: "minidumper-segv-uid0.dmp",
        summary: "SIGSEGV (SEGV_MAPERR) at 0x0 in crashmd+0x794ce, thread 1 \"crashmd\"",
        build_id: MINIDUMPER,
        time: "2026-11-22T01:57:37Z",
        uid: 0,
    },
];

/// Where a sample lies.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/minidumps").join(name)
}

/// The bytes of a sample.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A dump of 6 MiB that ends where its file system was full.
pub(crate) fn truncated() -> Vec<u8> {
    let mut dump = Vec::new();
    let packed = bytes("minidumper-stack-uid0.dmp.gz");
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut dump).unwrap();
    dump
}

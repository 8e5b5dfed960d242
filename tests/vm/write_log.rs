//! A disk as it could be after a power cut, when it had a cache: from a log of all writes and flushes, as Linux's
//! dm-log-writes makes it (Documentation/admin-guide/device-mapper/log-writes.rst).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
/// A note in the log; the device's end leaves one, and so does a message to it.
const MARK: u64 = 8;

/// A write to the disk.
#[derive(Debug)]
pub(crate) struct Write {
    at: u64,
    bytes: Vec<u8>,
    /// It is on the disk when it ends, whatever the cache does.
    durable: bool,
    /// What ended before it is on the disk when it ends.
    flushes: bool,
}

/// What happened to a disk.
#[derive(Debug)]
pub(crate) struct Log {
    /// All writes, in the order in which they ended.
    pub(crate) writes: Vec<Write>,
    /// The notes, with how many writes had ended before each.
    marks: Vec<(String, usize)>,
}

impl Log {
    /// How many writes had ended at a note.
    pub(crate) fn at(&self, mark: &str) -> Result<usize, String> {
        let found = self.marks.iter().find(|(text, _)| text == mark);
        found.map(|(_, count)| *count).ok_or_else(|| format!("the log has no mark {mark}: {:?}", self.marks))
    }
}

/// Reads a log.
pub(crate) fn read(path: &Path) -> Log {
    let log = File::open(path).unwrap();
    let mut head = [0; 28];
    log.read_exact_at(&mut head, 0).unwrap();
    assert_eq!((number(&head, 0), number(&head, 8)), (MAGIC, 1), "not a write log");
    let sector = u64::from(u32::from_le_bytes(head[24..28].try_into().unwrap()));
    let (mut writes, mut marks) = (Vec::new(), Vec::new());
    let mut position = sector;
    for _ in 0..number(&head, 16) {
        let mut entry = [0; 32];
        log.read_exact_at(&mut entry, position).unwrap();
        let [at, sectors, flags, length] = [0, 8, 16, 24].map(|offset| number(&entry, offset));
        let mut text = vec![0; if flags & MARK != 0 { length as usize } else { 0 }];
        log.read_exact_at(&mut text, position + 32).unwrap();
        position += sector;
        assert!(flags & DISCARD == 0, "a discard, which ext4 does not do unless asked to");
        let mut bytes = vec![0; (sectors * sector) as usize];
        log.read_exact_at(&mut bytes, position).unwrap();
        position += sectors * sector;
        if flags & MARK != 0 {
            let text = String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned();
            marks.push((text, writes.len()));
            continue;
        }
        writes.push(Write { at: at * sector, bytes, durable: flags & FUA != 0, flushes: flags & FLUSH != 0 });
    }
    Log { writes, marks }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The writes among the first `count` that a cache may have lost: those after the last flush that ended.
pub(crate) fn volatile(writes: &[Write], count: usize) -> Vec<usize> {
    // What a flush itself carries is not covered by it.
    let covered = writes[..count].iter().rposition(|write| write.flushes).unwrap_or(0);
    (covered..count).filter(|n| !writes[*n].durable && !writes[*n].bytes.is_empty()).collect()
}

/// Those of the first `count` writes that are on the disk when a cache has lost those in `lost`, in order.
pub(crate) fn kept(count: usize, lost: &[usize]) -> Vec<usize> {
    (0..count).filter(|n| lost.binary_search(n).is_err()).collect()
}

/// Makes in `to` the disk that was in `base` and got the writes in `kept`.
pub(crate) fn apply(base: &Path, to: &Path, writes: &[Write], kept: &[usize]) {
    std::fs::copy(base, to).unwrap();
    let disk = File::options().write(true).open(to).unwrap();
    for write in kept.iter().map(|n| &writes[*n]) {
        disk.write_all_at(&write.bytes, write.at).unwrap();
    }
}

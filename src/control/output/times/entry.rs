//! From which place of a log on output came at which time.
//!
//! Most entries follow another one of the same file and take three or four bytes: how much was written since, and how much
//! later it is, in the variable length of LEB128. The others say all, behind a zero.

/// From this place of a file on, output came at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The file's inode.
    pub(crate) file: u64,
    /// How many bytes of the file are before it.
    pub(crate) offset: u64,
    /// In milliseconds since 1970; `None` when it is not known.
    pub(crate) time: Option<u64>,
}

/// Adds an entry behind the one `before`, if there is one that is surely read with it.
pub(crate) fn encode(entry: &Entry, before: Option<&Entry>, to: &mut Vec<u8>) {
    if let Some((offset, time)) = before.and_then(|before| difference(before, entry)) {
        put(offset + 1, to);
        put(time, to);
        return;
    }
    for number in [0, entry.file, entry.offset, entry.time.map_or(0, |time| time.saturating_add(1))] {
        put(number, to);
    }
}

/// How far an entry lies behind another, and how much later it is; the lowest bit says that it is earlier.
fn difference(before: &Entry, entry: &Entry) -> Option<(u64, u64)> {
    let offset = entry.offset.checked_sub(before.offset).filter(|offset| *offset < u64::MAX)?;
    let time = i64::try_from(entry.time?).ok()?.checked_sub(i64::try_from(before.time?).ok()?)?;
    let time = time.unsigned_abs().checked_mul(2)? | u64::from(time < 0);
    (before.file == entry.file).then_some((offset, time))
}

/// Every entry, and how many bytes they take: what is left is cut off, or damaged.
pub(crate) fn decode(bytes: &[u8]) -> (Vec<Entry>, usize) {
    let (mut entries, mut rest): (Vec<Entry>, _) = (Vec::new(), bytes);
    while let Some((entry, behind)) = first(rest, entries.last()) {
        entries.push(entry);
        rest = behind;
    }
    (entries, bytes.len() - rest.len())
}

fn first<'a>(bytes: &'a [u8], before: Option<&Entry>) -> Option<(Entry, &'a [u8])> {
    let (kind, rest) = take(bytes)?;
    if kind == 0 {
        let (file, rest) = take(rest)?;
        let (offset, rest) = take(rest)?;
        let (time, rest) = take(rest)?;
        return Some((Entry { file, offset, time: time.checked_sub(1) }, rest));
    }
    let before = before?;
    let (time, rest) = take(rest)?;
    let offset = before.offset.checked_add(kind - 1)?;
    let later = before.time?;
    let time = if time & 1 == 0 { later.checked_add(time / 2)? } else { later.checked_sub(time / 2)? };
    Some((Entry { file: before.file, offset, time: Some(time) }, rest))
}

fn put(mut number: u64, to: &mut Vec<u8>) {
    while number > 0x7f {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn take(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(at).ok()? * 7)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

/// The entries of one file with so many bytes, in their order: a later one takes away what an earlier one says of its place
/// and of what follows, as that was written again.
pub(crate) fn of_file(entries: &[Entry], file: u64, length: u64) -> Vec<Entry> {
    let mut valid: Vec<Entry> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.file == file) {
        while valid.last().is_some_and(|last| last.offset >= entry.offset) {
            valid.pop();
        }
        valid.push(*entry);
    }
    valid.retain(|entry| entry.offset < length);
    valid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(file: u64, offset: u64, time: Option<u64>) -> Entry {
        Entry { file, offset, time }
    }

    #[test]
    fn entries_come_back_as_they_were_and_a_cut_one_does_not_count() {
        let all = [
            entry(7, 0, Some(1_795_305_600_123)),
            entry(7, 80, Some(1_795_305_601_123)),
            entry(7, 80, Some(1_795_305_600_000)),
            entry(7, 300, None),
            entry(7, 301, Some(0)),
            entry(u64::MAX, u64::MAX, Some(u64::MAX - 1)),
            entry(u64::MAX, 0, Some(5)),
            entry(u64::MAX, u64::MAX - 1, Some(6)),
        ];
        let (mut bytes, mut ends, mut before) = (Vec::new(), vec![0], None);
        for entry in &all {
            encode(entry, before, &mut bytes);
            ends.push(bytes.len());
            before = Some(entry);
        }
        assert_eq!(ends[2] - ends[1], 3, "a usual one is short");
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(decode(&bytes[..cut]), (all[..whole].to_vec(), ends[whole]), "{cut}");
        }
    }

    #[test]
    fn damage_ends_what_is_known() {
        assert_eq!(decode(&[5, 5]), (vec![], 0), "nothing is before it");
        assert_eq!(decode(&[0x80; 40]), (vec![], 0));
        let mut bytes = Vec::new();
        encode(&entry(1, u64::MAX, Some(3)), None, &mut bytes);
        let length = bytes.len();
        for bad in [[9, 0], [1, 9]] {
            bytes.truncate(length);
            bytes.extend(bad);
            assert_eq!(decode(&bytes), (vec![entry(1, u64::MAX, Some(3))], length), "{bad:?}");
        }
    }

    #[test]
    fn a_file_that_was_emptied_has_the_times_of_what_is_there() {
        let all = [
            entry(1, 0, Some(10)),
            entry(1, 50, Some(20)),
            entry(2, 0, Some(30)),
            entry(1, 20, Some(40)),
            entry(1, 60, Some(50)),
        ];
        assert_eq!(of_file(&all, 1, 61), [all[0], all[3], all[4]]);
        assert_eq!(of_file(&all, 1, 60), [all[0], all[3]]);
        assert_eq!(of_file(&all, 3, 60), []);
    }
}

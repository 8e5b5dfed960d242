//! Dumps that have all memory of the process: the stacks are in it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use oci_minidump::stack::input::MAX_SIZE;
use oci_minidump::stack::symbols::Symbols;
use oci_minidump::stack::walk::walk;
use serde_json::Value;

use crate::build::Dump;
use crate::oracle::{assert_agrees, info};
use crate::stack_hostile::{STACK, chain, with_stack};

/// `Memory64ListStream`.
const FULL_MEMORY: u32 = 9;

/// Pieces of memory: address and size.
type Pieces<'p> = &'p [(u64, u64)];

/// A dump with one thread, whose stack is not in it; its list of memory says that these pieces begin at its end.
fn dump(pieces: Pieces<'_>) -> Vec<u8> {
    let mut dump = Dump::new();
    with_stack(dump.module("/bin/app", &[]), 1, &[]);
    let size = 16 + 16 * pieces.len();
    let end = dump.bytes().len() + size;
    let mut list = [pieces.len() as u64, end as u64].concat_bytes();
    for (start, size) in pieces {
        list.extend([*start, *size].concat_bytes());
    }
    dump.stream(FULL_MEMORY, &list).bytes()
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl<const N: usize> ConcatBytes for [u64; N] {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

fn stack() -> Vec<u8> {
    chain(6).iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn by_frame_pointer(said: &Value) -> usize {
    let frames = said["stacks"][0]["frames"].as_array().unwrap();
    frames.iter().filter(|frame| frame["found_by"] == "frame_pointer").count()
}

#[test]
fn stacks_are_read_from_the_memory_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("full.dmp");
    let stack = stack();
    // Other memory before and behind; the stack begins in the middle of its piece.
    let pieces = [(0x1000, 32), (STACK - 64, stack.len() as u64 + 64), (STACK + 0x10000, 16)];
    let memory = [vec![1; 32 + 64], stack, vec![2; 16]].concat();
    fs::write(&path, [dump(&pieces), memory].concat()).unwrap();
    let said = info(&path, &[]);
    assert!(by_frame_pointer(&said) >= 5, "{said}");
    assert_agrees(&path, &[], &said);
}

#[test]
fn a_dump_larger_than_memory_is_read_where_the_stacks_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.dmp");
    let stack = stack();
    let before = 20 * MAX_SIZE;
    let head = dump(&[(0x10_0000, before), (STACK, stack.len() as u64)]);
    let file = File::create(&path).unwrap();
    file.write_all_at(&head, 0).unwrap();
    file.write_all_at(&stack, head.len() as u64 + before).unwrap();
    let said = info(&path, &[]);
    assert!(by_frame_pointer(&said) >= 5, "{said}");
    // Cut in the middle of the stack, there are fewer frames; cut before, only the registers are left.
    file.set_len(head.len() as u64 + before + 40).unwrap();
    assert!((1..5).contains(&by_frame_pointer(&info(&path, &[]))));
    file.set_len(head.len() as u64 + before).unwrap();
    assert_eq!(info(&path, &[])["stacks"][0]["frames"].as_array().unwrap().len(), 1);
}

#[test]
fn lists_of_memory_that_lie_are_survived() {
    let lies: [Pieces<'_>; 4] = [
        &[(STACK, u64::MAX)],
        &[(0, u64::MAX), (STACK, 4096)],
        &[(STACK - 8, 9), (STACK, 1)],
        &[(u64::MAX, u64::MAX), (STACK, 0)],
    ];
    for pieces in lies {
        let mut bytes = dump(pieces);
        bytes.extend(stack());
        let threads = walk(&bytes, &Symbols::default()).unwrap();
        assert_eq!((threads.len(), threads[0].crashed), (1, true), "{pieces:?}");
    }
    // More pieces are promised than there are, and where they are is outside of the file.
    let mut dump = Dump::new();
    with_stack(dump.module("/bin/app", &[]), 1, &[]);
    dump.stream(FULL_MEMORY, &[u64::MAX, u64::MAX - 1, STACK, 4096].concat_bytes());
    assert_eq!(walk(&dump.bytes(), &Symbols::default()).unwrap()[0].frames.len(), 1);
}

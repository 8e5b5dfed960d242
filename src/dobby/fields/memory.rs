//! `memLimit` and `swapLimit`.

use crate::dobby::read::node::Node;

const MAX_LIMIT: i64 = u32::MAX as i64;
/// Below this few programs start at all.
const LITTLE: u32 = 256 * 1024;

/// `memLimit` in bytes; `None` when it is wrong.
pub(in crate::dobby) fn limit(spec: &Node<'_>) -> Option<u32> {
    let node = spec.need("memLimit")?;
    let limit = node.whole(0..=MAX_LIMIT)?;
    if limit < LITTLE {
        node.warn("bytes are hardly enough for a program");
    }
    Some(limit)
}

/// `swapLimit`, memory and swap together in bytes, which cannot be less than the memory alone.
pub(in crate::dobby) fn swap(spec: &Node<'_>, memory: Option<u32>) -> Option<u32> {
    let node = spec.member("swapLimit")?;
    let swap = node.whole(0..=MAX_LIMIT)?;
    match memory {
        Some(memory) if swap < memory => {
            node.wrong(format_args!("is below memLimit, {memory}"));
            None
        }
        _ => Some(swap),
    }
}

//! Counts what a thread allocates, so that a test can bound it.

#![expect(unsafe_code, reason = "the only way to see allocations is to be the allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(size: usize) {
    // A thread that ends has no counters any more.
    let _gone = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
    let _gone = TOTAL.try_with(|total| total.set(total.get().saturating_add(size)));
}

// SAFETY: every call goes on to the system's allocator, unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What was allocated by this thread, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocated {
    /// The largest piece.
    pub(crate) largest: usize,
    /// All pieces, whether they were given back or not.
    pub(crate) total: usize,
}

/// Runs `work` and says what it allocated.
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, Allocated) {
    LARGEST.set(0);
    TOTAL.set(0);
    let result = work();
    (result, Allocated { largest: LARGEST.get(), total: TOTAL.get() })
}

//! The stacks in a dump: it is refused with a reason, or its walk ends, within its bounds, and nothing in it reaches a terminal
//! unescaped.

#![no_main]

use std::cell::OnceCell;

use fuzz::counted::Counted;
use fuzz::rules::{check_error, check_shown};
use fuzz::scratch;
use libfuzzer_sys::fuzz_target;
use oci_minidump::process::end_on_panic;
use oci_minidump::stack::fingerprint::fingerprint;
use oci_minidump::stack::symbols::Symbols;
use oci_minidump::stack::walk::{MAX_FRAMES, MAX_THREADS, Which, walk_in};

/// For each thread, its stack is read once.
const MAX_READS: usize = 4 * MAX_THREADS;

/// Symbols of a dump among the seeds: rules that lead up its stack.
const DEBUG_ID: &str = "6ACCFE511D14EC1BC30A95FCB549F1590";
const SYMBOLS: &str = "\
FUNC 573c0 20 0 crash_now
FUNC 56800 100 0 work
STACK CFI INIT 573c0 20 .cfa: $rsp 16 + .ra: .cfa -8 + ^
STACK CFI INIT 56800 100 .cfa: $rsp 32 + .ra: .cfa -8 + ^
";

thread_local! {
    static SYMBOLS_AT: OnceCell<Symbols> = const { OnceCell::new() };
}

fn symbols() -> Symbols {
    // What the walker's library panics at is caught, as it is in the program.
    end_on_panic();
    let dir = scratch::dir("symbols").join("crashbp").join(DEBUG_ID);
    std::fs::create_dir_all(&dir).expect("it can be made");
    let text = format!("MODULE Linux x86_64 {DEBUG_ID} crashbp\n{SYMBOLS}");
    std::fs::write(dir.join("crashbp.sym"), text).expect("it can be written");
    let store = dir.ancestors().nth(2).expect("it is below the store").to_owned();
    Symbols::at(&[store]).expect("it is a directory")
}

fuzz_target!(|bytes: &[u8]| {
    SYMBOLS_AT.with(|symbols_at| {
        let symbols = symbols_at.get_or_init(symbols);
        let source = Counted::new(bytes);
        match walk_in(bytes, &source, Which::All, symbols) {
            Ok(threads) => {
                assert!(threads.len() <= MAX_THREADS);
                assert!(threads.iter().all(|thread| thread.frames.len() <= MAX_FRAMES));
                threads.iter().for_each(|thread| check_shown(&thread.to_string()));
                let crashed = walk_in(bytes, &source, Which::Crashed, symbols).expect("it could be walked");
                let print = |threads| fingerprint("program", "SIGSEGV", threads);
                assert_eq!(print(&threads), print(&crashed));
            }
            Err(error) => check_error(&error),
        }
        assert!(source.reads() < MAX_READS, "{} reads", source.reads());
    });
});

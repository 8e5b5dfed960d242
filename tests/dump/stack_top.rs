//! Crashes are counted with the symbols read once, and of each dump only the thread that crashed is walked.

use std::fs;

use oci_minidump::command::list::{self, filter::Filter};
use oci_minidump::settings::admin::Admin;
use oci_minidump::stack::show::Stacks;
use oci_minidump::stack::symbols::Symbols;
use oci_minidump::stack::top;
use oci_minidump::stack::walk::{Which, walk, walk_in};

use crate::samples::{self, WHOLE};
use crate::stack::{breakpad_place, symbols};

const THREAD_DUMP: &str = "breakpad-thread-uid1000.dmp";

#[test]
fn twenty_dumps_of_a_program_have_its_symbols_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let (dumps, store) = (dir.path().join("dumps"), dir.path().join("store"));
    fs::create_dir(&dumps).unwrap();
    symbols(&store, &breakpad_place());
    for copy in 0..20 {
        fs::copy(samples::path(THREAD_DUMP), dumps.join(format!("{copy}.dmp"))).unwrap();
    }
    fs::copy(samples::path("breakpad-segv-uid0.dmp"), dumps.join("other.dmp")).unwrap();
    let shared = Symbols::at(std::slice::from_ref(&store)).unwrap();
    let entries = list::find(&[dumps], &Filter::default(), &Admin::default()).unwrap();
    let crashes = top::count(&entries, &shared);
    assert_eq!(shared.reads(), 1);
    assert_eq!(crashes.iter().map(|crashes| crashes.count).collect::<Vec<_>>(), [20, 1]);
    assert_eq!(crashes[0].place.as_deref(), Some("crashbp!crash_now"));
    // Each dump alone, with symbols of its own and all threads, says the same.
    for entry in &entries {
        let own = Symbols::at(std::slice::from_ref(&store)).unwrap();
        let alone = Stacks::read(&entry.path, Which::All, &own).unwrap();
        assert!(crashes.iter().any(|crashes| crashes.fingerprint == alone.fingerprint));
        assert_eq!(own.reads(), 1);
        let again = Stacks::read(&entry.path, Which::All, &shared).unwrap();
        assert_eq!(alone.stacks, again.stacks);
    }
    assert_eq!(shared.reads(), 1);
}

#[test]
fn the_crashed_thread_alone_is_the_same_as_among_all() {
    for sample in &WHOLE {
        let bytes = samples::bytes(sample.name);
        let all = walk(&bytes, &Symbols::default()).unwrap();
        let crashed = walk_in(&bytes, &bytes.as_slice(), Which::Crashed, &Symbols::default()).unwrap();
        assert_eq!(crashed, all[..1], "{}", sample.name);
    }
}

//! Fresh crashes in real containers, caught by real Breakpad.

use std::fs;
use std::os::unix::fs::MetadataExt;

use oci_minidump::dump::Report;

use crate::agree::assert_agree;
use crate::container::Container;

#[test]
fn every_crash_in_a_container_is_reported_as_it_was() {
    let cases = [
        ("segv", "SIGSEGV (SEGV_MAPERR) at 0x1234 in crasher+0x", "crasher"),
        ("abort", "SIGABRT (SI_TKILL) in crasher+0x", "crasher"),
        ("stack-overflow", "SIGSEGV (SEGV_MAPERR) at 0x7f", "crasher"),
        ("thread", "SIGSEGV (SEGV_MAPERR) at 0x1234 in crasher+0x", "worker-3"),
    ];
    for uid in [0, 1000] {
        for (kind, summary, thread) in cases {
            let container = Container::new(&format!("{kind}-{uid}"));
            let output = container.run(uid, &[kind]);
            // The first process of a pid namespace dies of SIGSEGV, whatever the crash was.
            assert_eq!(output.status.code(), Some(139), "{kind} as {uid}: {output:?}");
            let dumps = container.dumps();
            let [dump] = dumps.as_slice() else { panic!("{kind} as {uid}: {dumps:?}, {output:?}") };
            assert_eq!(fs::metadata(dump).unwrap().uid(), uid);
            let bytes = fs::read(dump).unwrap();
            let report = Report::read(bytes.as_slice()).unwrap();
            let name = format!("{kind} as {uid}");
            assert_agree(&name, &report, &bytes);
            assert!(report.to_string().starts_with(summary), "{name}: {report}");
            assert_eq!(report.thread.as_ref().unwrap().name.as_deref(), Some(thread), "{name}");
            assert_eq!(report.threads, Some(if kind == "thread" { 7 } else { 1 }), "{name}");
            assert_eq!(report.process.as_ref().unwrap().uid, Some(uid), "{name}");
            let shown = format!("{}{}", report.details(), serde_json::to_string(&report).unwrap());
            assert!(!shown.contains("SECRET") && !shown.contains("/dumps"), "{name}: {shown}");
        }
    }
}

#[test]
fn without_a_crash_there_is_no_dump() {
    let container = Container::new("none");
    let output = container.run(1000, &["none"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(container.dumps(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn crasher_writes_files_of_any_size_on_request() {
    let container = Container::new("write");
    let output = container.run(1000, &["write", "a", "0", "write", "b", "3", "write", "c", "200000"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut dumps = container.dumps();
    dumps.sort();
    let pattern: Vec<u8> =
        (0..200_000_usize).map(|i| b"MDMP".get(i).copied().unwrap_or((i % 251) as u8)).collect();
    for (path, size) in dumps.iter().zip([0, 3, 200_000]) {
        assert_eq!(fs::read(path).unwrap(), &pattern[..size], "{}", path.display());
    }
    assert_eq!(dumps.len(), 3, "{dumps:?}");
    assert_eq!(container.run(0, &["explode"]).status.code(), Some(2));
}

//! Minidumps: every file gives a report or a reason, with bounded work, and nothing in it reaches a terminal unescaped.

#![no_main]

use std::cell::OnceCell;
use std::fs::File;
use std::path::PathBuf;

use fuzz::counted::Counted;
use fuzz::rules::{check_error, check_shown};
use fuzz::scratch;
use libfuzzer_sys::fuzz_target;
use oci_minidump::dump::show::info::info;
use oci_minidump::dump::{Report, completeness, is_minidump};

/// Far more reads than the reader's own bounds allow.
const MAX_READS: usize = 200_000;

thread_local! {
    static SCRATCH: OnceCell<(PathBuf, File)> = const { OnceCell::new() };
}

fuzz_target!(|bytes: &[u8]| {
    let source = Counted::new(bytes);
    match (Report::read(&source), completeness(bytes)) {
        (Ok(report), Ok(completeness)) => {
            assert!(is_minidump(bytes));
            assert_eq!(report.truncated, completeness.reason());
            let line = report.to_string();
            assert!(!line.contains('\n'), "{line:?}");
            check_shown(&line);
            check_shown(&report.details().to_string());
            assert_eq!(report, Report::read(&source).expect("it could be read before"));
        }
        (Err(error), Err(_)) => check_error(&error),
        other => panic!("report and completeness disagree: {other:?}"),
    }
    assert!(source.reads() < MAX_READS, "{} reads", source.reads());
    SCRATCH.with(|scratch| {
        let (path, file) = scratch.get_or_init(|| {
            let dir = scratch::dir("minidump");
            (dir.join("a.dmp"), scratch::file(&dir, "a.dmp"))
        });
        scratch::fill(file, bytes);
        check_verb(path);
    });
});

/// Checks both kinds of output of the verb `info`.
fn check_verb(path: &PathBuf) {
    for json in [false, true] {
        let mut out = Vec::new();
        info(std::slice::from_ref(path), json, &mut out).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("the output is no UTF-8");
        check_shown(&text);
        if json {
            let value: serde_json::Value = serde_json::from_str(&text).expect("the output is no JSON");
            assert_eq!(value.as_array().map(Vec::len), Some(1), "{text}");
        }
    }
}

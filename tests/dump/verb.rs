//! The verb `info`: files in, words or JSON out.

use std::path::{Path, PathBuf};

use oci_minidump::dump::show::info::info;
use oci_minidump::error::ExitCode;
use serde_json::Value;

use crate::samples;

fn run(paths: &[PathBuf], json: bool) -> (ExitCode, String) {
    let mut out = Vec::new();
    let code = info(paths, json, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

const THREAD_DUMP: &str = "breakpad-thread-uid1000.dmp";

#[test]
fn one_dump_as_text() {
    let path = samples::path(THREAD_DUMP);
    let (code, text) = run(std::slice::from_ref(&path), false);
    let expected = format!(
        "\
file:       {}
crash:      SIGSEGV (SEGV_MAPERR) at 0xdead0000
in:         crashbp+0x573ca
thread:     5 \"worker-3\", one of 7
program:    /bin/crashbp, build id 51fecc6a141d1becc30a95fcb549f1590879a502, debug id \
         6ACCFE511D14EC1BC30A95FCB549F1590
process:    crashbp, pid 1, uid 1000 (as the container counts)
time:       2026-11-22T01:57:21Z
system:     x86_64, Linux 6.18.44-fc-v657 #1 SMP PREEMPT_DYNAMIC @0 x86_64
",
        path.display()
    );
    assert_eq!((code, text), (ExitCode::Ok, expected));
}

/// A file that exists, is no dump, and goes when the test ends.
struct Other(PathBuf);

impl Other {
    fn new(name: &str) -> Self {
        let name = format!("info-{}-{name}", std::process::id());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn a_bad_file_does_not_stop_the_others_and_the_highest_exit_code_wins() {
    let fifo = Other::new("fifo.dmp");
    nix::unistd::mkfifo(&fifo.0, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let cut = Other::new("cut.dmp");
    std::fs::write(&cut.0, samples::truncated()).unwrap();
    let good = samples::path(THREAD_DUMP);
    let packed = samples::path("minidumper-stack-uid0.dmp.gz");
    let paths =
        [packed, "/nowhere.dmp".into(), good.clone(), fifo.0.clone(), samples::path(""), cut.0.clone()];
    let (code, text) = run(&paths, true);
    assert_eq!(code, ExitCode::BadInput, "{text}");
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let errors = [
        Some("not a minidump: it does not begin with MDMP"),
        Some("cannot open /nowhere.dmp: No such file or directory"),
        None,
        Some("is not a regular file; name a minidump file"),
        Some("is not a regular file; name a minidump file"),
        None,
    ];
    assert_eq!(all.len(), paths.len(), "{text}");
    for ((entry, path), error) in all.iter().zip(&paths).zip(errors) {
        assert_eq!(entry["file"], path.to_str().unwrap());
        assert_eq!(
            entry["error"].as_str().is_some_and(|e| e.contains(error.unwrap_or("\0"))),
            error.is_some(),
            "{entry}"
        );
    }
    assert_eq!(all[2]["crash"]["address"], "0xdead0000");
    assert_eq!(all[2]["truncated"], Value::Null);
    assert_eq!(all[2]["place"]["module"]["build_id"], "51fecc6a141d1becc30a95fcb549f1590879a502");
    assert!(all[5]["truncated"].as_str().unwrap().starts_with("no system information"), "{}", all[5]);

    let (code, text) = run(&paths, false);
    assert_eq!(code, ExitCode::BadInput);
    let files: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("file:       ")).collect();
    assert_eq!(files, [good.to_str().unwrap(), cut.0.to_str().unwrap()], "{text}");
    assert!(text.contains("\n\nfile:") && text.contains("\ncrash:      none recorded\n"), "{text}");
}

#[test]
fn exit_codes_follow_the_errors() {
    let good = samples::path(THREAD_DUMP);
    let cases: [(&[PathBuf], ExitCode); 3] = [
        (&[], ExitCode::Ok),
        (std::slice::from_ref(&good), ExitCode::Ok),
        (&["/nowhere.dmp".into(), good.clone()], ExitCode::Failure),
    ];
    for (paths, expected) in cases {
        assert_eq!(run(paths, false).0, expected, "{paths:?}");
        assert_eq!(run(paths, true).0, expected, "{paths:?}");
    }
}

#[test]
fn a_full_disk_under_the_output_is_an_error() {
    let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = info(&[samples::path(THREAD_DUMP)], true, &mut full).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::NoSpace, "{}", error.report());
}

#[test]
fn the_binary_tells_of_a_bad_file_on_stderr_and_goes_on() {
    let good = samples::path(THREAD_DUMP);
    let mut hook = std::process::Command::new(crate::support::host::hook_program());
    let output = hook.args(["info", "/etc/passwd"]).arg(&good).output().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(ExitCode::BadInput as u8)), "{output:?}");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(err, "error: /etc/passwd: not a minidump: it does not begin with MDMP or PMDM\n");
    assert!(out.starts_with(&format!("file:       {}\n", good.display())), "{out}");
}

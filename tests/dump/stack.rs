//! The program `oci-minidump-stack`: the stacks of real dumps are those of `minidump-stackwalk`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::oracle::{self, assert_agrees, info};
use crate::samples::{self, WHOLE};
use crate::support::host::stack_program;

const THREAD_DUMP: &str = "breakpad-thread-uid1000.dmp";
const DEBUG_ID: &str = "6ACCFE511D14EC1BC30A95FCB549F1590";
const BUILD_ID: &str = "51fecc6a141d1becc30a95fcb549f1590879a502";
/// Two functions of the program that crashed, with made up names; the rule of the first one is that of the real function.
const SYMBOLS: &str = "\
FILE 0 /src/worker.c
FUNC 573c0 20 0 crash_now
573c0 20 33 0
FUNC 56800 100 0 work
STACK CFI INIT 573c0 20 .cfa: $rsp 16 + .ra: .cfa -8 + ^
STACK CFI INIT 56800 100 .cfa: $rsp 32 + .ra: .cfa -8 + ^
";

/// A symbol file at `place` below `dir`.
pub(crate) fn symbols(dir: &Path, place: &str) -> PathBuf {
    let path = dir.join(place);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("MODULE Linux x86_64 {DEBUG_ID} crashbp\n{SYMBOLS}")).unwrap();
    path
}

pub(crate) fn breakpad_place() -> String {
    format!("crashbp/{DEBUG_ID}/crashbp.sym")
}

fn text(args: &[&str], paths: &[&Path]) -> String {
    let output = stack_program().args(args).args(paths).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_stack_of_the_samples_is_that_of_the_other_walker() {
    for sample in &WHOLE {
        let path = samples::path(sample.name);
        let ours = info(&path, &[]);
        assert_agrees(&path, &[], &ours);
        assert_eq!(ours["stacks"][0]["crashed"], true, "{}", sample.name);
        assert_eq!(ours["stacks"][0]["frames"][0]["found_by"], "context", "{}", sample.name);
        // Of a stack overflow, Breakpad has saved no stack.
        let frames = ours["stacks"][0]["frames"].as_array().unwrap().len();
        assert!(frames >= 5 || sample.name.contains("-stack-"), "{}: {frames}", sample.name);
    }
}

#[test]
fn symbols_name_functions_and_unwind_wherever_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    let path = samples::path(THREAD_DUMP);
    let (breakpad, unified) = (dir.path().join("breakpad"), dir.path().join("unified"));
    symbols(&breakpad, &breakpad_place());
    symbols(&unified, &format!("{}/{}/breakpad", &BUILD_ID[..2], &BUILD_ID[2..]));
    let single = symbols(dir.path(), "any-name");
    let said = info(&path, std::slice::from_ref(&breakpad));
    assert_agrees(&path, std::slice::from_ref(&breakpad), &said);
    let frames = said["stacks"][0]["frames"].as_array().unwrap();
    assert_eq!(frames[0]["function"], "crash_now");
    assert_eq!((&frames[0]["source"], &frames[0]["line"]), (&"/src/worker.c".into(), &33.into()));
    assert!(frames.iter().any(|frame| frame["found_by"] == "cfi"), "{frames:?}");
    for other in [unified, single] {
        assert_eq!(info(&path, &[dir.path().join("breakpad/crashbp"), other])["stacks"], said["stacks"]);
    }
    let words = text(&["info", "--symbols", breakpad.to_str().unwrap()], &[&path]);
    assert!(words.contains("\nthread 5"), "{words}");
    assert!(words.contains("   0  context       crashbp!crash_now+0xa (/src/worker.c:33)\n"), "{words}");
    assert!(words.contains("   1  cfi           crashbp!work+0x67\n"), "{words}");
}

#[test]
fn a_path_that_has_no_symbols_is_said() {
    let path = samples::path(THREAD_DUMP);
    for (symbols, code) in [(Path::new("/nowhere"), 1), (&*path, 3), (Path::new("/dev/null"), 3)] {
        let output = stack_program().arg("info").arg("--symbols").arg(symbols).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(symbols.to_str().unwrap()), "{said}");
    }
}

#[test]
fn the_fingerprint_is_of_the_crash_and_not_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = samples::path(THREAD_DUMP);
    let print = |path: &Path| text(&["info", "--fingerprint"], &[path]);
    let same = print(&path);
    let (id, file) = same.trim_end().split_once("  ").unwrap();
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{same}");
    assert_eq!(file, path.to_str().unwrap());
    // Another time: the header's.
    let later = dir.path().join("later.dmp");
    let mut bytes = samples::bytes(THREAD_DUMP);
    bytes[20..24].copy_from_slice(&1_800_000_000_u32.to_le_bytes());
    fs::write(&later, bytes).unwrap();
    assert!(print(&later).starts_with(id));
    let mut all: Vec<String> =
        WHOLE.iter().map(|sample| print(&samples::path(sample.name))[..16].into()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), WHOLE.len(), "each sample is another crash");
}

#[test]
fn the_same_crashes_are_counted_and_the_most_frequent_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    for (name, copies) in [(THREAD_DUMP, 3), ("breakpad-segv-uid0.dmp", 2), ("minidumper-segv-uid0.dmp", 1)] {
        for copy in 0..copies {
            fs::copy(samples::path(name), dir.path().join(format!("{copy}-{name}"))).unwrap();
        }
    }
    fs::write(dir.path().join("other.dmp"), "no dump").unwrap();
    let top = text(&["top"], &[dir.path()]);
    let lines: Vec<&str> = top.lines().collect();
    assert_eq!(lines.len(), 3, "{top}");
    for (line, start) in lines.iter().zip([
        "3x crashbp SIGSEGV crashbp+0x573ca last ",
        "2x crashbp SIGSEGV crashbp+0x56036 last ",
        "1x crashmd SIGSEGV crashmd+0x794ce last ",
    ]) {
        assert!(line.starts_with(start), "{top}");
    }
    assert_eq!(text(&["top", "--limit", "1"], &[dir.path()]).lines().count(), 1);
    // One that is too large to be read.
    let file = fs::File::options().write(true).open(dir.path().join(format!("0-{THREAD_DUMP}"))).unwrap();
    file.set_len(65 << 20).unwrap();
    let top = text(&["top"], &[dir.path()]);
    let lines: Vec<&str> = top.lines().map(|line| line.split(" last ").next().unwrap()).collect();
    let (rest, unread) =
        ("2x crashbp SIGSEGV crashbp+0x573ca", "1x crashbp SIGSEGV crashbp+0x573ca (stack not read)");
    assert!(lines.len() == 4 && lines.contains(&rest) && lines.contains(&unread), "{top}");
    file.set_len(fs::metadata(samples::path(THREAD_DUMP)).unwrap().len()).unwrap();
    let json: Value = serde_json::from_str(&text(&["top", "--json"], &[dir.path()])).unwrap();
    assert_eq!((&json[0]["count"], &json[0]["last"]), (&3.into(), &"2026-11-22T01:57:21Z".into()));
    assert!(oracle::stacks(Path::new(json[0]["newest"].as_str().unwrap()), &[]).len() == 7);
}

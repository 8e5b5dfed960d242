//! Stacks of a program without frame pointers, with its ELF files in all places where they may be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use oci_minidump::command::list::{self, filter::Filter};
use oci_minidump::settings::admin::Admin;
use oci_minidump::stack::symbols::Symbols;
use oci_minidump::stack::top;
use serde_json::Value;

use crate::c_program::compile;
use crate::container::Container;
use crate::crashed::{CALLS, build_id, crash, run};
use crate::oracle::info;
use crate::support::host::stack_program;

/// The frames of the thread that crashed: how each was found, and its function.
fn frames(dump: &Path, symbols: &[PathBuf]) -> Vec<(String, String)> {
    let said = info(dump, symbols);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let frames = said["stacks"][0]["frames"].as_array().unwrap().iter();
    frames.map(|frame| (text(&frame["found_by"]), text(&frame["function"]))).collect()
}

fn is_right(frames: &[(String, String)]) -> bool {
    let wanted = CALLS.iter().enumerate().map(|(number, function)| {
        (if number == 0 { "context" } else { "cfi_elf" }.to_owned(), (*function).to_owned())
    });
    frames.len() >= CALLS.len() && wanted.zip(frames).all(|(wanted, frame)| wanted == *frame)
}

/// A place for symbols, with `file` at `path`.
fn store(container: &Container, name: &str, files: &[(&Path, String)]) -> PathBuf {
    let dir = container.path(name);
    for (file, path) in files {
        let to = dir.join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
    dir
}

/// The program, the same without its symbols, and these alone.
struct Programs {
    whole: PathBuf,
    stripped: PathBuf,
    debug: PathBuf,
}

fn programs(container: &Container) -> Programs {
    let whole = container.path("chain");
    compile(&whole, &["-g"]);
    let [stripped, debug] = ["stripped", "debug"].map(|name| container.path(name));
    run("objcopy", &[Path::new("--only-keep-debug"), &whole, &debug]);
    run("strip", &[Path::new("-s"), Path::new("-o"), &stripped, &whole]);
    Programs { whole, stripped, debug }
}

#[test]
fn elf_files_give_names_and_callers_wherever_they_lie() {
    let container = Container::new();
    let Programs { whole, stripped, debug } = programs(&container);
    let dump = crash(&container, &whole);
    let without = frames(&dump, &[]);
    assert!(without[1..].iter().all(|(found_by, name)| found_by == "scan" && name == "-"), "{without:?}");

    let id = build_id(&whole);
    let (first, rest) = id.split_at(2);
    let path = whole.strip_prefix("/").unwrap().to_str().unwrap();
    let by_id = format!(".build-id/{first}/{rest}.debug");
    let stores = [
        store(&container, "named", &[(&whole, "chain".to_owned())]),
        store(&container, "rootfs", &[(&whole, path.to_owned())]),
        store(
            &container,
            "debuginfod",
            &[(&stripped, format!("{id}/executable")), (&debug, format!("{id}/debuginfo"))],
        ),
        store(&container, "by-id", &[(&stripped, "chain".to_owned()), (&debug, by_id.clone())]),
        store(
            &container,
            "distribution",
            &[(&stripped, path.to_owned()), (&debug, format!("usr/lib/debug/{by_id}"))],
        ),
        whole.clone(),
    ];
    for store in &stores {
        let found = frames(&dump, std::slice::from_ref(store));
        assert!(is_right(&found), "{}: {found:?}", store.display());
    }
    // Two places together, each with a half.
    assert!(is_right(&frames(&dump, &[stripped.clone(), debug.clone()])));
    // Without the symbols, the callers are right, but have no names.
    let nameless = frames(&dump, std::slice::from_ref(&stripped));
    assert!(
        nameless[1..5].iter().all(|(found_by, name)| found_by == "cfi_elf" && name == "-"),
        "{nameless:?}"
    );
    // Without the program, there are names.
    assert_eq!(frames(&dump, &[debug])[0].1, "crash_here");
}

#[test]
fn with_the_whole_root_nothing_is_guessed_and_lines_are_known() {
    let container = Container::new();
    let programs = programs(&container);
    let dump = crash(&container, &programs.whole);
    let said = info(&dump, &["/".into()]);
    let frames = said["stacks"][0]["frames"].as_array().unwrap();
    assert!(frames[1..].iter().all(|frame| frame["found_by"] == "cfi_elf"), "{frames:#?}");
    assert_eq!(frames.last().unwrap()["function"], "_start", "{frames:#?}");
    for (frame, line) in frames.iter().zip([7, 8, 9, 10, 15]) {
        assert_eq!(frame["line"], line, "{frame}");
        assert!(frame["source"].as_str().unwrap().ends_with("/chain.c"), "{frame}");
    }
    let output = stack_program().args(["info", "--symbols", "/"]).arg(&dump).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.contains("   1  cfi_elf       chain!third+0x"), "{words}");
}

#[test]
fn compressed_lines_and_programs_at_fixed_addresses_are_read() {
    let container = Container::new();
    for (name, options) in [
        ("compressed", ["-g", "-gz=zlib", "-gdwarf-5"]),
        ("old", ["-g", "-gdwarf-4", "-Wl,--no-eh-frame-hdr"]),
        ("fixed", ["-g", "-no-pie", "-fno-pie"]),
        ("table", ["-g", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]),
    ] {
        let program = container.path(name);
        compile(&program, &options);
        let dump = crash(&container, &program);
        assert!(is_right(&frames(&dump, std::slice::from_ref(&program))), "{name}");
        let said = info(&dump, std::slice::from_ref(&program));
        assert_eq!(said["stacks"][0]["frames"][1]["line"], 8, "{name}");
    }
}

#[test]
fn elf_files_are_read_once_for_twenty_dumps_and_found_once_for_a_module() {
    let container = Container::new();
    let Programs { whole, .. } = programs(&container);
    let store = store(&container, "named", &[(&whole, "chain".to_owned())]);
    let copies = container.path("copies");
    fs::create_dir(&copies).unwrap();
    // Two crashes at different addresses.
    for (number, dump) in [crash(&container, &whole), crash(&container, &whole)].iter().enumerate() {
        for copy in 0..10 {
            fs::copy(dump, copies.join(format!("{number}-{copy}.dmp"))).unwrap();
        }
    }
    let symbols = Symbols::at(std::slice::from_ref(&store)).unwrap();
    let entries = list::find(std::slice::from_ref(&copies), &Filter::default(), &Admin::default()).unwrap();
    let crashes = top::count(&entries, &symbols);
    assert_eq!((crashes.len(), crashes[0].count), (1, 20), "{crashes:?}");
    assert_eq!(crashes[0].place.as_deref(), Some("chain!crash_here"));
    // Its call frame information, its functions, its lines.
    assert_eq!(symbols.reads(), 3);
    // What the program opens: the file is looked for once, and each part read once.
    let trace = container.path("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=openat,openat2", "-o"]).arg(&trace).arg(stack_program().get_program());
    let output = strace.args(["top", "--symbols"]).args([&store, &copies]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("20x chain SIGSEGV chain!crash_here last "));
    let opened = fs::read_to_string(&trace).unwrap();
    let opens = opened.lines().filter(|line| line.contains("\"chain\"") && !line.contains(" = -1")).count();
    assert!((1..=4).contains(&opens), "{opened}");
}

/// What is said on stderr, and the frames.
fn refused(dump: &Path, store: &Path) -> (String, Vec<(String, String)>) {
    let output = stack_program().args(["info", "--symbols"]).arg(store).arg(dump).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8_lossy(&output.stderr).into_owned(), frames(dump, &[store.to_owned()]))
}

#[test]
fn files_of_another_build_and_links_out_of_the_directory_are_refused() {
    let container = Container::new();
    let Programs { whole, .. } = programs(&container);
    let dump = crash(&container, &whole);
    let without = frames(&dump, &[]);
    let (other, unmarked) = (container.path("other"), container.path("unmarked"));
    compile(&other, &["-DOTHER", "-g3"]);
    compile(&unmarked, &["-Wl,--build-id=none"]);
    let id = build_id(&whole);
    let cases = [
        ("b1", &other, "chain".to_owned(), "of another build"),
        ("b2", &other, format!("{id}/executable"), "of another build"),
        ("b3", &unmarked, "chain".to_owned(), "has no build id"),
        ("b4", &container.path("chain.c"), "chain".to_owned(), "does not begin with ELF"),
    ];
    for (name, file, path, reason) in cases {
        let (said, frames) = refused(&dump, &store(&container, name, &[(file, path)]));
        assert!(said.contains(reason), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        assert_eq!(frames, without, "{name}");
    }
    // Links that lead out of the directory, by absolute and relative paths, and what must not be waited for.
    let links = container.path("links");
    let (first, rest) = id.split_at(2);
    fs::create_dir_all(links.join(".build-id").join(first)).unwrap();
    fs::create_dir_all(links.join(&id)).unwrap();
    symlink(&whole, links.join("chain")).unwrap();
    symlink("../chain", links.join("chain.debug")).unwrap();
    symlink("../../../chain", links.join(format!(".build-id/{first}/{rest}.debug"))).unwrap();
    symlink(whole.parent().unwrap(), links.join("tmp")).unwrap();
    nix::unistd::mkfifo(&links.join(&id).join("debuginfo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(refused(&dump, &links), (String::new(), without.clone()));
    // A link that stays inside is followed.
    fs::copy(&whole, links.join("inside")).unwrap();
    symlink("/inside", links.join(&id).join("executable")).unwrap();
    assert!(is_right(&frames(&dump, std::slice::from_ref(&links))));
    // Single files are refused at once.
    let output = stack_program().args(["info", "--symbols"]).arg(&unmarked).arg(&dump).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has no build id"), "{output:?}");
}

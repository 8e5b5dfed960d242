//! A crash in a container that asked for minidumps becomes one.

use std::os::unix::fs::PermissionsExt;

use minidump::{
    Minidump, MinidumpException, MinidumpMemoryList, MinidumpModuleList, MinidumpThreadList,
    MinidumpThreadNames, Module,
};
use oci_minidump::dump::{Completeness, completeness};
use oci_minidump::harvest::marks;
use oci_minidump::proc::stat;

use crate::container::{Container, SECRET, head_of};
use crate::support::host::{hook_program, wait_until};

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_whole_minidump_is_on_the_host_with_its_containers_mark() {
    let container = Container::new();
    let output = container.crash(&container.head().bytes(), &["/bin/false"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let dumps = container.dumps();
    let [path] = &dumps[..] else { panic!("{dumps:?}: {}", stderr(&output)) };
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("sleep-") && name.ends_with(&format!("-{}.dmp", container.pid())), "{name}");
    assert_eq!(marks::container(path).unwrap(), b"app");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let file = std::fs::File::open(path).unwrap();
    assert_eq!(completeness(&file).unwrap(), Completeness::Complete);
    assert!(file.metadata().unwrap().len() < 64 << 10);
}

#[test]
fn the_environment_at_the_end_of_the_stack_is_blank() {
    let container = Container::new();
    container.crash(&container.head().bytes(), &[]);
    let path = &container.dumps()[0];
    let dump = Minidump::read_path(path).unwrap();
    let memory = dump.get_stream::<MinidumpMemoryList<'_>>().unwrap();
    let text = std::fs::read(format!("/proc/{}/stat", container.pid())).unwrap();
    let place = stat::environment(&text).unwrap();
    let saved = memory.memory_at_address(place.start).unwrap();
    let offset = |address: u64| (address - saved.base_address) as usize;
    assert!(saved.bytes[offset(place.start)..offset(place.end)].iter().all(|byte| *byte == 0));
    // The program's path follows it.
    assert!(saved.bytes[offset(place.end)..].starts_with(b"/usr/bin/sleep\0"));
    let bytes = std::fs::read(path).unwrap();
    assert!(!bytes.windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes()));
}

#[test]
fn another_reader_finds_the_crash_the_stack_and_the_build_ids() {
    let container = Container::new();
    container.crash(&container.head().bytes(), &[]);
    let dump = Minidump::read_path(&container.dumps()[0]).unwrap();
    let exception = dump.get_stream::<MinidumpException<'_>>().unwrap();
    assert_eq!(exception.thread_id, container.pid());
    assert_eq!(
        (exception.raw.exception_record.exception_code, exception.raw.exception_record.exception_address),
        (11, 0x1234)
    );
    let memory = dump.get_stream::<MinidumpMemoryList<'_>>().unwrap();
    let threads = dump.get_stream::<MinidumpThreadList<'_>>().unwrap();
    let stack = &threads.threads[0].raw.stack;
    assert!(stack.memory.data_size > 128 && memory.memory_at_address(stack.start_of_memory_range).is_some());
    let modules = dump.get_stream::<MinidumpModuleList>().unwrap();
    let main = modules.main_module().unwrap();
    assert!(main.code_file().ends_with("/sleep"), "{}", main.code_file());
    assert!(main.debug_identifier().is_some() && main.code_identifier().is_some());
    assert!(modules.iter().any(|module| module.code_file().ends_with("/libc.so.6")));
    assert!(modules.iter().any(|module| module.code_file() == "linux-gate.so"));
    let names = dump.get_stream::<MinidumpThreadNames>().unwrap();
    assert_eq!(names.get_name(container.pid()).as_deref(), Some("sleep"));
    let output =
        std::process::Command::new(hook_program()).arg("info").arg(&container.dumps()[0]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("SIGSEGV") && said.contains("0x1234") && !said.contains("truncated"), "{said}");
}

#[test]
fn a_user_namespace_changes_nothing() {
    let container = Container::with(&["--mount", "--user", "--map-root-user"], |_| {});
    let output = container.crash(&container.head().bytes(), &[]);
    assert_eq!(container.dumps().len(), 1, "{}", stderr(&output));
}

#[test]
fn a_stack_that_has_overflowed_is_saved_from_its_end_on() {
    let container = Container::new();
    let mut head = container.head();
    let stack = std::fs::read_to_string(format!("/proc/{}/maps", container.pid())).unwrap();
    let line = stack.lines().find(|line| line.ends_with("[stack]")).unwrap();
    let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    // NT_PRSTATUS: 112 bytes before the registers.
    head.notes[0].2[112 + 152..112 + 160].copy_from_slice(&(start - 4096).to_le_bytes());
    container.crash(&head.bytes(), &[]);
    let dump = Minidump::read_path(&container.dumps()[0]).unwrap();
    let threads = dump.get_stream::<MinidumpThreadList<'_>>().unwrap();
    let stack = &threads.threads[0].raw.stack;
    assert_eq!(stack.start_of_memory_range, start);
    assert!(stack.memory.data_size > 4096);
}

#[test]
fn limits_are_kept_before_and_after() {
    let container = Container::new();
    container.settings("[retention]\nmax_count = 2\n");
    for address in 0..4 {
        container.crash(&container.head_at(address), &[]);
    }
    assert_eq!(container.dumps().len(), 2);
    container.settings("[retention]\nkeep_free = 9000000000000000000\n");
    let output = container.crash(&container.head().bytes(), &[]);
    assert!(
        !output.status.success() && stderr(&output).contains("too few for a minidump"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_container_that_crashes_in_a_loop_has_a_few_dumps() {
    let container = Container::new();
    let outputs: Vec<_> =
        (0..8).map(|address| container.crash(&container.head_at(address), &["/bin/false"])).collect();
    assert!(outputs.iter().all(|output| output.status.success()));
    assert_eq!(container.dumps().len(), 5);
    assert!(stderr(&outputs[7]).contains("crashes too often: 1 more not kept"), "{}", stderr(&outputs[7]));
    let mut ends = addresses(&container);
    ends.sort_unstable();
    assert_eq!(ends, [0, 1, 2, 3, 7], "the first ones and the newest");
    assert_eq!(container.dumps().iter().map(|path| marks::not_kept(path)).sum::<u64>(), 3);
}

#[test]
fn the_administrator_says_how_much_of_a_crash_loop_is_kept() {
    let container = Container::new();
    container.settings("[retention]\nburst = \"3/1h\"\nper_container_count = 3\n");
    for address in 0..20 {
        assert!(container.crash(&container.head_at(address), &[]).status.success());
        let number = usize::try_from(address).unwrap() + 1;
        assert_eq!(container.dumps().len(), number.min(3));
    }
    let mut ends = addresses(&container);
    ends.sort_unstable();
    assert_eq!(ends, [0, 1, 19]);
    assert_eq!(container.dumps().iter().map(|path| marks::not_kept(path)).sum::<u64>(), 17);
}

/// The addresses of the crashes whose dumps are there.
fn addresses(container: &Container) -> Vec<u64> {
    let address = |path: &std::path::PathBuf| {
        let dump = Minidump::read_path(path).unwrap();
        let exception = dump.get_stream::<MinidumpException<'_>>().unwrap();
        exception.raw.exception_record.exception_address
    };
    container.dumps().iter().map(address).collect()
}

#[test]
fn a_child_in_a_nested_pid_namespace_has_the_numbers_of_the_container() {
    let container = Container::with(
        &["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", "exec \"$@\"", "sh"],
        |_| {},
    );
    let children = format!("/proc/{0}/task/{0}/children", container.pid());
    let child = || std::fs::read_to_string(&children).unwrap().trim().parse::<u32>().ok();
    wait_until(|| {
        child().is_some_and(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
        })
    });
    let child = child().unwrap();
    let held = rustix::process::pidfd_open(
        rustix::process::Pid::from_raw(child.cast_signed()).unwrap(),
        rustix::process::PidfdFlags::empty(),
    );
    let output = container.crash_held(&[child, child], Some(held.unwrap()), &head_of(child, 1).bytes(), &[]);
    let dumps = container.dumps();
    assert_eq!(dumps.len(), 1, "{}", stderr(&output));
    assert!(dumps[0].to_string_lossy().ends_with("-1.dmp"), "{dumps:?}");
    let dump = Minidump::read_path(&dumps[0]).unwrap();
    assert_eq!(dump.get_stream::<MinidumpThreadNames>().unwrap().get_name(1).as_deref(), Some("sleep"));
}

/// The app's own minidump of a crash was harvested before the kernel hands the crash over: it is still the one dump.
#[test]
fn a_dump_of_the_app_that_was_harvested_meanwhile_is_the_one_of_its_crash() {
    let container = Container::new();
    container.crash(&container.head().bytes(), &[]);
    let [path] = &container.dumps()[..] else { panic!("{:?}", container.dumps()) };
    // Only this tells it from one that was harvested.
    rustix::fs::removexattr(path, "user.oci-minidump.core").unwrap();
    let again = container.crash(&container.head_at(0x5678), &[]);
    assert!(again.status.success() && container.dumps().len() == 1, "{}", stderr(&again));
    // One of another container is not.
    let whose = "user.oci-minidump.container";
    rustix::fs::setxattr(path, whose, b"other", rustix::fs::XattrFlags::empty()).unwrap();
    let again = container.crash(&container.head_at(0x5678), &[]);
    assert!(again.status.success() && container.dumps().len() == 2, "{}", stderr(&again));
}

/// Without extended attributes nothing can be thinned out: the first dumps are kept, and the others counted.
#[test]
fn where_no_marks_are_kept_a_crash_loop_has_its_first_dumps() {
    let container = Container::new();
    std::fs::create_dir(container.path("dumps")).unwrap();
    // On a ramfs that only this handler sees.
    let script =
        "mount -t ramfs ramfs \"$1\" && \"$2\" --settings \"$3\" core \"$4\" \"$4\" 11 \"$5\" && ls \"$1\"";
    let pid = rustix::process::Pid::from_raw(container.pid().cast_signed()).unwrap();
    let held = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    rustix::io::fcntl_setfd(&held, rustix::io::FdFlags::empty()).unwrap();
    for number in 1..=8 {
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
        command.args([container.path("dumps"), hook_program(), container.path("settings.toml")]);
        command.args([container.pid().to_string(), std::os::fd::AsRawFd::as_raw_fd(&held).to_string()]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let _closed = std::io::Write::write_all(&mut child.stdin.take().unwrap(), &container.head_at(number));
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let has_dump = String::from_utf8_lossy(&output.stdout).lines().count() == 1;
        assert_eq!(has_dump, number <= 5, "{}", stderr(&output));
        let said = format!("crashes too often: {} more not kept", number.saturating_sub(5));
        assert_eq!(stderr(&output).contains(&said), number > 5, "{}", stderr(&output));
    }
}

//! What a container may try through its crashes.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use oci_minidump::proc::cgroup::Cgroup;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::container::{Container, handler, head_of};

/// What is in a file that no dump may show.
const CONTENT: &str = "not for a dump";

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_number_that_is_another_process_meanwhile_is_handed_on() {
    let container = Container::new();
    let other = Container::new();
    let held = || pidfd_open(Pid::from_raw(other.pid().cast_signed()).unwrap(), PidfdFlags::empty()).unwrap();
    let ids = [container.pid(), container.pid()];
    let head = container.head().bytes();
    // The kernel holds another process than the one that has the number now.
    let output = container.crash_held(&ids, Some(held()), &head, &["/bin/true"]);
    assert!(
        output.status.success() && said(&output).contains("is not the one that crashed"),
        "{}",
        said(&output)
    );
    // An old kernel gives no descriptor, but says of no process that it is being dumped.
    let output = container.crash_held(&ids, None, &head, &["/bin/true"]);
    assert!(
        output.status.success() && said(&output).contains("is not the one that crashed"),
        "{}",
        said(&output)
    );
    assert!(container.dumps().is_empty() && other.dumps().is_empty());
}

#[test]
fn a_process_that_is_gone_is_handed_on() {
    let container = Container::new();
    let mut gone = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
    let pid = gone.id();
    gone.wait().unwrap();
    let output = container.crash_held(&[pid, pid], None, b"", &["/bin/true"]);
    assert!(output.status.success() && container.dumps().is_empty(), "{}", said(&output));
}

#[test]
fn a_core_file_of_another_process_is_refused() {
    let container = Container::new();
    let output = container.crash(&head_of(container.pid(), 4711).bytes(), &[]);
    assert!(
        !output.status.success() && said(&output).contains("that of another process"),
        "{}",
        said(&output)
    );
    assert!(container.dumps().is_empty());
}

#[test]
fn hostile_core_files_give_a_reason_and_no_dump() {
    let container = Container::new();
    let head = container.head().bytes();
    for bytes in [&b""[..], b"\x7fELF", &head[..100], &vec![0xff; 1 << 20]] {
        let output = container.crash(bytes, &["/bin/true"]);
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(said(&output).contains("core file cannot be used"), "{}", said(&output));
    }
    assert!(container.dumps().is_empty());
}

#[test]
fn a_core_file_that_does_not_end_is_given_up_with_a_reason() {
    let container = Container::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, &container.head().bytes()[..100]).unwrap();
    let held = container.hold();
    let mut handler = handler(&container.path("settings.toml"), &[container.pid(); 2], Some(&held), &[]);
    // The other end stays open.
    let output = handler.stdin(reader).output().unwrap();
    let text = said(&output);
    assert!(output.status.code() == Some(11) && text.contains("in container app"), "{output:?}");
    assert!(text.contains("there is no dump of it within 10 s"), "{text}");
    assert_eq!(container.dumps(), [] as [std::path::PathBuf; 0]);
    drop(writer);
}

#[test]
fn names_are_never_paths() {
    let container = Container::new();
    let mut head = container.head();
    head.notes.retain(|(_, kind, _)| *kind != 3 && *kind != 0x4649_4c45);
    head.process(container.pid(), b"../../../x\n\xff");
    let maps = head.mappings.clone();
    let secret = container.path("secret");
    fs::write(&secret, CONTENT).unwrap();
    head.files(&[
        (maps[0].0, maps[0].1, 0, secret.to_str().unwrap().as_bytes()),
        (8, u64::MAX, 0, b"/dev/zero"),
    ]);
    let output = container.crash(&head.bytes(), &[]);
    let dumps = container.dumps();
    assert_eq!(dumps.len(), 1, "{}", said(&output));
    let name = dumps[0].file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("_..") || name.starts_with("_"), "{name}");
    assert!(name.chars().all(|c| c.is_ascii_graphic() && c != '/'), "{name}");
    let dump = fs::read(&dumps[0]).unwrap();
    assert!(!dump.windows(CONTENT.len()).any(|part| part == CONTENT.as_bytes()));
}

#[test]
fn links_in_place_of_the_destination_or_the_counts_are_refused() {
    let container = Container::new();
    fs::create_dir(container.path("elsewhere")).unwrap();
    symlink(container.path("elsewhere"), container.path("dumps")).unwrap();
    let output = container.crash(&container.head().bytes(), &[]);
    assert!(!output.status.success() && said(&output).contains("symbolic link"), "{}", said(&output));
    assert_eq!(fs::read_dir(container.path("elsewhere")).unwrap().count(), 0);
}

#[test]
fn registers_that_point_anywhere_cost_nothing() {
    let container = Container::new();
    container.settings("[retention]\nburst = \"100/1h\"\n");
    let mut head = container.head();
    for pointer in [0, 1, u64::MAX, 1 << 63, 0xffff_8000_0000_0000] {
        let mut head = head.clone();
        head.notes[0].2[112..112 + 216].fill(0xff);
        head.notes[0].2[112 + 152..112 + 160].copy_from_slice(&pointer.to_le_bytes());
        let before = container.dumps().len();
        let output = container.crash(&head.bytes(), &[]);
        assert_eq!(container.dumps().len(), before + 1, "{pointer:#x}: {}", said(&output));
    }
    // Thousands of threads, all with the same stack.
    let (_, _, status) = head.notes[0].clone();
    for _ in 0..3000 {
        head.note("CORE", 1, status.clone());
    }
    let output = container.crash(&head.bytes(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let sizes = container.dumps().iter().map(|path| path.metadata().unwrap().len()).max().unwrap();
    assert!(sizes < 3 << 20, "{sizes}");
}

#[test]
fn another_mount_namespace_does_not_leave_the_container() {
    let groups = |path: &str| vec![Cgroup { controllers: String::new(), path: path.into() }];
    let own = fs::read("/proc/self/cgroup").unwrap();
    let ours = oci_minidump::proc::cgroup::parse(&own);
    // The process is where its record says by its cgroup, although its mount namespace is another one.
    let by_group = Container::with(&["--mount"], |record| {
        record.cgroups = ours.clone();
        record.mount_namespace = Some(1);
    });
    let output = by_group.crash(&by_group.head().bytes(), &[]);
    assert_eq!(by_group.dumps().len(), 1, "{}", said(&output));
    // The cgroup of another container decides against the mount namespace.
    let by_namespace = Container::with(&["--mount"], |record| record.cgroups = groups("/another"));
    by_namespace.crash(&by_namespace.head().bytes(), &[]);
    assert_eq!(by_namespace.dumps().len(), 1);
    let mut deeper = by_namespace.record.clone();
    (deeper.id, deeper.core, deeper.cgroups, deeper.mount_namespace) = ("other".into(), false, ours, None);
    deeper.write(&by_namespace.path("records")).unwrap();
    let output = by_namespace.crash(&by_namespace.head().bytes(), &["/bin/true"]);
    assert!(output.status.success());
    assert_eq!(by_namespace.dumps().len(), 1, "{}", said(&output));
}

#[test]
fn when_two_containers_may_be_meant_none_is() {
    let container = Container::new();
    let mut twin = container.record.clone();
    twin.id = "twin".into();
    twin.write(&container.path("records")).unwrap();
    let output = container.crash(&container.head().bytes(), &["/bin/true"]);
    assert!(output.status.success() && container.dumps().is_empty(), "{}", said(&output));
}

#[test]
fn a_record_of_a_run_that_has_ended_decides_nothing_by_its_namespace() {
    let container = Container::with(&["--mount"], |record| record.init.1 += 1);
    let output = container.crash(&container.head().bytes(), &["/bin/true"]);
    assert!(output.status.success() && container.dumps().is_empty(), "{}", said(&output));
}

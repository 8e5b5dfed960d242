//! The command lines that the book and the manual pages show, line by line. Those of the README are in `quick_start`.

use std::fs;

use crate::example_host::{ExampleHost, Line};
use crate::files::{documents, root};
use crate::markdown::Document;

/// Where the documents keep bundles.
const PLACE_BUNDLES: &str = "mkdir -p /opt/bundles && cp -r my-app /opt/bundles/ || exit 99";
/// A run that leaves its image behind, as after a power cut.
const LEAVE_IMAGE: &str = "cp my-app/config.json kept.json; \
    python3 -c 'import json; c = json.load(open(\"kept.json\")); del c[\"hooks\"][\"poststop\"]; \
    json.dump(c, open(\"my-app/config.json\", \"w\"))'; crun run --bundle my-app my-app-1; cp kept.json my-app/config.json";

/// The command lines of the section `title`.
pub(crate) fn section(path: &str, title: &str) -> Vec<String> {
    let text = Document::open(&root().join(path)).section(title);
    let section = Document { path: path.into(), text };
    let blocks = section.blocks().into_iter().filter(|block| block.language == "sh");
    blocks.flat_map(|block| block.lines).collect()
}

/// Puts `extra` in front of the one line that starts with `before`.
fn insert(lines: &mut Vec<String>, before: &str, extra: &[&str]) {
    let at = lines
        .iter()
        .position(|line| line.starts_with(before))
        .unwrap_or_else(|| panic!("{before}: {lines:#?}"));
    lines.splice(at..at, extra.iter().map(|&line| line.to_owned()));
}

/// The one line that starts with `start`.
fn find<'a>(lines: &'a [Line], start: &str) -> &'a Line {
    let mut found = lines.iter().filter(|line| line.text.starts_with(start));
    let line = found.next().unwrap_or_else(|| panic!("{start}: {lines:#?}"));
    assert!(found.next().is_none(), "{start}: {lines:#?}");
    line
}

#[test]
fn of_the_hook() {
    let host = ExampleHost::new();
    host.make_bundle();
    let mut lines = section("docs/man/oci-minidump-hook.1.md", "Examples");
    insert(&mut lines, "oci-minidump-hook harvest", &[LEAVE_IMAGE]);
    let done = host.run("", &lines);
    for start in ["add", "check", "list", "info", "harvest", "sweep"] {
        let line = find(&done, &format!("oci-minidump-hook {start}"));
        assert_eq!(line.status, 0, "{line:?}\n{done:#?}");
    }
    assert_eq!(find(&done, "crun run").status, 128 + 11, "{done:#?}");
    let info = find(&done, "oci-minidump-hook info");
    assert!(info.output.contains("SIGSEGV") && info.output.contains("0x1234"), "{info:?}");
    let harvest = find(&done, "oci-minidump-hook harvest");
    assert!(harvest.output.contains(".dmp"), "{harvest:?}");
}

#[test]
fn of_the_stacks() {
    let host = ExampleHost::new();
    let sample = root().join("tests/data/minidumps/breakpad-thread-uid1000.dmp");
    let dirs = "/var/lib/symbols /var/lib/minidumps /var/lib/oci-minidump/dumps";
    let sample = sample.display();
    let place = format!(
        "mkdir -p {dirs} && cp {sample} /var/lib/minidumps/a.dmp && cp {sample} /var/lib/oci-minidump/dumps/ || exit 99"
    );
    for (path, title) in [("docs/man/oci-minidump-stack.1.md", "Examples"), ("docs/stacks.md", "Use")] {
        let lines = section(path, title);
        assert!(lines.len() >= 3, "{lines:?}");
        let done = host.run(&place, &lines);
        for line in &done {
            assert_eq!(line.status, 0, "{line:?}\n{done:#?}");
        }
        let info = find(&done, "oci-minidump-stack info --symbols");
        assert!(info.output.contains("context       crashbp+0x573ca"), "{info:?}");
    }
}

#[test]
fn of_the_daemon() {
    let host = ExampleHost::new();
    host.make_bundle();
    fs::create_dir(host.path("specs")).unwrap();
    let spec = root().join("tests/data/dobby-specs/accepted/minimal/spec.json");
    fs::copy(spec, host.path("specs/my-app.json")).unwrap();
    let mut lines = ["# in one terminal", "ocicontainer serve", "# in another"].map(str::to_owned).to_vec();
    lines.extend(section("docs/man/ocicontainer.1.md", "Examples"));
    insert(&mut lines, "ocicontainer exec", &["start_sleeper"]);
    insert(&mut lines, "ocicontainer convert-spec", &["stop_sleeper", "cd specs"]);
    lines.extend(section("docs/man/ocicontainer-api.7.md", "Examples"));
    let add = "oci-minidump-hook add my-app --container-source /opt/minidumps \
               --host-destination /var/lib/oci-minidump/dumps >&2 || exit 99";
    // A container with programs of the host's busybox in it.
    let sleeper = format!(
        "start_sleeper() {{ mkdir /opt/bundles/my-app/rootfs/bin; cp /bin/busybox /opt/bundles/my-app/rootfs/bin/cat; \
         ocicontainer start {id} /opt/bundles/my-app -- /app /opt/minidumps sleep 1000; }}\n\
         stop_sleeper() {{ ocicontainer stop --force {id}; ocicontainer wait {id}; true; }}",
        id = host.id()
    );
    let done = host.run(&format!("{add}\n{PLACE_BUNDLES}\n{sleeper}"), &lines);
    for line in &done {
        assert_eq!(line.status, 0, "{line:?}\n{done:#?}");
    }
    assert!(find(&done, "ocicontainer wait").output.contains("signal 11"), "{done:#?}");
    assert!(find(&done, "ocicontainer exec").output.contains("MemTotal"), "{done:#?}");
    assert!(find(&done, "ocicontainer dumps info").output.contains("SIGSEGV"), "{done:#?}");
    assert!(find(&done, "curl").output.contains(r#""containers":[]"#), "{done:#?}");
}

/// Every block of command lines is run by a test, but for those that name what a test must not do.
#[test]
fn no_block_is_left_out() {
    // Each with the place that runs its lines, or the reason why no test can.
    let covered: [(&str, &str); 13] = [
        ("README.md", "quick_start"),
        ("docs/man/oci-minidump-hook.1.md", "of_the_hook"),
        ("docs/man/oci-minidump-stack.1.md", "of_the_stacks"),
        ("docs/stacks.md", "of_the_stacks"),
        ("docs/man/ocicontainer.1.md", "of_the_daemon"),
        ("docs/man/ocicontainer-api.7.md", "of_the_daemon"),
        ("docs/commands.md", "copy"),
        ("docs/engines.md", "quick_start::podman, the same line"),
        (
            "docs/rdk.md",
            "it installs into the host; the tests of the feature dbus do so, and call, apart from it",
        ),
        ("docs/crashes.md", "it sets the core_pattern of the host; scripts/test-vm does so in a guest"),
        ("docs/operators.md", "it changes the units of the host's systemd"),
        ("docs/developers/adding.md", "it rewrites the checked-in pages that `pages` compares"),
        ("CONTRIBUTING.md", "it starts the tests that run this one"),
    ];
    for path in documents() {
        let document = Document::open(&path);
        if document.blocks().iter().any(|block| block.language == "sh") {
            let shown = document.shown();
            assert!(
                covered.iter().any(|(path, _)| *path == shown),
                "no test runs the command lines of {shown}"
            );
        }
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for line in section("docs/engines.md", "podman") {
        assert!(readme.contains(&line), "{line}");
    }
}

//! The list of what is installed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{ROOT, done, script};

/// Where the files of these parts lie, below the prefix.
pub(crate) fn places(parts: &[&str]) -> Vec<String> {
    let list = fs::read_to_string(Path::new(ROOT).join("scripts/package/files")).unwrap();
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut places: Vec<String> =
        lines.filter(|words| parts.contains(&words[0])).map(|words| words[3].to_owned()).collect();
    places.sort();
    places
}

/// Every file and link below a directory, without it.
pub(crate) fn files_below(dir: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                files.push(entry.path().strip_prefix(dir).unwrap().display().to_string());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn everything_is_installed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let install = |args: &[&str]| {
        done(script("install").env("DESTDIR", dir.path()).args(["--prefix", "/opt/x y"]).args(args))
    };
    let prefix = dir.path().join("opt/x y");
    install(&[]);
    assert_eq!(files_below(&prefix), places(&["hook"]));
    install(&["--daemon"]);
    assert_eq!(files_below(&prefix), places(&["hook", "daemon"]));
    install(&["--stack"]);
    assert_eq!(files_below(&prefix), places(&["hook", "daemon", "stack"]));
    for bad in ["relative", "/a&b", "/a#b", "/a\"b"] {
        let refused = script("install").args(["--prefix", bad]).status().unwrap();
        assert_eq!(refused.code(), Some(2), "{bad}");
    }
    // What names programs names them where they will lie.
    let json =
        fs::read_to_string(prefix.join("share/containers/oci/hooks.d/oci-minidump-prestart.json")).unwrap();
    assert!(json.contains("\"/opt/x y/libexec/oci/hooks.d/oci-minidump-hook\""), "{json}");
    for (unit, program) in [
        ("oci-minidump-sweep.service", "\"/opt/x y/libexec/oci/hooks.d/oci-minidump-hook\" sweep --json"),
        ("oci-minidump-watch.service", "\"/opt/x y/libexec/oci/hooks.d/oci-minidump-hook\" sweep --watch"),
        ("ocicontainer.service", "\"/opt/x y/bin/ocicontainer\" serve"),
    ] {
        let text = fs::read_to_string(prefix.join("lib/systemd/system").join(unit)).unwrap();
        assert!(text.contains(&format!("ExecStart={program}")), "{text}");
    }
    let link = prefix.join("bin/oci-minidump-hook");
    assert!(fs::metadata(&link).unwrap().len() > 0, "it leads to the program");
    // What somebody else put there stays.
    let other = prefix.join("share/doc/oci-minidump/mine");
    fs::write(&other, "").unwrap();
    install(&["--remove"]);
    install(&["--daemon", "--remove"]);
    install(&["--stack", "--remove"]);
    assert_eq!(files_below(&prefix), ["share/doc/oci-minidump/mine"]);
}

#[test]
fn every_document_and_unit_is_in_the_list() {
    let list = fs::read_to_string(Path::new(ROOT).join("scripts/package/files")).unwrap();
    for dir in ["docs/man", "scripts/completions", "scripts/systemd", "scripts/dbus", "hooks"] {
        for file in files_below(&Path::new(ROOT).join(dir)) {
            let source = PathBuf::from(dir).join(&file).display().to_string();
            let is_source = file.ends_with(".md") || file.ends_with(".fragment");
            assert!(is_source || list.contains(&format!(" {source} ")), "{source} is never installed");
        }
    }
}

#[test]
fn podman_is_named_where_it_does_not_look() {
    let dir = tempfile::tempdir().unwrap();
    let output = script("install").arg("--prefix").arg(dir.path()).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && message.contains("hooks_dir"), "{message}");
}

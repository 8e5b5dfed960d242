//! Writing and removing bundles.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use oci_minidump::dobby::{Input, convert_spec, remove};
use oci_minidump::error::ErrorKind;
use serde_json::{Value, json};

use crate::examples::tempdir;
use crate::specs::{converted, host, minimal, with};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_bundle_is_written_and_removed() {
    let dir = tempdir("written");
    let spec = dir.join("spec.json");
    fs::write(&spec, format!("/* the spec */ {} trailing", minimal())).unwrap();
    fs::create_dir(dir.join("empty")).unwrap();
    for name in ["new", "empty"] {
        let bundle = dir.join(name);
        let conversion = convert_spec(&spec, &bundle, &host()).unwrap();
        let config = fs::read_to_string(bundle.join("config.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&config).unwrap(), conversion.config);
        assert_eq!(names(&bundle), ["config.json", "rootfs"]);
        for (path, mode) in [("", 0o755), ("rootfs", 0o755), ("config.json", 0o644)] {
            let metadata = fs::metadata(bundle.join(path)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{path}");
        }
        remove(&bundle).unwrap();
        assert_eq!(names(&dir).len(), if name == "new" { 2 } else { 1 });
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn nothing_is_left_after_a_failure() {
    let dir = tempdir("failed");
    let conversion = converted(&minimal());
    fs::create_dir(dir.join("full")).unwrap();
    fs::write(dir.join("full/file"), "kept").unwrap();
    fs::write(dir.join("file"), "kept").unwrap();
    symlink("full", dir.join("link")).unwrap();
    let before = names(&dir);
    for (name, kind) in [
        ("full", ErrorKind::Busy),
        ("file", ErrorKind::Busy),
        ("link", ErrorKind::Busy),
        ("missing/bundle", ErrorKind::System),
        ("/", ErrorKind::Busy),
    ] {
        let error = conversion.write(&dir.join(name)).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {}", error.report());
        assert_eq!(names(&dir), before, "{name}");
    }
    assert_eq!(fs::read_to_string(dir.join("full/file")).unwrap(), "kept");

    let too_long = format!("/{}", "x".repeat(300));
    let fields = json!({"mounts": [{"source": "s", "destination": too_long, "type": "tmpfs"}]});
    let error = converted(&with(&fields)).write(&dir.join("half")).unwrap_err();
    assert!(error.report().contains("cannot make the directory"), "{}", error.report());
    let spec = dir.join("spec.json");
    fs::write(&spec, "{\"version\": \"1.0\"}").unwrap();
    let error = convert_spec(&spec, &dir.join("half"), &host()).unwrap_err();
    assert!(error.report().starts_with(&format!("{}: the Dobby spec is refused", spec.display())));
    fs::remove_file(spec).unwrap();
    assert_eq!(names(&dir), before);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn only_bundles_without_mounts_are_removed() {
    let dir = tempdir("removed");
    assert_eq!(remove(&dir).unwrap_err().kind(), ErrorKind::Config);
    let bundle = dir.join("a bundle");
    converted(&minimal()).write(&bundle).unwrap();
    let place = bundle.join("rootfs/home/private");
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("tmpfs"), &place, Some("tmpfs"), flags, None::<&str>).unwrap();
    let refused = remove(&bundle);
    nix::mount::umount(&place).unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(names(&bundle), ["config.json", "rootfs"]);
    remove(&bundle).unwrap();
    fs::remove_dir(dir).unwrap();
}

#[test]
fn specs_in_files_are_read_with_care() {
    let dir = tempdir("input");
    let path = dir.join("spec.json");
    let read = |value: &Value| Input::new(value).and_then(Input::read);
    let file = json!(path.to_str().unwrap());
    assert_eq!(read(&file).unwrap_err().kind(), ErrorKind::Config);
    fs::write(&path, [b'{', 0xff, b'}']).unwrap();
    assert!(read(&file).unwrap_err().to_string().contains("is not UTF-8"));
    fs::write(&path, minimal().to_string()).unwrap();
    assert_eq!(read(&file).unwrap(), minimal());
    assert_eq!(read(&json!(minimal().to_string())).unwrap(), minimal());
    assert_eq!(read(&minimal()).unwrap(), minimal());
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(read(&file).unwrap_err().to_string().contains("is not a regular file"));
    fs::remove_dir_all(dir).unwrap();
}

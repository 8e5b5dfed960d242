//! Packages and releases.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::list::{files_below, places};
use crate::{done, made, script};

/// What a package has below `usr`: manual pages are compressed there, and it names the licences of what is linked in.
fn packed(renamed: &[(&str, &str)]) -> Vec<String> {
    let mut places = places(&["hook", "daemon", "stack"]);
    places.push("share/doc/oci-minidump/third-party-licences.txt".to_owned());
    for place in &mut places {
        if place.starts_with("share/man/") {
            place.push_str(".gz");
        }
        if let Some((_, new)) = renamed.iter().find(|(old, _)| place.ends_with(old)) {
            *place = format!("share/doc/oci-minidump/{new}");
        }
    }
    places.sort();
    places
}

#[test]
fn a_debian_package_is_installed_upgraded_and_purged() {
    let dir = tempfile::tempdir().unwrap();
    let package = made(script("package/deb").arg(dir.path()));
    let root = dir.path().join("root");
    for sub in
        ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log/ocicontainer", "var/lib/oci-minidump/dumps"]
    {
        fs::create_dir_all(root.join(sub)).unwrap();
    }
    for file in ["status", "available"] {
        fs::write(root.join("var/lib/dpkg").join(file), "").unwrap();
    }
    let dpkg = |args: &[&str], last: &Path| {
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", root.display())).arg("--force-script-chrootless");
        done(
            command
                .args(["--log=/dev/null"])
                .args(args)
                .arg(last)
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        )
    };
    dpkg(&["--install"], &package);
    let names = [("/LICENSE", "copyright"), ("/CHANGELOG.md", "changelog.gz")];
    assert_eq!(files_below(&root.join("usr")), packed(&names));
    let version = done(Command::new(root.join("usr/bin/oci-minidump-hook")).arg("--version"));
    assert_eq!(version.trim(), format!("oci-minidump-hook {}", env!("CARGO_PKG_VERSION")));
    let state = |name: &str| root.join("var/lib/oci-minidump").join(name);
    fs::create_dir(state("spool")).unwrap();
    for name in ["image-dirs", "dump-dirs", "counts", "spool/1.json", "dumps/a.dmp"] {
        fs::write(state(name), "").unwrap();
    }
    for name in ["a.log", "a.log.1", "a.times"] {
        fs::write(root.join("var/log/ocicontainer").join(name), "").unwrap();
    }
    dpkg(&["--install"], &package);
    assert!(state("image-dirs").exists());
    dpkg(&["--remove"], Path::new("oci-minidump"));
    assert!(!root.join("usr/bin/ocicontainer").exists() && state("image-dirs").exists());
    dpkg(&["--install"], &package);
    dpkg(&["--purge"], Path::new("oci-minidump"));
    assert_eq!(files_below(&root.join("usr")), [""; 0]);
    // Nothing is removed that a person may want.
    assert_eq!(files_below(&root.join("var/lib/oci-minidump")), ["dumps/a.dmp"]);
    assert_eq!(files_below(&root.join("var/log")), [""; 0]);
}

#[test]
fn an_rpm_package_has_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let package = made(script("package/rpm").arg(dir.path()));
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let mut install = Command::new("rpm");
    install.arg("--root").arg(&root).args(["--install", "--nodeps", "--noscripts"]).arg(&package);
    done(&mut install);
    assert_eq!(files_below(&root.join("usr")), packed(&[]));
    let version = done(Command::new(root.join("usr/bin/oci-minidump-hook")).arg("--version"));
    assert!(version.contains(env!("CARGO_PKG_VERSION")));
    let mut remove = Command::new("rpm");
    done(remove.arg("--root").arg(&root).args(["--erase", "--noscripts", "oci-minidump"]));
    assert_eq!(files_below(&root.join("usr")), [""; 0]);
}

#[test]
fn a_release_is_made_of_the_same_bytes_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| {
        let out = dir.path().join(name);
        done(script("release").arg(&out));
        done(Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&out));
        fs::read_to_string(out.join("SHA256SUMS")).unwrap()
    });
    assert_eq!(first, second);
    let endings = [".cdx.json", ".deb", ".rpm", ".tar.gz"];
    let names: Vec<&str> = first.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
    assert!(endings.iter().all(|ending| names.iter().any(|name| name.ends_with(ending))), "{names:?}");
    let bill = names.iter().find(|name| name.ends_with(".cdx.json")).unwrap();
    let bill: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("first").join(bill)).unwrap()).unwrap();
    let parts = bill["components"].as_array().unwrap();
    let has = |name: &str| {
        parts.iter().any(|part| part["name"] == name && part["hashes"][0]["content"].is_string())
    };
    // Linked in; a macro; only for tests.
    assert!(has("rustix") && has("tokio") && !has("clap_derive") && !has("tempfile"), "{bill}");
}

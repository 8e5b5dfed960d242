//! Files in and out of a container, as the book shows it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use serde_json::{Value, json};

use crate::example_host::{ExampleHost, Line};
use crate::examples::section;

/// A container that goes on, with busybox in it.
const START: &str = "\
ocicontainer serve 2>daemon.log & daemon=$!
until grep -q 'answering on http' daemon.log; do kill -0 $daemon || exit 99; done
ocicontainer start my-app-1 my-app >&2 || exit 99
mkdir to-app && echo new >to-app/new && ln -s new to-app/link
";

/// What a hostile container calls an archive.
const EVIL: &str = "\
import io, os, tarfile
world = os.environ['WORLD']
tar = tarfile.open('my-app/rootfs/evil.tar', 'w')
def add(name, kind=tarfile.REGTYPE, link='', mode=0o644):
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode, member.size = kind, link, mode, 5 if kind == tarfile.REGTYPE else 0
    member.devmajor, member.devminor = 1, 1
    tar.addfile(member, io.BytesIO(b'evil\\n'))
add('../escaped')
add(world + '/escaped')
add('link', tarfile.SYMTYPE, world)
add('link/escaped')
add('hard', tarfile.LNKTYPE, '../to-app/new')
add('device', tarfile.CHRTYPE)
add('suid', mode=0o4755)
";

fn host() -> ExampleHost {
    let host = ExampleHost::new();
    host.make_bundle();
    let rootfs = host.path("my-app/rootfs");
    for dir in ["bin", "tmp", "etc", "opt/data/below"] {
        fs::create_dir_all(rootfs.join(dir)).unwrap();
    }
    fs::copy("/bin/busybox", rootfs.join("bin/busybox")).unwrap();
    for name in ["sh", "cat", "tar", "sleep"] {
        symlink("busybox", rootfs.join("bin").join(name)).unwrap();
    }
    fs::write(rootfs.join("etc/app.conf"), "setting = 1\n").unwrap();
    fs::write(rootfs.join("opt/data/below/file"), "data\n").unwrap();
    let path = host.path("my-app/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["process"]["args"] = json!(["/bin/sleep", "1000"]);
    fs::write(path, config.to_string()).unwrap();
    host
}

fn run(host: &ExampleHost, preparation: &str, more: &[&str]) -> Vec<Line> {
    let mut lines = section("docs/commands.md", "Copy files");
    assert_eq!(lines.len(), 5, "{lines:#?}");
    lines.extend(more.iter().map(|&line| line.to_owned()));
    lines.push("ocicontainer delete --force my-app-1".to_owned());
    host.run(&format!("{preparation}{}", START.replace("my-app-1", &host.id())), &lines)
}

#[test]
fn files_go_in_and_out() {
    let host = host();
    let pause = ["ocicontainer pause my-app-1", "ocicontainer exec my-app-1 cat /etc/app.conf"];
    let lines = run(&host, "", &pause);
    assert!(lines[..6].iter().all(|line| line.status == 0), "{lines:#?}");
    assert_eq!(lines[6].output, "", "a paused container runs no command");
    assert_eq!(lines[6].status, 125, "{:?}", lines[6]);
    let read = |path: &str| fs::read_to_string(host.path(path)).unwrap();
    assert_eq!(read("app.conf"), "setting = 1\n");
    assert_eq!(read("from-app/below/file"), "data\n");
    assert_eq!(read("my-app/rootfs/tmp/app.conf"), "setting = 1\n");
    assert_eq!(read("my-app/rootfs/opt/data/new"), "new\n");
    let link = fs::read_link(host.path("my-app/rootfs/opt/data/link")).unwrap();
    assert_eq!(link.to_str(), Some("new"));
}

#[test]
fn a_hostile_archive_stays_where_it_is_unpacked() {
    let host = host();
    let tar = host.path("my-app/rootfs/bin/tar");
    fs::remove_file(&tar).unwrap();
    fs::write(&tar, "#!/bin/sh\nexec cat /evil.tar\n").unwrap();
    fs::set_permissions(&tar, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let lines = run(&host, &format!("python3 - <<'END' || exit 99\n{EVIL}END\n"), &[]);
    assert_ne!(lines[2].status, 0, "{lines:#?}");
    assert!(!host.path("escaped").exists());
    assert_eq!(fs::metadata(host.path("to-app/new")).unwrap().nlink(), 1);
    let unpacked = |name: &str| host.path("from-app").join(name).symlink_metadata();
    assert!(unpacked("device").is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound));
    assert!(unpacked("suid").is_ok_and(|file| file.uid() != 0 && !file.file_type().is_char_device()));
}

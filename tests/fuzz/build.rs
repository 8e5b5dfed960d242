//! Makes the file systems that the target `image` damages: small ones, each with what a container may have left in it.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// Name, size in KiB, and the options of `mke2fs`.
const TEMPLATES: [(&str, &str, &[&str]); 3] = [
    // The features of our own images.
    (
        "ours",
        "256",
        &[
            "-b",
            "1024",
            "-O",
            "none,has_journal,ext_attr,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,\
             dir_nlink,extra_isize,metadata_csum",
        ],
    ),
    // Block maps instead of extents, as in ext2 and ext3.
    ("map", "256", &["-b", "1024", "-O", "none,filetype,dir_index,large_file"]),
    // What mke2fs makes on its own today: descriptors of 64 bytes, blocks of 4096.
    (
        "wide",
        "512",
        &["-b", "4096", "-O", "none,extent,filetype,64bit,flex_bg,extra_isize,large_file,dir_index"],
    ),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    let content = out.join("content");
    if content.exists() {
        fs::remove_dir_all(&content).expect("cannot remove the old content");
    }
    fill(&content);
    for (name, size, options) in TEMPLATES {
        let image = out.join(format!("{name}.img"));
        let length: u64 = size.parse().expect("a number");
        File::create(&image).and_then(|file| file.set_len(length << 10)).expect("cannot make an image");
        let mut mke2fs = tool("mke2fs");
        mke2fs.args(["-q", "-F", "-t", "ext4", "-I", "256", "-N", "64", "-m", "0", "-L", "oci-minidump"]);
        mke2fs.args(["-U", "6f63692d-6d69-4e69-8475-6d7000000001"]);
        mke2fs.args(["-E", "root_owner=0:0,hash_seed=6f63692d-6d69-4e69-8475-6d7000000002"]);
        run(mke2fs.args(options).arg("-d").arg(&content).arg(&image), &[0]);
        // Only e2fsck gives the large directory its index.
        run(tool("e2fsck").args(["-f", "-y", "-D"]).arg(&image), &[0, 1]);
    }
}

/// Everything that the harvest looks at: dumps at the top and in Crashpad's folders, files that are none, holes, links
/// that lead away, a directory large enough to be indexed.
fn fill(content: &Path) {
    for dir in ["new", "pending", "completed", "other/one/two/three"] {
        fs::create_dir_all(content.join(dir)).expect("cannot make a directory");
    }
    let dump: Vec<u8> =
        b"MDMP\x93\xa7".iter().copied().chain((0..3000_u32).map(|n| n.to_le_bytes()[0])).collect();
    let write = |path: &str, bytes: &[u8]| {
        let file = File::create(content.join(path)).expect("cannot make a file");
        file.write_all_at(bytes, 0).expect("cannot write");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_262_304_000)).expect("cannot set the time");
    };
    write("a.dmp", &dump);
    write("new/b.dmp", &dump[..700]);
    write("other/c.dmp", &dump);
    write("other/one/two/e.dmp", &dump);
    write("other/one/two/three/too-deep.dmp", &dump);
    write("a.meta", b"metadata");
    write("new/b.meta", &[b'x'; 70_000]);
    write("text.dmp", b"no minidump");
    write("notes.txt", b"MDMP");
    // Many pieces, so that the extents need a tree.
    write("sparse.dmp", b"MDMP");
    let sparse = File::options().write(true).open(content.join("sparse.dmp")).expect("cannot open");
    for n in 1..12 {
        sparse.write_all_at(b"piece", n * 12_000).expect("cannot write");
    }
    symlink("a.dmp", content.join("link.dmp")).expect("cannot link");
    symlink("other", content.join("elsewhere")).expect("cannot link");
    fs::hard_link(content.join("a.dmp"), content.join("again.dmp")).expect("cannot link");
    for n in 0..60 {
        let name = format!("completed/a-name-of-some-length-{n:03}.dmp");
        fs::hard_link(content.join("text.dmp"), content.join(name)).expect("cannot link");
    }
    write("completed/d.dmp", &dump[..2000]);
}

/// A program of e2fsprogs, with nothing of this machine or this moment in what it makes.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    command.env("MKE2FS_CONFIG", "/dev/null").env("E2FSCK_CONFIG", "/dev/null");
    command.env("E2FSPROGS_FAKE_TIME", "1262304000");
    command
}

fn run(command: &mut Command, good: &[i32]) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let is_good = output.status.code().is_some_and(|code| good.contains(&code));
    assert!(is_good, "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

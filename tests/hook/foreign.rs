//! Destinations on file systems that refuse names, groups and modes: exFAT through FUSE, vfat where the kernel has it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use oci_minidump::harvest::crash_record::{self, CrashRecord};
use oci_minidump::image::mark::Mark;
use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::{hook_program, wait_until};
use crate::support::run::Run;

/// A file system: what makes it, what mounts it, and options.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    make: &'static str,
    mount: &'static str,
}

/// exFAT has no groups, modes, extended attributes, hard links or unnamed files, and its driver cannot rename without
/// replacing. vfat can do that alone.
fn kinds() -> Vec<Kind> {
    let exfat = Kind { name: "exfat", make: "mkfs.exfat", mount: "mount.exfat-fuse" };
    let vfat = Kind { name: "vfat", make: "mkfs.vfat", mount: "mount -t vfat" };
    let known = fs::read_to_string("/proc/filesystems").unwrap();
    let has_vfat = known.lines().any(|line| line.trim() == "vfat");
    if has_vfat { vec![exfat, vfat] } else { vec![exfat] }
}

/// Harvests an image into a new file system of a kind, where only this program sees it. Gives what lies in it
/// afterwards, by name.
fn harvest_into(world: &HookWorld, kind: &Kind, image: &Path) -> (Run, Vec<(String, Vec<u8>)>) {
    let (disk, point, copy) = (world.path("disk"), world.path("point"), world.path("copy"));
    if !disk.exists() {
        fs::File::create(&disk).unwrap().set_len(32 << 20).unwrap();
        let made = Command::new(kind.make).arg(&disk).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        fs::create_dir(&point).unwrap();
    }
    let script = format!(
        "device=$(losetup --find --show \"$1\") || exit 90
        {mount} \"$device\" \"$2\" >&2 || exit 91
        losetup --detach \"$device\"
        \"$4\" --settings \"$5\" harvest \"$6\" --to \"$2\"
        code=$?
        cp -r \"$2\" \"$3\" && umount \"$2\" || exit 92
        exit $code",
        mount = kind.mount
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]);
    command.args([&disk, &point, &copy, &hook_program(), &world.path("settings.toml")]).arg(image);
    let run = world.in_own_namespace(|| world.feed(command, ""));
    // Through FUSE, it is a process that lets go of the device.
    wait_until(|| world.leaks().is_empty());
    let files = crate::support::host::files_in(&copy).into_iter();
    let files =
        files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
    let files = files.collect();
    fs::remove_dir_all(copy).unwrap();
    (run, files)
}

#[test]
fn names_are_made_to_fit_and_every_dump_arrives() {
    for kind in kinds() {
        let world = HookWorld::new("crun");
        world.settings("group = 4242\nmode = \"0640\"\n[retention]\nmax_count = 1\n");
        let names = [
            "plain",
            "com.app<#=#>2026-11-22T01:02:03",
            "com.app<#=#>2026-11-22T01-02:03",
            "a:b",
            "con",
            "aux",
        ];
        let made = image(&world, DEFAULT_IMGSIZE, |dir| {
            for (n, name) in names.iter().enumerate() {
                fs::write(dir.join(format!("{name}.dmp")), whole_dump(5000 + n)).unwrap();
                fs::write(dir.join(format!("{name}.meta")), name).unwrap();
            }
        });
        let kept = fs::read(&made).unwrap();
        let (run, files) = harvest_into(&world, &kind, &made);
        let run = run.expect(0);
        let story = format!("{}: {files:?}\n{}", kind.name, run.story());
        assert!(!made.exists() && files.len() == 2 * names.len(), "{story}");
        for (n, name) in names.iter().enumerate() {
            let (dump, _) = files.iter().find(|(_, bytes)| *bytes == whole_dump(5000 + n)).expect(&story);
            let meta = dump.replace(".dmp", ".meta");
            assert!(files.contains(&(meta, name.as_bytes().to_vec())), "{name}: {story}");
        }
        for warning in ["does not take group 4242", "there is no retention in"] {
            assert_eq!(run.stderr().matches(warning).count(), 1, "{story}");
        }
        // What was harvested before is known again.
        fs::write(&made, kept).unwrap();
        fs::set_permissions(&made, fs::Permissions::from_mode(0o600)).unwrap();
        let (run, again) = harvest_into(&world, &kind, &made);
        assert!(again == files && run.stdout().matches("harvested before").count() == names.len(), "{story}");
    }
}

/// Without extended attributes nothing can be counted, so that everything is kept; records need none.
#[test]
fn crash_records_lie_beside_their_dumps_and_crash_loops_stay_whole() {
    for (kind, place) in kinds().into_iter().flat_map(|kind| [(kind, "true"), (kind, "\"xattr\"")]) {
        let world = HookWorld::new("crun");
        world.settings(&format!(
            "crash_records = {place}\n[retention]\nburst = \"2/1h\"\nper_container_count = 2\n"
        ));
        let names = ["plain", "com.app<#=#>2026-11-22T01:02:03", "a:b", "con", "aux", "x.dmp"];
        let made = image(&world, DEFAULT_IMGSIZE, |dir| {
            for (n, name) in names.iter().enumerate() {
                fs::write(dir.join(format!("{name}.dmp")), whole_dump(5000 + n)).unwrap();
            }
        });
        let mark = Mark { container: Some("app".to_owned()), ..Mark::default() };
        mark.write(&fs::File::open(&made).unwrap());
        let kept = fs::read(&made).unwrap();
        let (run, files) = harvest_into(&world, &kind, &made);
        let story = format!(
            "{}: {:?}\n{}",
            kind.name,
            files.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            run.story()
        );
        assert!(run.code() == Some(0) && !made.exists() && files.len() == 2 * names.len(), "{story}");
        let said = run.stderr().matches("does not take crash records as extended attributes").count();
        assert_eq!(said, usize::from(place != "true"), "{story}");
        for n in 0..names.len() {
            let (dump, bytes) = files.iter().find(|(_, bytes)| *bytes == whole_dump(5000 + n)).expect(&story);
            let record = crash_record::file_name(dump);
            let (_, text) = files.iter().find(|(name, _)| *name == record).expect(&story);
            let record: CrashRecord = serde_json::from_slice(text).unwrap();
            assert_eq!(
                (record.size, record.container.as_deref()),
                (bytes.len() as u64, Some("app")),
                "{story}"
            );
        }
        // Done again, nothing is added.
        fs::write(&made, kept).unwrap();
        fs::set_permissions(&made, fs::Permissions::from_mode(0o600)).unwrap();
        mark.write(&fs::File::open(&made).unwrap());
        let (run, again) = harvest_into(&world, &kind, &made);
        assert!(run.code() == Some(0) && again == files, "{story}\n{}", run.story());
    }
}

//! Where the dumps are: `list`, and `info` without a file.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;

use serde_json::Value;

use crate::images::{dump_bytes, harvest, image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::command;

fn listed(world: &HookWorld, more: &[&str]) -> Vec<Value> {
    let run = world.hook(&[&["list", "--json"], more].concat()).expect(0);
    let list: Value =
        serde_json::from_slice(&run.output.stdout).unwrap_or_else(|_| panic!("{}", run.story()));
    list.as_array().unwrap().clone()
}

fn column(list: &[Value], name: &str) -> Vec<String> {
    list.iter().map(|entry| entry[name].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn dumps_are_found_with_container_and_program_wherever_they_were_brought() {
    let world = HookWorld::new("crun");
    let (first, second) = (world.bundle("app", &["segv"]), world.bundle("other", &["abort"]));
    let elsewhere = world.path("elsewhere");
    second.edit(|config| {
        config["rdkPlugins"]["minidump"]["data"]["paths"][0]["hostDestination"] =
            elsewhere.to_str().unwrap().into();
    });
    world.run(&first, "one");
    // Minidumps know the second of a crash.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let run = world.run(&second, "two");
    let all = listed(&world, &[]);
    let (one, two) = (world.id("one"), world.id("two"));
    assert_eq!(column(&all, "container"), [&*two, &*one], "{}", run.story());
    assert_eq!(column(&all, "signal"), ["SIGABRT", "SIGSEGV"]);
    assert_eq!(column(&all, "program"), ["crasher", "crasher"]);
    let paths = column(&all, "path");
    assert!(
        paths[0].starts_with(elsewhere.to_str().unwrap()) && fs::metadata(&paths[0]).is_ok(),
        "{paths:?}"
    );
    assert_eq!(column(&listed(&world, &["--container", &one]), "signal"), ["SIGSEGV"]);
    assert_eq!(listed(&world, &["--program", "crasher", "--since", "1h", "--until", "2100-01-01"]).len(), 2);
    assert_eq!(listed(&world, &["--program", "crash"]).len(), 0);
    assert_eq!(listed(&world, &["--until", "2020-01-01"]).len(), 0);
    assert_eq!(listed(&world, &[elsewhere.to_str().unwrap()]).len(), 1);

    let run = world.hook(&["list"]).expect(0);
    let text = String::from_utf8(run.output.stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("TIME ") && lines.len() == 3, "{text}");
    for part in [&*two, "SIGABRT", "crasher", "whole", &*paths[0]] {
        assert!(lines[1].contains(part), "{part}: {text}");
    }
    let info = world.hook(&["info"]).expect(0);
    let text = String::from_utf8(info.output.stdout.clone()).unwrap();
    assert!(text.contains("SIGABRT") && text.contains(&paths[0]), "{text}");
}

#[test]
fn a_success_leaves_a_line_in_syslog() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["segv"]);
    let lines = world.in_own_namespace(|| {
        // A /dev/log that no other test sees.
        let layer = world.path("layer");
        fs::create_dir(&layer).unwrap();
        command("mount", &["-t", "tmpfs", "tmpfs", layer.to_str().unwrap()].map(AsRef::as_ref));
        let [upper, work] = ["upper", "work"].map(|name| layer.join(name));
        for dir in [&upper, &work] {
            fs::create_dir(dir).unwrap();
        }
        let layers = format!("lowerdir=/dev,upperdir={},workdir={}", upper.display(), work.display());
        command("mount", &["-t", "overlay", "-o", &layers, "overlay", "/dev"].map(AsRef::as_ref));
        let syslog = UnixDatagram::bind("/dev/log").unwrap();
        world.run(&bundle, "c");
        syslog.set_nonblocking(true).unwrap();
        let mut message = [0; 4096];
        let messages = std::iter::from_fn(|| syslog.recv(&mut message).ok().map(|n| message[..n].to_vec()));
        messages.map(|text| String::from_utf8(text).unwrap()).collect::<Vec<_>>()
    });
    fs::remove_dir(world.path("layer")).unwrap();
    let line = lines
        .iter()
        .find(|line| line.contains("harvested a minidump"))
        .unwrap_or_else(|| panic!("{lines:?}"));
    let dump = world.dump();
    for part in ["oci-minidump-hook", &*world.id("c"), "crasher", "SIGSEGV", dump.to_str().unwrap()] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn what_lies_among_the_dumps_does_no_harm() {
    let world = HookWorld::new("crun");
    let made = image(&world, 8 << 20, |dir| fs::write(dir.join("a.dmp"), dump_bytes(5000)).unwrap());
    harvest(&world, &made).expect(0);
    let dir = world.dumps_dir();
    symlink("/etc/passwd", dir.join("link.dmp")).unwrap();
    fs::create_dir(dir.join("dir.dmp")).unwrap();
    command("mkfifo", &[dir.join("fifo.dmp").as_ref()]);
    let name = std::ffi::OsString::from(format!("{}.dmp", "\u{1b}[2J\n".repeat(20)));
    fs::write(dir.join(name), "no dump").unwrap();
    let run = world.hook(&["list", dir.to_str().unwrap()]).expect(0);
    let text = String::from_utf8(run.output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(listed(&world, &[dir.to_str().unwrap()]).len(), 2);
    world.hook(&["list", "/nowhere"]).expect(1);
}

#[test]
fn a_truncated_dump_is_shown_as_such_and_a_destination_without_dumps_as_empty() {
    let world = HookWorld::new("crun");
    let made = image(&world, 8 << 20, |dir| fs::write(dir.join("cut.dmp"), &whole_dump(5000)[..60]).unwrap());
    harvest(&world, &made).expect(0);
    let run = world.hook(&["list", world.dumps_dir().to_str().unwrap()]).expect(0);
    let text = String::from_utf8(run.output.stdout.clone()).unwrap();
    assert!(text.contains("truncated"), "{text}");
    let empty = world.path("empty");
    fs::create_dir(&empty).unwrap();
    let run = world.hook(&["list", empty.to_str().unwrap()]).expect(0);
    assert_eq!(String::from_utf8(run.output.stdout.clone()).unwrap().lines().count(), 1);
}

#[test]
fn of_too_many_dumps_the_newest_are_listed() {
    let world = HookWorld::new("crun");
    let dir = world.path("many");
    fs::create_dir(&dir).unwrap();
    let at = |n: u64| std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 + n);
    for n in 0..10_003_u64 {
        let file = fs::File::create(dir.join(format!("{n}.dmp"))).unwrap();
        file.set_modified(at(n)).unwrap();
    }
    let run = world.hook(&["list", "--json", dir.to_str().unwrap()]).expect(0);
    let list: Value = serde_json::from_slice(&run.output.stdout).unwrap();
    let names = column(list.as_array().unwrap(), "file");
    assert_eq!((names.len(), &*names[0], &*names[9999]), (10_000, "10002.dmp", "3.dmp"));
    assert!(run.stderr().contains("10003 dumps"), "{}", run.stderr());
}

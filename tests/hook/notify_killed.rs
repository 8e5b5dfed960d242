//! A harvest that hands over is killed before every call that changes something. Done again, every dump has been handed
//! over, and nothing waits.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::notify::{entries, image_with};
use crate::support::hook_world::HookWorld;
use crate::support::host::{files_in, hook_program};
use crate::support::programs::fault_injector;

const DUMPS: [&str; 2] = ["a.dmp", "b.dmp"];

/// Takes posts until it is asked to stop, and notes whose they were.
fn listen(listener: &TcpListener, taken: &Mutex<Vec<String>>, is_over: &AtomicBool) {
    for stream in listener.incoming() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let (mut stream, mut text, mut chunk) = (stream.unwrap(), String::new(), [0; 4096]);
        // One that was killed on its way has posted nothing.
        while !text.ends_with('}') {
            match stream.read(&mut chunk) {
                Ok(count) if count > 0 => text.push_str(&String::from_utf8_lossy(&chunk[..count])),
                _ => break,
            }
        }
        let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
        let Ok(document) = serde_json::from_str::<Value>(body) else { continue };
        let path = Path::new(document["path"].as_str().unwrap()).file_name().unwrap().to_owned();
        taken.lock().unwrap().push(path.to_string_lossy().into_owned());
        let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    }
}

/// How many crashes were counted.
fn counted(world: &HookWorld) -> u64 {
    let text = fs::read_to_string(world.path("x.prom")).unwrap();
    let samples = text.lines().filter(|line| line.starts_with("oci_minidump_crashes_total{"));
    samples.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// Runs the hook, and kills it before this step. Gives whether it has ended before.
fn kill_at(world: &HookWorld, step: usize, words: &[&str]) -> bool {
    let report = world.path("report");
    let mut command = Command::new(fault_injector());
    command.arg(&report).args(["changes", &format!("kill@{step}")]).arg(hook_program());
    command.arg("--settings").arg(world.path("settings.toml")).args(words);
    let run = world.feed(command, "");
    let calls = fs::read_to_string(report).unwrap().lines().count();
    assert_eq!(run.code(), Some(if calls < step { 0 } else { 137 }), "{step}: {}", run.story());
    calls < step
}

/// A dump that has its name is handed over, also if its image never comes back.
#[test]
fn what_a_killed_harvest_has_published_is_handed_over_by_the_next_sweep() {
    let world = HookWorld::new("crun");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    world.settings(&format!(
        "crash_records = true\n[notify]\nwebhook = \"http://{address}/\"\nretry = \"0s\"\n"
    ));
    let left = world.path("left.img");
    fs::rename(image_with(&world, &DUMPS), &left).unwrap();
    let (taken, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let (image, to) = (world.path("gone.img"), world.dumps_dir());
    let words = ["harvest", image.to_str().unwrap(), "--to", to.to_str().unwrap()];
    std::thread::scope(|scope| {
        scope.spawn(|| listen(&listener, &taken, &is_over));
        for step in 1.. {
            fs::copy(&left, &image).unwrap();
            let has_survived = kill_at(&world, step, &words);
            let _removed = fs::remove_file(&image);
            let run = world.hook(&["sweep"]).expect(0);
            let run_again = world.hook(&["notify", "--now"]).expect(0);
            let posts = std::mem::take(&mut *taken.lock().unwrap());
            let different: BTreeSet<&str> = posts.iter().map(String::as_str).collect();
            let names = files_in(&to);
            let dumps = names.iter().filter_map(|path| path.file_name()?.to_str());
            let dumps: BTreeSet<&str> = dumps.filter(|name| name.ends_with(".dmp")).collect();
            let story = || format!("{step}: {posts:?} {} {}", run.story(), run_again.story());
            assert_eq!(different, dumps, "{}", story());
            // One may have been posted when the worker was killed.
            assert!(posts.len() <= dumps.len() + 1, "{}", story());
            for dir in [&to, &world.path("spool")] {
                let _none = fs::remove_dir_all(dir);
            }
            if has_survived {
                assert!(step > 30, "only {step} steps");
                break;
            }
        }
        is_over.store(true, Ordering::SeqCst);
        drop(std::net::TcpStream::connect(address).unwrap());
    });
}

#[test]
fn a_harvest_killed_at_every_step_hands_every_dump_over() {
    let world = HookWorld::new("crun");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    world.settings(&format!(
        "crash_records = true\n[notify]\nwebhook = \"http://{address}/\"\nmetrics = {:?}\nretry = \"0s\"\n",
        world.path("x.prom")
    ));
    let left = world.path("left.img");
    fs::rename(image_with(&world, &DUMPS), &left).unwrap();
    let (taken, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let (image, to) = (world.image("app"), world.dumps_dir());
    let words = ["harvest", image.to_str().unwrap(), "--to", to.to_str().unwrap()];
    let kill = |step: usize| kill_at(&world, step, &words);
    std::thread::scope(|scope| {
        scope.spawn(|| listen(&listener, &taken, &is_over));
        let mut steps = 0;
        loop {
            steps += 1;
            fs::copy(&left, &image).unwrap();
            let has_survived = kill(steps);
            if image.exists() {
                world.hook(&words).expect(0);
            }
            let run = world.hook(&["notify", "--now"]).expect(0);
            let posts = std::mem::take(&mut *taken.lock().unwrap());
            let different: BTreeSet<&str> = posts.iter().map(String::as_str).collect();
            assert_eq!(different, BTreeSet::from(DUMPS), "{steps}: {posts:?} {}", run.story());
            assert!(posts.len() <= 3, "{steps}: {posts:?}");
            assert!(entries(&world).is_empty(), "{steps}: {:?}", entries(&world));
            assert!((2..=3).contains(&counted(&world)), "{steps}: {} {}", counted(&world), run.story());
            for dir in [&to, &world.path("spool")] {
                fs::remove_dir_all(dir).unwrap();
            }
            for file in ["counts", "x.prom"] {
                fs::remove_file(world.path(file)).unwrap();
            }
            if has_survived {
                break;
            }
        }
        is_over.store(true, Ordering::SeqCst);
        drop(std::net::TcpStream::connect(address).unwrap());
        assert!(steps > 50, "only {steps} steps");
        println!("killed before each of {steps} calls");
    });
}

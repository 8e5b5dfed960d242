//! What is known of the past, whatever became of the clock, the disk and the daemons since.

use std::fs;

use oci_minidump::control::{Begin, ExitStatus, MAX_ENDED, MAX_EVENTS, Manager, Past};
use serde_json::json;

use crate::support::manager_world::{LONG, ManagerWorld};

fn numbers(past: &Past) -> Vec<u64> {
    past.events.iter().map(|event| event.number).collect()
}

/// A manager that finds a journal with an end for each of the times; the numbers begin with 10.
async fn with_journal(world: &ManagerWorld, times: impl Iterator<Item = Option<u64>>) -> Manager {
    fs::create_dir_all(&world.settings.state_dir).unwrap();
    let line = |(number, time): (u64, Option<u64>)| {
        let id = format!("c{number}");
        let event = json!({"Stopped": {"id": id, "descriptor": 5, "exit": {"Code": 3}}});
        let mut line = json!({"number": number, "attempt": 1, "event": event});
        if let Some(time) = time {
            line["time"] = time.into();
        }
        format!("{line}\n")
    };
    let lines: String = (10..).zip(times).map(line).collect();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let next = format!("{:016} {boot}", 10 + lines.lines().count());
    fs::write(world.settings.state_dir.join("+events"), lines).unwrap();
    fs::write(world.settings.state_dir.join("+events.next"), next).unwrap();
    world.open().await
}

#[tokio::test]
async fn a_clock_that_was_set_back_hides_no_event() {
    let world = ManagerWorld::new("clock", "crun");
    // The second one is of an earlier version of the daemon.
    let times = [Some(100), None, Some(300), Some(50), Some(400)];
    let manager = with_journal(&world, times.into_iter()).await;
    for (begin, expected, lost) in [
        (Begin::Oldest, &[10, 11, 12, 13, 14][..], false),
        (Begin::Time(200), &[12, 13, 14], false),
        (Begin::Time(100), &[10, 11, 12, 13, 14], false),
        (Begin::Time(401), &[], false),
        (Begin::After(12), &[13, 14], false),
        (Begin::After(14), &[], false),
        (Begin::After(9), &[10, 11, 12, 13, 14], false),
        (Begin::After(8), &[10, 11, 12, 13, 14], true),
        (Begin::After(15), &[10, 11, 12, 13, 14], true),
        (Begin::After(u64::MAX), &[10, 11, 12, 13, 14], true),
    ] {
        let past = manager.past(begin).await.unwrap();
        assert_eq!((numbers(&past), past.lost, past.more), (expected.to_vec(), lost, false), "{begin:?}");
    }
    let ended = manager.ended().await.unwrap();
    assert_eq!(ended.iter().map(|ended| ended.number).collect::<Vec<_>>(), [14, 13, 12, 11, 10]);
    assert_eq!((ended[3].time, ended[1].time, ended[1].exit), (None, Some(50), Some(ExitStatus::Code(3))));
}

#[tokio::test]
async fn a_long_past_is_bounded_and_comes_in_parts() {
    let world = ManagerWorld::new("long", "crun");
    let manager = with_journal(&world, (0..1200).map(Some)).await;
    let (mut begin, mut all) = (Begin::Oldest, Vec::new());
    loop {
        let past = manager.past(begin).await.unwrap();
        assert!(past.events.len() <= MAX_EVENTS && !past.lost);
        all.extend(numbers(&past));
        if !past.more {
            break;
        }
        begin = Begin::After(*all.last().unwrap());
    }
    assert_eq!(all, (10..1210).collect::<Vec<_>>());
    let ended = manager.ended().await.unwrap();
    assert_eq!((ended.len(), ended[0].number), (MAX_ENDED, 1209));
    // Half a line, of a disk that was full.
    let journal = world.settings.state_dir.join("+events");
    let mut text = fs::read(&journal).unwrap();
    text.truncate(text.len() - 20);
    fs::write(&journal, text).unwrap();
    assert_eq!(manager.ended().await.unwrap()[0].number, 1208);
}

#[tokio::test]
async fn one_that_is_there_again_has_not_ended() {
    let world = ManagerWorld::new("there", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.script("b", "exit 4"));
    assert!(manager.ended().await.unwrap().is_empty());
    for _ in 0..2 {
        world.start(&manager, &id, &bundle).await;
        manager.wait(&id, Some(LONG)).await.unwrap();
    }
    let ended = manager.ended().await.unwrap();
    assert_eq!((ended.len(), &ended[0].id, ended[0].exit), (1, &id, Some(ExitStatus::Code(4))));
    let sleeper = world.sleeper("c");
    world.start(&manager, &id, &sleeper).await;
    assert!(manager.ended().await.unwrap().is_empty());
    manager.delete(&id, true).await.unwrap();
    world.nothing_is_left(&manager).await;
}

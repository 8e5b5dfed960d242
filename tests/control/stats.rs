//! `info` against the kernel's own files.

use std::fs;

use serde_json::Value;

use crate::support::manager_world::ManagerWorld;
use crate::support::test_runtimes::runtimes;

/// A number from a cgroup file of version 1, wherever this host has the group.
fn v1(controller: &str, pid: &Value, file: &str) -> u64 {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let line = groups.lines().find(|line| line.split(':').nth(1) == Some(controller)).unwrap();
    let group = line.splitn(3, ':').last().unwrap();
    let path = format!("/sys/fs/cgroup/{controller}{group}/{file}");
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn the_figures_are_the_kernels() {
    for runtime in runtimes() {
        let world = ManagerWorld::new("figures", runtime);
        let manager = world.open().await;
        let (id, bundle) = (world.id("a"), world.sleeper("b"));
        world.start(&manager, &id, &bundle).await;
        let info = manager.info(&id).await.unwrap();
        let keys: Vec<_> = info.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["cpu", "id", "memory", "pids", "processes", "state", "timestamp"]);
        assert_eq!(info["id"], id.as_str());
        assert_eq!(info["state"], "running");
        let user = info["memory"]["user"].as_object().unwrap();
        assert_eq!(user.keys().collect::<Vec<_>>(), ["failcnt", "limit", "max", "usage"]);
        let cpu = info["cpu"]["usage"].as_object().unwrap();
        assert_eq!(cpu.keys().collect::<Vec<_>>(), ["percpu", "total"]);

        let pids = info["pids"].as_array().unwrap();
        let processes = info["processes"].as_array().unwrap();
        assert_eq!((pids.len(), processes.len()), (2, 2), "{info}");
        let shell = &processes[0];
        assert_eq!(shell["pid"], pids[0]);
        assert_eq!(shell["nsPid"], 1);
        assert_eq!(shell["executable"], "/bin/busybox");
        assert!(shell["cmdline"].as_str().unwrap().starts_with("/bin/sh -c trap"), "{shell}");

        if !fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap() {
            let total = cpu["total"].as_u64().unwrap();
            let now = v1("cpuacct", &pids[0], "cpuacct.usage");
            assert!(total > 0 && total <= now, "{total} {now}");
            let percpu: u64 = cpu["percpu"].as_array().unwrap().iter().map(|cpu| cpu.as_u64().unwrap()).sum();
            assert!(percpu > 0 && percpu <= now, "{percpu} {now}");
            assert_eq!(user["limit"], 64 << 20);
            assert_eq!(user["max"], v1("memory", &pids[0], "memory.max_usage_in_bytes"));
            assert_eq!(user["failcnt"], v1("memory", &pids[0], "memory.failcnt"));
            assert!(user["usage"].as_u64().unwrap() > 0);
        }
        let later = manager.info(&id).await.unwrap();
        assert!(later["timestamp"].as_u64() > info["timestamp"].as_u64());

        manager.pause(&id).await.unwrap();
        assert_eq!(manager.info(&id).await.unwrap()["state"], "paused");
        manager.delete(&id, true).await.unwrap();
        world.nothing_is_left(&manager).await;
    }
}

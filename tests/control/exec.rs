//! Commands inside a running container.

use std::time::Duration;

use oci_minidump::control::{ContainerId, ExecLimits, ExecOutput, ExecRequest, ExitStatus, Manager};

use crate::support::manager_world::{LONG, ManagerWorld, until};
use crate::support::test_runtimes::runtimes;

fn words(words: &[&str]) -> ExecRequest {
    ExecRequest { command: words.iter().map(|word| (*word).to_owned()).collect(), options: Vec::new() }
}

#[tokio::test]
async fn output_and_exit_code_come_back() {
    let cases = [
        ("echo out; echo err >&2; exit 3", "", ExitStatus::Code(3), "out\n", "err\n"),
        ("true", "", ExitStatus::Code(0), "", ""),
        ("kill -9 $$", "", ExitStatus::Code(137), "", ""),
        (
            "pwd; echo $A; echo $HOME",
            "--cwd=/opt -e A=b --env=HOME=/x",
            ExitStatus::Code(0),
            "/opt\nb\n/x\n",
            "",
        ),
        ("cat /proc/self/status", "--user=7:8 --no-new-privs", ExitStatus::Code(0), "Uid:\t7\t7\t7\t7\n", ""),
        ("cat; echo end", "", ExitStatus::Code(0), "end\n", ""),
    ];
    for runtime in runtimes() {
        let world = ManagerWorld::new("output", runtime);
        let manager = world.open().await;
        let (id, bundle) = (world.id("a"), world.sleeper("b"));
        world.start(&manager, &id, &bundle).await;
        for (script, options, exit, stdout, stderr) in cases {
            let mut request = words(&["/bin/sh", "-c", script]);
            request.options = oci_minidump::control::split_words(options).unwrap();
            let output = manager.exec_wait(&id, request, ExecLimits::default()).await.unwrap();
            // youki 0.7 gives the number of the signal alone.
            let told = if runtime.ends_with("youki") && exit == ExitStatus::Code(137) {
                ExitStatus::Code(9)
            } else {
                exit
            };
            assert_eq!(output.exit, told, "{runtime} {script}: {output:?}");
            assert!(
                String::from_utf8_lossy(&output.stdout).contains(stdout),
                "{runtime} {script}: {output:?}"
            );
            assert_eq!(String::from_utf8_lossy(&output.stderr), stderr, "{runtime} {script}");
            assert!(!output.truncated && !output.timed_out, "{runtime} {script}");
        }
        manager.delete(&id, true).await.unwrap();
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn output_is_bounded() {
    let world = ManagerWorld::new("bounded", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    world.start(&manager, &id, &bundle).await;
    let script =
        "i=0; while [ $i -lt 2000 ]; do echo 0123456789; echo abcdefghij >&2; i=$((i+1)); done; exit 5";
    let limits = ExecLimits { output: 1000, ..ExecLimits::default() };
    let output = manager.exec_wait(&id, words(&["/bin/sh", "-c", script]), limits).await.unwrap();
    let ExecOutput { exit, stdout, stderr, truncated, timed_out } = output;
    assert_eq!((exit, stdout.len(), stderr.len()), (ExitStatus::Code(5), 1000, 1000));
    assert!(stdout.starts_with(b"0123456789\n") && stderr.starts_with(b"abcdefghij\n"));
    assert!(truncated && !timed_out);
    manager.delete(&id, true).await.unwrap();
}

/// How many processes the container has.
async fn processes(manager: &Manager, id: &ContainerId) -> usize {
    manager.info(id).await.unwrap()["pids"].as_array().unwrap().len()
}

/// Waits until the container has but its shell and its sleep.
async fn only_two_are_left(manager: &Manager, id: &ContainerId) {
    let deadline = tokio::time::Instant::now() + LONG;
    while processes(manager, id).await != 2 {
        assert!(tokio::time::Instant::now() < deadline, "the command goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_command_that_does_not_end_is_killed_inside() {
    for runtime in runtimes() {
        let world = ManagerWorld::new("endless", runtime);
        let manager = world.open().await;
        let (id, bundle) = (world.id("a"), world.sleeper("b"));
        world.start(&manager, &id, &bundle).await;
        let limits = ExecLimits { timeout: Duration::from_secs(4), ..ExecLimits::default() };
        let endless = words(&["/bin/sh", "-c", "echo begun; > /opt/begun; while :; do :; done"]);
        let output = manager.exec_wait(&id, endless.clone(), limits).await.unwrap();
        assert!(output.timed_out, "{output:?}");
        assert_eq!((output.exit, &*output.stdout), (ExitStatus::Signal(9), &b"begun\n"[..]));
        only_two_are_left(&manager, &id).await;

        // Nor does one whose caller goes away once it runs.
        let begun = world.dir.join("rootfs/opt/begun");
        std::fs::remove_file(&begun).unwrap();
        let limits = ExecLimits { timeout: LONG * 2, ..ExecLimits::default() };
        tokio::select! {
            done = manager.exec_wait(&id, endless, limits) => panic!("it ended: {done:?}"),
            () = until("the command runs", || begun.exists()) => {}
        }
        only_two_are_left(&manager, &id).await;
        manager.delete(&id, true).await.unwrap();
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn what_a_launched_command_left_behind_does_not_keep_the_container() {
    let world = ManagerWorld::new("behind", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    world.start(&manager, &id, &bundle).await;
    for _ in 0..3 {
        manager.exec(&id, words(&["sleep", "1000"])).await.unwrap();
    }
    manager.exec(&id, words(&["true"])).await.unwrap();
    manager.delete(&id, true).await.unwrap();
    world.nothing_is_left(&manager).await;
}

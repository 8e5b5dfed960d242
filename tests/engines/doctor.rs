//! `doctor` on this host. With every engine enabled, scripts/test-engines runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::hook_world::HookWorld;
use crate::support::host::{away_from_the_host, files_in, hook_program, wait_until};
use crate::support::run::Run;
use crate::support::test_runtimes::runtimes;

fn doctor(world: &HookWorld, more: &[&str]) -> Run {
    let mut hook = Command::new(hook_program());
    hook.arg("--settings").arg(world.path("settings.toml")).arg("doctor").args(more);
    world.feed(away_from_the_host(&hook), "")
}

fn findings(run: &Run) -> Vec<(bool, String, String)> {
    let json: Value = serde_json::from_str(&run.stdout()).unwrap_or_else(|_| panic!("{}", run.story()));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let all = json.as_array().unwrap().iter();
    all.map(|f| (f["ok"].as_bool().unwrap(), text(f, "subject"), text(f, "text"))).collect()
}

#[test]
fn every_line_is_ok_or_says_what_to_do() {
    let world = HookWorld::new("crun");
    let run = doctor(&world, &[]);
    for line in run.stdout().lines() {
        let is_advice = ["run '", "start syslog", "move it"].iter().any(|advice| line.contains(advice));
        assert!(line.starts_with("ok      ") || line.starts_with("PROBLEM ") && is_advice, "{line}");
    }
    let has_problem = run.stdout().contains("PROBLEM");
    assert_eq!(run.code(), Some(if has_problem { 4 } else { 0 }), "{}", run.story());
    for subject in ["privilege", "kernel", "ext4", "loop devices", "e2fsprogs", "settings", "leftovers"] {
        assert!(run.stdout().contains(&format!("ok      {subject}: ")), "{subject}: {}", run.story());
    }
}

#[test]
fn a_crash_in_each_runtime_arrives_and_leaves_nothing() {
    let world = HookWorld::new("crun");
    let run = doctor(&world, &["--crash", "--json"]);
    for runtime in runtimes() {
        let subject = format!("crash in {runtime}");
        let found = findings(&run).into_iter().find(|finding| finding.1 == subject);
        let (ok, _, text) = found.unwrap_or_else(|| panic!("{subject}: {}", run.story()));
        assert!(ok && text.contains("its dump arrived: SIGSEGV"), "{subject}: {text}");
    }
    assert!(world.dumps().is_empty() && files_in(&world.path("images")).is_empty());
    // One that another test process runs goes, too.
    let is_trial = |path: &PathBuf| path.to_string_lossy().contains("oci-minidump-doctor-");
    wait_until(|| !files_in(Path::new("/var/tmp")).iter().any(is_trial));
}

#[test]
fn what_is_wrong_is_named() {
    let world = HookWorld::new("crun");
    world.settings("nonsense = 1");
    let run = doctor(&world, &["--json"]).expect(4);
    let wrong: Vec<_> = findings(&run).into_iter().filter(|(ok, ..)| !ok).collect();
    let has = |subject: &str, text: &str| wrong.iter().any(|(_, s, t)| s == subject && t.contains(text));
    assert!(has("settings", "unknown field `nonsense`"), "{wrong:?}");
    let run = doctor(&world, &["--crash", "--json"]).expect(4);
    assert!(findings(&run).iter().any(|(ok, subject, _)| !ok && subject == "crash"), "{}", run.story());
}

#[test]
fn without_privilege_it_says_what_rootless_engines_cannot_do() {
    let world = HookWorld::new("crun");
    let hook = world.path("the-hook");
    std::fs::hard_link(hook_program(), &hook)
        .or_else(|_| std::fs::copy(hook_program(), &hook).map(drop))
        .unwrap();
    let mut user = Command::new("setpriv");
    user.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(hook).arg("doctor");
    let run = world.feed(user, "").expect(4);
    assert!(
        run.stdout().contains("PROBLEM privilege: rootless engines cannot mount ext4"),
        "{}",
        run.story()
    );
    assert!(run.stdout().contains("PROBLEM loop devices: "), "{}", run.story());
}

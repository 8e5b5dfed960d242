//! Fresh crashes in real containers, caught by real Breakpad.

use std::fs;

use oci_minidump::dump::Report;
use serde_json::json;

use crate::agree::assert_agree;
use crate::support::hook_world::HookWorld;

#[test]
fn every_crash_in_a_container_is_reported_as_it_was() {
    let cases = [
        ("segv", "SIGSEGV (SEGV_MAPERR) at 0x1234 in crasher+0x", "crasher"),
        ("abort", "SIGABRT (SI_TKILL) in crasher+0x", "crasher"),
        ("stack-overflow", "SIGSEGV (SEGV_MAPERR) at 0x7f", "crasher"),
        ("thread", "SIGSEGV (SEGV_MAPERR) at 0x1234 in crasher+0x", "worker-3"),
    ];
    for uid in [0, 1000] {
        for (kind, summary, thread) in cases {
            let world = HookWorld::new("crun");
            let bundle = world.bundle("app", &[kind]);
            bundle.edit(|config| config["process"]["user"] = json!({"uid": uid, "gid": uid}));
            // The first process of a pid namespace dies of SIGSEGV, whatever the crash was.
            world.run(&bundle, "c").expect(139);
            let dump = world.dump();
            let bytes = fs::read(dump).unwrap();
            let report = Report::read(bytes.as_slice()).unwrap();
            let name = format!("{kind} as {uid}");
            assert_agree(&name, &report, &bytes);
            assert!(report.to_string().starts_with(summary), "{name}: {report}");
            assert_eq!(report.thread.as_ref().unwrap().name.as_deref(), Some(thread), "{name}");
            assert_eq!(report.threads, Some(if kind == "thread" { 7 } else { 1 }), "{name}");
            assert_eq!(report.process.as_ref().unwrap().uid, Some(uid), "{name}");
            let shown = format!("{}{}", report.details(), serde_json::to_string(&report).unwrap());
            assert!(!shown.contains("SECRET") && !shown.contains("/opt/minidumps"), "{name}: {shown}");
        }
    }
}

//! The hook as an ordinary user, and as root of a user namespace: what can work does, what cannot is said in one line.

use std::fs;
use std::process::Command;

use crate::support::hook_world::HookWorld;
use crate::support::host::hook_program;
use crate::support::repository::sample_dump;
use crate::support::run::Run;

/// An ordinary user.
const USER: u32 = 65534;
/// How such a one is called, and what he runs before the hook.
const USERS: [(&str, &[&str]); 2] =
    [("an ordinary user", &[]), ("root of a user namespace", &["unshare", "--user", "--map-root-user"])];

/// A world with a bundle that belongs to the user, and the hook where he can run it.
fn world() -> HookWorld {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["segv"]);
    bundle.edit(|config| drop(config.as_object_mut().unwrap().remove("hooks")));
    // The project may lie where only root may pass.
    let sample = sample_dump("breakpad-segv-uid0.dmp");
    fs::copy(sample, world.path("sample.dmp")).unwrap();
    let (hook, ours) = (hook_program(), world.path("the-hook"));
    fs::hard_link(&hook, &ours).or_else(|_| fs::copy(&hook, &ours).map(drop)).unwrap();
    for path in [bundle.dir.clone(), bundle.dir.join("config.json")] {
        std::os::unix::fs::chown(path, Some(USER), Some(USER)).unwrap();
    }
    world
}

fn run(world: &HookWorld, before: &[&str], arguments: &[&str], input: &str) -> Run {
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={USER}"), format!("--regid={USER}"), "--clear-groups".to_owned()]);
    command.args(before).arg(world.path("the-hook")).arg("--settings").arg(world.path("settings.toml"));
    world.feed(with(command, arguments), input)
}

fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

#[test]
fn looking_and_registering_need_no_privilege() {
    for (who, before) in USERS {
        let world = world();
        let (app, dump) = (world.path("app"), world.path("sample.dmp"));
        let app = app.to_str().unwrap();
        let info = run(&world, before, &["info", dump.to_str().unwrap()], "").expect(0);
        assert!(info.stdout().contains("SIGSEGV"), "{who}: {}", info.story());
        let paths = ["--container-source", "/opt/minidumps", "--host-destination", "/var/lib/dumps"];
        run(&world, before, &[&["add", app][..], &paths[..]].concat(), "").expect(0);
        let check = run(&world, before, &["check", app], "").expect(4);
        let wrong = check.stdout().lines().filter(|line| line.starts_with("PROBLEM")).count();
        assert!(wrong >= 1 && check.stdout().contains("/dev/loop-control"), "{who}: {}", check.story());
        run(&world, before, &["remove", app], "").expect(0);
    }
}

#[test]
fn what_needs_root_is_said_in_one_line() {
    for (who, before) in USERS {
        let world = world();
        let pid = std::process::id();
        let state = |status: &str| {
            let bundle = world.path("app");
            format!(
                r#"{{"ociVersion":"1.0.2","id":"c","status":"{status}","pid":{pid},"bundle":{bundle:?}}}"#
            )
        };
        let image = world.image("app");
        fs::write(&image, "what only root may read").unwrap();
        fs::set_permissions(&image, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let harvest = ["harvest", image.to_str().unwrap(), "--to", "/nowhere"];
        let rootless =
            "rootless engines cannot mount ext4, so they have no minidumps; run the container as root";
        for (arguments, input, said, code) in [
            (&["prestart"][..], state("created"), rootless, 9),
            (&harvest[..], String::new(), "cannot open the image", 1),
        ] {
            let refused = run(&world, before, arguments, &input).expect(code);
            let story = format!("{who}: {}", refused.story());
            assert!(refused.stderr().starts_with("error: ") && refused.stderr().contains(said), "{story}");
            assert_eq!(refused.stderr().lines().count(), 1, "{story}");
            let advises =
                ["run as root", "run the container as root"].iter().any(|a| refused.stderr().contains(a));
            assert!(advises || !before.is_empty(), "{story}");
        }
        // A container that was never prepared has nothing to harvest, whoever says so.
        fs::remove_file(&image).unwrap();
        run(&world, before, &["poststop"], &state("stopped")).expect(0);
    }
}

//! A bundle's `config.json`: reading it, finding plans in it, registering the hook in it, writing it back.

#![no_main]

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use fuzz::{rules::check_error, scratch};
use libfuzzer_sys::fuzz_target;
use oci_minidump::oci::bundle::Bundle;
use oci_minidump::oci::hooks::{register, registered, unregister};
use oci_minidump::settings::admin::Admin;
use oci_minidump::settings::{MIN_IMGSIZE, Plans, Sources};
use serde_json::Value;

const PROGRAM: &str = "/usr/libexec/oci-minidump-hook";

thread_local! {
    static SCRATCH: OnceCell<PathBuf> = const { OnceCell::new() };
}

fuzz_target!(|text: &[u8]| {
    SCRATCH.with(|scratch| {
        let dir = scratch.get_or_init(|| scratch::dir("config"));
        // A file of its own each time: saving replaces it.
        let file: File = scratch::file(dir, "config.json");
        scratch::fill(&file, text);
        match Bundle::load(dir) {
            Ok(bundle) => check_bundle(&bundle),
            Err(error) => check_error(&error),
        }
    });
});

fn check_bundle(bundle: &Bundle) {
    for error in [bundle.rootfs().err(), bundle.user().err()].into_iter().flatten() {
        check_error(&error);
    }
    check_plans(bundle.config());
    check_hooks(bundle.config());
    bundle.save().expect("it can be written");
    let saved = Bundle::load(bundle.dir()).expect("what was written can be read");
    assert_eq!(text(saved.config()), text(bundle.config()));
    let first = std::fs::read(bundle.config_path()).expect("it can be read");
    saved.save().expect("it can be written");
    assert_eq!(
        std::fs::read(bundle.config_path()).expect("it can be read"),
        first,
        "a second edit changes the layout"
    );
}

fn check_plans(config: &Value) {
    let annotations: HashMap<String, String> = config
        .get("annotations")
        .and_then(|value| serde_json::from_value(value.clone()).ok())
        .unwrap_or_default();
    let (none, pair) = (Sources { file: None, annotations: None, config: None }, (&annotations, "c1"));
    let sources = [
        Sources { config: Some(config), ..none },
        Sources { file: Some(config), ..none },
        Sources { annotations: Some(pair), ..none },
    ];
    for source in sources {
        match Plans::find(source, &Admin::default()) {
            Ok(None) => {}
            Ok(Some(plans)) => {
                assert!(!plans.paths.is_empty());
                for plan in &plans.paths {
                    let paths = [&plan.image, &plan.container_source, &plan.host_destination];
                    assert!(
                        paths.iter().all(|path| path.is_absolute() && path.file_name().is_some()),
                        "{plan:?}"
                    );
                    assert!(paths.iter().all(|path| !path.iter().any(|part| part == "..")), "{plan:?}");
                    assert!(plan.imgsize >= MIN_IMGSIZE, "{plan:?}");
                }
            }
            Err(error) => check_error(&error),
        }
    }
}

/// Registering and unregistering gives back what was there, but for stages and sections without content: those of the
/// configuration cannot be told from those that registering made.
fn check_hooks(config: &Value) {
    let mut edited = config.clone();
    if !registered(config).is_empty() {
        check_removal(&mut edited);
    }
    let original = edited.clone();
    match register(&mut edited, Path::new(PROGRAM), &[]) {
        Err(error) => return check_error(&error),
        Ok(changed) => assert!(changed, "{original}"),
    }
    let stages: Vec<(String, String)> = registered(&edited);
    assert_eq!(stages.len(), 2, "{edited}");
    assert!(stages.iter().all(|(_, path)| path == PROGRAM), "{edited}");
    let once = text(&edited);
    assert!(
        !register(&mut edited, Path::new(PROGRAM), &[]).expect("it could be registered before"),
        "{original}"
    );
    assert_eq!(text(&edited), once);
    assert!(unregister(&mut edited).expect("it could be registered"), "{original}");
    assert_eq!(text(&without_empty(edited)), text(&without_empty(original)));
}

fn check_removal(config: &mut Value) {
    if unregister(config).is_ok() {
        assert!(registered(config).is_empty(), "{config}");
        assert!(!unregister(config).expect("it could be before"), "{config}");
    }
}

fn without_empty(mut config: Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    if let Some(hooks) = config.get_mut("hooks").and_then(Value::as_object_mut) {
        hooks.retain(|_, value| !is_empty(value));
    }
    if config.get("hooks").is_some_and(is_empty)
        && let Some(config) = config.as_object_mut()
    {
        config.shift_remove("hooks");
    }
    config
}

/// As text, in which the order of members counts.
fn text(value: &Value) -> String {
    value.to_string()
}

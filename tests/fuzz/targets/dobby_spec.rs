//! Dobby specs: each is refused with its mistakes, or becomes a bundle that stays in its directory.

#![no_main]

use std::cell::OnceCell;
use std::path::{Component, Path, PathBuf};

use fuzz::rules::{check_error, check_shown};
use fuzz::scratch;
use libfuzzer_sys::fuzz_target;
use oci_minidump::dobby::{Conversion, Host, Input, RuntimeExtras, convert, remove};
use oci_minidump::error::ErrorKind;
use oci_minidump::log::escape;
use oci_minidump::oci::bundle::Bundle;
use serde_json::Value;

/// Writing a larger root file system takes more time than it is worth.
const MAX_WRITTEN: usize = 100;

thread_local! {
    static SCRATCH: OnceCell<PathBuf> = const { OnceCell::new() };
}

fuzz_target!(|text: &str| {
    // A bundle of Dobby has rdkPlugins too.
    if let Ok(config) = serde_json::from_str::<Value>(text)
        && let Err(error) = RuntimeExtras::of_config(&config)
    {
        check_error(&error);
    }
    let host = host();
    let conversion = Input::Text(text.to_owned()).read().and_then(|json| convert(&json, &host));
    match conversion {
        Ok(conversion) => check(conversion, &host),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Input, "{error}");
            check_error(&error);
        }
    }
});

/// A host that has what the examples ask for.
fn host() -> Host {
    let mut host = Host::default();
    host.cpus = 4;
    host.lib64 = true;
    host
}

fn check(mut conversion: Conversion, host: &Host) {
    conversion.for_container("c1", host);
    let config = &conversion.config;
    assert!(config["process"]["args"][0].is_string(), "{config}");
    assert!(config["process"]["cwd"].as_str().is_some_and(|cwd| cwd.starts_with('/')), "{config}");
    assert!(config.get("hooks").is_none(), "{config}");
    let text = serde_json::to_string(config).expect("it is JSON");
    assert_eq!(serde_json::from_str::<Value>(&text).ok().as_ref(), Some(config));
    conversion.warnings.iter().for_each(|warning| check_shown(&escape(warning)));
    let mut count = 0;
    for (path, _) in conversion.rootfs.entries() {
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
        count += 1;
    }
    if count <= MAX_WRITTEN {
        SCRATCH.with(|scratch| check_bundle(&conversion, scratch.get_or_init(|| scratch::dir("dobby"))));
    }
}

/// The bundle is there whole, or not at all, and nothing is beside it.
fn check_bundle(conversion: &Conversion, dir: &Path) {
    let bundle = dir.join("bundle");
    match conversion.write(&bundle) {
        Ok(()) => {
            let loaded = Bundle::load(&bundle).expect("it can be loaded");
            assert_eq!(loaded.config(), &conversion.config);
            remove(&bundle).expect("it can be removed");
        }
        Err(error) => check_error(&error),
    }
    let left = std::fs::read_dir(dir).expect("it can be listed").count();
    assert_eq!(left, 0, "something is left in {dir:?}");
}

//! The OCI state on a hook's stdin: it is refused, or everything in it can be used.

#![no_main]

use fuzz::rules::{check_error, check_name};
use libfuzzer_sys::fuzz_target;
use oci_minidump::harvest::Owner;
use oci_minidump::harvest::name::name;
use oci_minidump::oci::id;
use oci_minidump::oci::state::State;
use oci_minidump::settings::admin::{Admin, Naming};
use oci_minidump::settings::{Plans, Sources};

fuzz_target!(|text: &[u8]| {
    let state = match State::parse(text) {
        Ok(state) => state,
        Err(error) => return check_error(&error),
    };
    assert!(id::check(&state.id).is_ok() && !state.id.contains('/'), "{state:?}");
    assert!(state.pid.is_none_or(|pid| pid > 0), "{state:?}");
    check_name(&name(
        &Naming::Rdk,
        b"x.dmp",
        Owner { container: Some(&state.id), app_state: state.app_state(), subject: None },
        0,
    ));
    let sources = Sources { file: None, annotations: Some((&state.annotations, &state.id)), config: None };
    match Plans::find(sources, &Admin::default()) {
        Ok(Some(plans)) => assert!(plans.paths.iter().all(|plan| plan.image.is_absolute()), "{plans:?}"),
        Ok(None) => assert!(!state.annotations.contains_key("org.rdk.minidump"), "{state:?}"),
        Err(error) => check_error(&error),
    }
});

//! The messages of one WebSocket, one on each line: each has one answer in JSON or none, and the session stays small.

#![no_main]

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fuzz::scratch;
use libfuzzer_sys::fuzz_target;
use oci_minidump::control::{Manager, Settings};
use oci_minidump::process::end_on_panic;
use oci_minidump::rpc::envelope::{MAX_BATCH, reply};
use oci_minidump::rpc::id::Id;
use oci_minidump::rpc::identity::{PluginIdentity, Target};
use oci_minidump::rpc::service::{Caller, Service};
use oci_minidump::rpc::streams::Streams;
use oci_minidump::rpc::subscriptions::Subscriptions;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc};

/// The most messages of a session.
const MAX_MESSAGES: usize = 16;
/// A call that waits for something is left then, as by a client that goes away.
const PATIENCE: Duration = Duration::from_millis(20);

thread_local! {
    static DAEMON: OnceCell<(Runtime, Rc<Service>)> = const { OnceCell::new() };
}

fuzz_target!(|bytes: &[u8]| {
    DAEMON.with(|daemon| {
        let (runtime, service) = daemon.get_or_init(daemon_without_containers);
        runtime.block_on(talk(service, bytes));
    });
});

/// A daemon that can start nothing.
fn daemon_without_containers() -> (Runtime, Rc<Service>) {
    end_on_panic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let dir = scratch::dir("rpc");
    let settings = Settings {
        runtime: "/bin/false".into(),
        state_dir: dir.join("state"),
        log_dir: dir.join("log"),
        bundle_roots: vec![dir.join("bundles")],
        ..Settings::default()
    };
    let manager = runtime.block_on(Manager::open(settings)).expect("a manager");
    let service = Service::new(manager, PluginIdentity::default());
    (runtime, service)
}

async fn talk(service: &Rc<Service>, bytes: &[u8]) {
    let mut subscriptions = Subscriptions::default();
    let (outgoing, _connection) = mpsc::channel(16);
    let mut streams = Streams::new(outgoing, Arc::new(Semaphore::new(1)));
    // The first byte says how the client came.
    let (first, bytes) = bytes.split_first().unwrap_or((&0, bytes));
    for message in bytes.split(|byte| *byte == b'\n').take(MAX_MESSAGES) {
        let _unknown = streams.receive(message);
        let mut caller = Caller {
            name: "fuzzer",
            target: if first & 1 == 0 { Target::Controller } else { Target::Plugin },
            subscriptions: Some(&mut subscriptions),
            streams: Some(&mut streams),
            read_only: first & 2 != 0,
            with_error_kinds: first & 4 != 0,
        };
        let answer = match service.accept(message, &mut caller) {
            // What changes something would only run a program that fails.
            Ok(work) if work.cancellable() => {
                tokio::time::timeout(PATIENCE, work.run(Rc::clone(service))).await.ok().flatten()
            }
            Ok(_) => None,
            Err(fault) => reply(&Id::null(), &Err(fault)),
        };
        answer.iter().for_each(|answer| check(answer));
    }
}

fn check(answer: &str) {
    let value: Value = serde_json::from_str(answer).expect("an answer is JSON");
    let answers = value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice);
    assert!((1..=MAX_BATCH).contains(&answers.len()), "{answer}");
    for one in answers {
        assert_eq!(one["jsonrpc"], "2.0", "{answer}");
        assert!(one.get("result").is_some() != one.get("error").is_some(), "{answer}");
        assert!(one.get("id").is_some(), "{answer}");
    }
}

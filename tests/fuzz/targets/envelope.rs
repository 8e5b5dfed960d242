//! What a client sends in one body or frame: it is refused, or every answer to it is one line of JSON with its own id.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oci_minidump::rpc::designator::{Designator, split_version};
use oci_minidump::rpc::envelope::{MAX_BATCH, Message, Request, notification, parse, reply};
use oci_minidump::rpc::errors::Fault;
use oci_minidump::rpc::id::Id;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let entries = match parse(bytes) {
        Ok(Message::Single(entry)) => vec![entry],
        Ok(Message::Batch(entries)) => entries,
        Err(fault) => return check_fault(fault),
    };
    assert!((1..=MAX_BATCH).contains(&entries.len()));
    for entry in entries {
        match entry {
            Ok(request) => check_request(&request),
            Err(fault) => check_fault(fault),
        }
    }
});

fn check_request(request: &Request) {
    let Designator { callsign, method, index, .. } = Designator::parse(&request.method);
    assert!(!method.contains('.') && index.is_none_or(|index| !index.contains('@')), "{request:?}");
    assert!(request.method.starts_with(callsign), "{request:?}");
    assert!(callsign.starts_with(split_version(callsign).0));
    let Some(answer) = reply(&request.id, &Ok(request.params.clone())) else {
        assert!(matches!(request.id, Id::Absent), "{request:?}");
        return;
    };
    let value: Value = serde_json::from_str(&answer).expect("an answer is JSON");
    assert_eq!(value["result"], request.params);
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(3), "{answer}");
    let told = notification(&request.method, &request.params);
    let value: Value = serde_json::from_str(&told).expect("a notification is JSON");
    assert_eq!(value["method"], request.method.as_str());
}

fn check_fault(fault: Fault) {
    let answer = reply(&Id::null(), &Err(fault)).expect("a fault has an answer");
    assert!(answer.len() < 10_000, "{answer}");
    let value: Value = serde_json::from_str(&answer).expect("an answer is JSON");
    assert!(value["error"]["code"].is_i64(), "{answer}");
}

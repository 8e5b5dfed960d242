//! What the page reads: an overview of the box, the list of dumps, a dump, its stacks.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use crate::control::{Dump, MAX_LISTED, Manager, Summary};
use crate::error::{Error, ErrorKind, Result};
use crate::rpc::api::Api;
use crate::server::answer;
use crate::server::answer::Answer;
use crate::server::connection::Connection;
use crate::server::limits;

/// Health, version, limits, and where each container stands.
pub(super) fn overview(connection: &Connection) -> Answer {
    let (service, config) = (&connection.daemon.service, &connection.daemon.config);
    let manager = service.manager();
    let (settings, degraded) = (manager.settings(), manager.health().degraded);
    let api = service.identity().api;
    let containers: Vec<Value> = manager.summaries().iter().map(|summary| container(summary, api)).collect();
    let seconds = |duration: Duration| duration.as_secs();
    let overview = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "status": if degraded.is_empty() { "ok" } else { "degraded" },
        "reasons": degraded,
        "active": service.is_active(),
        "readOnly": connection.read_only(),
        "runtime": settings.runtime.to_string_lossy(),
        "stateDir": settings.state_dir.to_string_lossy(),
        "logDir": settings.log_dir.to_string_lossy(),
        "socket": config.socket.to_string_lossy(),
        "bundleRoots": settings.bundle_roots.iter().map(|dir| dir.to_string_lossy()).collect::<Vec<_>>(),
        "limits": {
            "logBytes": settings.log_limit,
            "stopSeconds": seconds(settings.stop_timeout),
            "runtimeSeconds": seconds(settings.runtime_timeout),
            "bodyBytes": limits::BODY_BYTES,
            "callsPerWebSocket": limits::MAX_CALLS,
            "dumpsListed": MAX_LISTED,
        },
        "containers": containers,
    });
    answer::json(StatusCode::OK, overview.to_string())
}

/// `age` is in milliseconds, and null when it is not known; so is `restarts` for a container that is not restarted.
fn container(summary: &Summary, api: Api) -> Value {
    json!({
        "id": summary.id.as_str(),
        "descriptor": summary.descriptor,
        "state": api.state(summary.state),
        "age": summary.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        "restarts": summary.restarts,
    })
}

/// The newest dumps, each with the key by which its bytes can be had.
pub(super) async fn dumps(connection: &Connection) -> Answer {
    let listed = match connection.daemon.service.manager().dumps().await {
        Ok(listed) => listed,
        Err(error) => return failure(&error),
    };
    let with_key = |dump: Dump| {
        let mut entry = dump.entry;
        entry.insert("key".to_owned(), dump.key.into());
        Value::Object(entry)
    };
    let dumps: Vec<Value> = listed.into_iter().map(with_key).collect();
    let stacks = Manager::has_stacks();
    answer::json(StatusCode::OK, json!({"dumps": dumps, "stacks": stacks}).to_string())
}

/// One of the dumps that are listed now.
async fn listed(connection: &Connection, key: &str) -> Result<Dump> {
    let listed = connection.daemon.service.manager().dumps().await?;
    let not_there = || Error::new(ErrorKind::NotFound, "there is not a dump of this key in the list");
    listed.into_iter().find(|dump| dump.key == key).ok_or_else(not_there)
}

/// The stacks in one of them, as text.
pub(super) async fn stack(connection: &Connection, key: &str) -> Answer {
    let read = async { connection.daemon.service.manager().stack(&listed(connection, key).await?).await };
    match read.await {
        Ok(stack) => answer::json(StatusCode::OK, json!({"stack": stack}).to_string()),
        Err(error) => failure(&error),
    }
}

/// The bytes of one of the dumps that are listed now.
pub(super) async fn dump(connection: &Connection, key: &str) -> Answer {
    let opened = listed(connection, key).await.and_then(|dump| dump.open().map(|opened| (dump, opened)));
    let (dump, (file, size)) = match opened {
        Ok(opened) => opened,
        Err(error) => return failure(&error),
    };
    log::info!("{} reads the dump {}", connection.name, crate::log::escape(&dump.name()));
    let mut answer = answer::file(file, size, connection.wait.clone());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", harmless(&dump.name())))
    {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    answer
}

/// A file name that means the same to every browser and file system.
fn harmless(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    name.trim_start_matches('.').chars().map(safe).take(200).collect()
}

fn failure(error: &Error) -> Answer {
    let status = match error.kind() {
        ErrorKind::NotFound | ErrorKind::Input | ErrorKind::Unsupported => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    answer::json(status, json!({"error": error.report()}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_has_no_quote_no_path_and_is_not_hidden() {
        let cases = [
            ("a.dmp", "a.dmp"),
            ("com.app<#=#>2026-11-27.dmp", "com.app_____2026-11-27.dmp"),
            ("../x\"\r\nSet-Cookie: a.dmp", "_x___Set-Cookie__a.dmp"),
            (".hidden\u{202e}é.dmp", "hidden__.dmp"),
        ];
        for (name, expected) in cases {
            assert_eq!(harmless(name), expected, "{name:?}");
        }
        assert_eq!(harmless(&"x".repeat(300)).len(), 200);
    }
}

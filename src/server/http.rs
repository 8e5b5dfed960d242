//! One HTTP connection: requests in, answers out, or over to a WebSocket.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::rpc::identity::{PathTarget, Target};
use crate::rpc::service::{Caller, Work};
use crate::server::answer;
use crate::server::answer::Answer;
use crate::server::connection::Connection;
use crate::server::daemon::Daemon;
use crate::server::guard::caller::Channel;
use crate::server::guard::origin::Page;
use crate::server::limits::{BODY_BYTES, BODY_TIME, DISCARDED_BYTES, HEADER_BYTES, HEADER_FIELDS};
use crate::server::page;
use crate::server::stream::framing::Framing;
use crate::server::stream::{Socket, Stream, WaitState, Waiting};
use crate::server::websocket;

/// The one path of the API.
const API: &str = "/jsonrpc";

/// Serves one connection to its end, or until the daemon's; `begins` is what it waits for first.
pub async fn serve(
    daemon: Rc<Daemon>,
    socket: Socket,
    channel: Channel,
    slot: OwnedSemaphorePermit,
    begins: Waiting,
) {
    let wait = WaitState::new(begins);
    let framing = Framing::default();
    let stream = TokioIo::new(Stream::new(socket, wait.clone(), framing.clone()));
    let mut closing = daemon.closing.subscribe();
    let name = channel.to_string();
    let may_leave = matches!(channel, Channel::Unix(_))
        .then(|| (Rc::clone(&daemon), wait.clone(), Arc::clone(slot.semaphore())));
    let leave = async {
        match &may_leave {
            Some((daemon, wait, places)) => daemon.places.leave(wait, places).await,
            None => std::future::pending().await,
        }
    };
    let connection = Rc::new(Connection { daemon, channel, name, wait, framing, slot });
    let handler = service_fn(move |request| handle(Rc::clone(&connection), request));
    let http = http1::Builder::new()
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADER_FIELDS)
        .header_read_timeout(None) // The stream keeps the time.
        .auto_date_header(false)
        .title_case_headers(true)
        .serve_connection(stream, handler)
        .with_upgrades();
    tokio::pin!(http);
    let ended = tokio::select! {
        ended = http.as_mut() => ended,
        () = leave => {
            log::debug!("a silent connection makes room for a new one");
            return;
        }
        _ = closing.wait_for(|closing| *closing) => {
            http.as_mut().graceful_shutdown();
            http.await
        }
    };
    if let Err(error) = ended {
        log::debug!("a connection ended: {error}");
    }
}

async fn handle(connection: Rc<Connection>, mut request: Request<Incoming>) -> Result<Answer, Infallible> {
    connection.wait.set(Waiting::Nothing);
    if request.headers().contains_key(TRANSFER_ENCODING) && connection.framing.next_is_ambiguous() {
        // The rest of the connection may be what a proxy took for a part of this body.
        let mut answer = answer::empty(StatusCode::BAD_REQUEST);
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return Ok(answer);
    }
    let answer = match connection.daemon.guard.check(&connection.channel, &request) {
        Err(refusal) => {
            let reason = refusal.reason.as_deref().unwrap_or("no reason");
            connection.daemon.refusals.warn(&format!("refused a request: {reason}"));
            answer::refusal(refusal)
        }
        Ok(page) => {
            let mut answer = route(&connection, &mut request, &page).await;
            answer::address(&mut answer, &page);
            answer
        }
    };
    if answer.status() == StatusCode::PAYLOAD_TOO_LARGE {
        tokio::task::spawn_local(discard(request.into_body()));
    }
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS && !answer.body().keeps_the_wait() {
        connection.wait.set(Waiting::Idle);
    }
    Ok(answer)
}

async fn route(connection: &Rc<Connection>, request: &mut Request<Incoming>, asks: &Page) -> Answer {
    if request.uri().path() == "/healthz" {
        return health(connection, request.method());
    }
    if connection.daemon.config.page
        && let Some(part) = page::part(request.uri().path())
    {
        return page::answer(connection, request, part).await;
    }
    let Some(rest) = api_path(request.uri().path()) else { return answer::empty(StatusCode::NOT_FOUND) };
    let target = match connection.daemon.service.identity().path_target(rest) {
        PathTarget::Known(target) => target,
        PathTarget::Unknown => return answer::empty(StatusCode::NOT_FOUND),
        PathTarget::UnsupportedVersion => return answer::empty(StatusCode::BAD_REQUEST),
    };
    if websocket::wanted(request) {
        return websocket::upgrade(connection, request, target);
    }
    match *request.method() {
        Method::POST => {}
        Method::OPTIONS if *asks != Page::None => return answer::preflight(),
        _ => return answer::wrong_method("POST, OPTIONS"),
    }
    if !connection.daemon.guard.token_presented(&connection.channel, request, false) {
        return answer::empty(StatusCode::UNAUTHORIZED);
    }
    if is_form_upload(request.headers()) {
        return answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    match body(request.body_mut()).await {
        Ok(body) => call(connection, &body, target).await,
        Err(status) => answer::empty(status),
    }
}

/// What follows `/jsonrpc/`; `None` for every other path.
fn api_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(API)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// The one content type that no JSON client sends and every web form can. All others are ignored, as by Thunder.
fn is_form_upload(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    kind.is_some_and(|kind| kind.starts_with(b"multipart/"))
}

/// `GET /healthz`: 200 when all is well, 503 and the reasons when something is not.
fn health(connection: &Connection, method: &Method) -> Answer {
    if *method != Method::GET && *method != Method::HEAD {
        return answer::wrong_method("GET, HEAD");
    }
    let manager = connection.daemon.service.manager();
    let (degraded, containers) = (manager.health().degraded, manager.list().len());
    let (status, word) = if degraded.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "degraded")
    };
    answer::json(status, json!({"status": word, "reasons": degraded, "containers": containers}).to_string())
}

/// The whole body, within its limits.
async fn body(incoming: &mut Incoming) -> Result<Bytes, StatusCode> {
    if incoming.size_hint().lower() > BODY_BYTES as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let whole = timeout(BODY_TIME, Limited::new(incoming, BODY_BYTES).collect()).await;
    let body = match whole {
        Err(_elapsed) => return Err(StatusCode::REQUEST_TIMEOUT),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_broken)) => return Err(StatusCode::BAD_REQUEST),
        Ok(Ok(body)) => body.to_bytes(),
    };
    if body.is_empty() { Err(StatusCode::BAD_REQUEST) } else { Ok(body) }
}

/// Reads the rest of a body that is too large, within limits: many clients read no answer before they have sent all, and
/// lose it when the connection is closed before.
async fn discard(mut rest: Incoming) {
    let mut left = DISCARDED_BYTES;
    let reading = async {
        while let Some(Ok(frame)) = rest.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // What comes after that is not waited for.
    let _late = timeout(BODY_TIME, reading).await;
}

async fn call(connection: &Connection, body: &[u8], target: Target) -> Answer {
    let mut caller = Caller {
        name: &connection.name,
        target,
        subscriptions: None,
        streams: None,
        read_only: connection.read_only(),
        with_error_kinds: false,
    };
    let service = &connection.daemon.service;
    let work = match service.accept(body, &mut caller) {
        Ok(work) => work,
        Err(fault) if fault.code == -32700 => return answer::fault(StatusCode::BAD_REQUEST, fault),
        Err(fault) => return answer::fault(StatusCode::OK, fault),
    };
    match finish(&connection.daemon, work).await {
        Some(reply) => answer::json(StatusCode::OK, reply),
        None => answer::empty(StatusCode::NO_CONTENT),
    }
}

/// Carries out the work; what must not stop half-way goes on when the client has gone and this future is dropped.
async fn finish(daemon: &Daemon, work: Work) -> Option<String> {
    let cancellable = work.cancellable();
    let work = work.run(Rc::clone(&daemon.service));
    if cancellable { work.await } else { tokio::task::spawn_local(work).await.ok().flatten() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_api_has_a_path() {
        let cases = [
            ("/jsonrpc", Some("")),
            ("/jsonrpc/", Some("")),
            ("/jsonrpc/Controller", Some("Controller")),
            ("/jsonrpcx", None),
            ("/JSONRPC", None),
            ("/", None),
            ("/Service", None),
        ];
        for (path, rest) in cases {
            assert_eq!(api_path(path), rest, "{path}");
        }
    }
}

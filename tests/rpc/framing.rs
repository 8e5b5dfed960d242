//! Requests whose end is not the same for everyone: what a proxy took for a body must not be a request to us.

use serde_json::json;

use crate::support::daemon_world::DaemonWorld;

const LIST: &str = r#"{"jsonrpc":"2.0","id":3,"method":"org.rdk.OCIContainer.1.listContainers"}"#;

#[test]
fn a_request_with_a_length_and_an_encoding_ends_the_connection() {
    let world = DaemonWorld::new();
    let chunked = format!("{:x}\r\n{LIST}\r\n0\r\n\r\n", LIST.len());
    let smuggled = format!("POST /jsonrpc HTTP/1.1\r\nContent-Length: {}\r\n\r\n{LIST}", LIST.len());
    let length = format!("Content-Length: {}", chunked.len());
    let encoding = "Transfer-Encoding: chunked";
    let heads = [
        format!("HTTP/1.1\r\n{length}\r\n{encoding}"),
        format!("HTTP/1.1\r\n{encoding}\r\n{length}"),
        format!("HTTP/1.1\r\n{encoding}\r\nContent-Length: x"),
        format!("HTTP/1.1\r\n{length}\r\n{encoding}\r\n{length}"),
        format!("HTTP/1.1\r\n{length}\r\ntransfer-encoding: identity, chunked"),
        format!("HTTP/1.1\r\n{length}\r\nTransfer-Encoding: identity"),
        format!("HTTP/1.1\r\n{length}\r\n{length}1"),
        format!("HTTP/1.0\r\n{length}\r\n{encoding}"),
        format!("HTTP/1.0\r\n{encoding}"),
        "HTTP/1.1\r\nTransfer-Encoding: gzip".to_owned(),
    ];
    for head in &heads {
        for mut client in [world.tcp(), world.unix()] {
            // One before it is answered, also when it comes in the same packet.
            let before = format!("POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\n{encoding}\r\n\r\n{chunked}");
            client.send(
                format!("{before}POST /jsonrpc {head}\r\nHost: localhost\r\n\r\n{chunked}{smuggled}")
                    .as_bytes(),
            );
            assert_eq!(client.answer().json()["result"]["containers"], json!([]), "{head}");
            let answer = client.answer();
            assert_eq!(
                (answer.status, answer.header("connection")),
                (400, Some("close")),
                "{head}: {answer:?}"
            );
            assert!(client.is_closed(), "{head}");
        }
    }
}

//! One frame or body: which requests are in it, and what is wrong with it.

use serde::de::Deserialize as _;
use serde_json::Value;

use crate::rpc::errors::Fault;
use crate::rpc::id::Id;

/// The deepest nesting of arrays and objects in one message.
pub const MAX_DEPTH: usize = 64;
/// The most requests in one batch.
pub const MAX_BATCH: usize = 32;

/// What a client sent in one body or frame.
#[derive(Debug)]
pub enum Message {
    /// One JSON value that is not a batch.
    Single(Entry),
    /// A JSON-RPC 2.0 batch, in order; never empty.
    Batch(Vec<Entry>),
}

/// A request, or what to answer in place of one.
pub type Entry = Result<Request, Fault>;

/// One JSON-RPC request. Unknown members are ignored; of a member that is there twice the last one counts.
#[derive(Debug)]
pub struct Request {
    /// The id to answer with; [`Id::Absent`] means that no answer is wanted.
    pub id: Id,
    /// The method; empty when it is missing or not a string.
    pub method: String,
    /// The parameters as sent; `Null` when there are none.
    pub params: Value,
}

/// Reads one body or frame.
///
/// As with Thunder, whatever follows the first JSON value is ignored.
///
/// # Errors
/// -32700 for what is not JSON or nested too deeply, -32600 for an empty or oversized batch.
pub fn parse(bytes: &[u8]) -> Result<Message, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| Fault::parse(error.to_string()))?;
    check_depth(text)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Value::deserialize(&mut deserializer).map_err(|error| Fault::parse(error.to_string()))?;
    let Value::Array(batch) = value else { return Ok(Message::Single(entry(value))) };
    match batch.len() {
        0 => Err(Fault::invalid("the batch is empty")),
        1..=MAX_BATCH => Ok(Message::Batch(batch.into_iter().map(entry).collect())),
        n => Err(Fault::invalid(format!("the batch has {n} requests, at most {MAX_BATCH} are allowed"))),
    }
}

/// Refuses nesting beyond [`MAX_DEPTH`] before any parser sees it.
fn check_depth(text: &str) -> Result<(), Fault> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth > MAX_DEPTH {
            return Err(Fault::parse(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if depth == 0 && matches!(byte, b']' | b'}') && !quoted {
            break; // What follows the first value is ignored.
        }
    }
    Ok(())
}

/// One request object.
fn entry(value: Value) -> Entry {
    let Value::Object(mut members) = value else {
        return Err(Fault::invalid("a request must be a JSON object"));
    };
    let id = Id::read(members.get("id"))?;
    let method = match members.get_mut("method").map(Value::take) {
        Some(Value::String(method)) => method,
        None if matches!(id, Id::Absent) => return Err(Fault::invalid("neither a method nor an id")),
        _ => String::new(),
    };
    let params = members.get_mut("params").map(Value::take).unwrap_or_default();
    Ok(Request { id, method, params })
}

/// A result of the plugin with the member `errorReason` of interface 1.0.8, empty since the call succeeded. `success` stays
/// the last member.
#[must_use]
pub fn with_reason(mut result: Value) -> Value {
    if let Value::Object(members) = &mut result
        && let Some(success) = members.remove("success")
    {
        members.insert("errorReason".to_owned(), "".into());
        members.insert("success".to_owned(), success);
    }
    result
}

/// The answer to one request, or `None` when it wanted none.
#[must_use]
pub fn reply(id: &Id, outcome: &Result<Value, Fault>) -> Option<String> {
    let id = id.text()?;
    let body = match outcome {
        Ok(result) => format!("\"result\":{result}"),
        Err(fault) => format!("\"error\":{}", fault.to_json()),
    };
    Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{body}}}"))
}

/// A message to a subscriber: a request of ours without an id.
#[must_use]
pub fn notification(method: &str, params: &Value) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":{},\"params\":{params}}}", Value::from(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> String {
        match parse(text.as_bytes()) {
            Err(fault) => format!("{}", fault.code),
            Ok(Message::Batch(entries)) => format!("batch of {}", entries.len()),
            Ok(Message::Single(Err(fault))) => format!("{}", fault.code),
            Ok(Message::Single(Ok(request))) => {
                format!("{} {} {}", request.id.text().unwrap_or("-"), request.method, request.params)
            }
        }
    }

    #[test]
    fn bodies_are_read_as_thunder_reads_them_or_refused() {
        let deep = format!("{{\"id\":1,\"method\":\"a\",\"params\":{}{}}}", "[".repeat(63), "]".repeat(63));
        assert!(outcome(&deep).starts_with("1 a [["));
        let cases = [
            (r#"{"id":1,"method":"a"}"#, "1 a null"),
            (" \n\t{\"id\":1,\"method\":\"a\"}", "1 a null"),
            (r#"{"id":1,"method":"a"}{"id":2}"#, "1 a null"),
            (r#"{"id":1,"method":"a"} garbage"#, "1 a null"),
            (r#"{"id":1,"id":2,"method":"a","method":"b","params":1,"params":{}}"#, "2 b {}"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"a","x":[{}]}"#, "1 a null"),
            (r#"{"id":1,"method":"a","params":"}{[["}"#, "1 a \"}{[[\""),
            (r#"{"id":1,"method":"a","params":"\"[["}"#, "1 a \"\\\"[[\""),
            (r#"{"id":1,"method":3}"#, "1  null"),
            (r#"{"id":1,"method":null}"#, "1  null"),
            (r#"{"id":1}"#, "1  null"),
            (r#"{"method":"a"}"#, "- a null"),
            ("{}", "-32600"),
            ("[]", "-32600"),
            ("42", "-32600"),
            ("\"x\"", "-32600"),
            ("null", "-32600"),
            ("hello", "-32700"),
            ("{'id':1}", "-32700"),
            ("\u{feff}{\"id\":1}", "-32700"),
            (r#"{"id":1,"method":"a""#, "-32700"),
            (r#"{"id":1,"method":"a","params":}"#, "-32700"),
            (r#"[{"id":1,"method":"a"},3]"#, "batch of 2"),
            ("", "-32700"),
        ];
        for (text, expected) in cases {
            assert_eq!(outcome(text), expected, "{text}");
        }
        assert_eq!(outcome(&"[".repeat(100_000)), "-32700");
        assert_eq!(outcome(&"{\"a\":".repeat(100_000)), "-32700");
        assert_eq!(outcome(&format!("[{}1]", "1,".repeat(MAX_BATCH))), "-32600");
        assert_eq!(parse(b"\xff{}").unwrap_err().code, -32700);
    }

    #[test]
    fn replies_have_thunders_members_in_thunders_order() {
        let id = Id::read(Some(&7.into())).unwrap();
        let result = serde_json::json!({"success": true});
        assert_eq!(reply(&id, &Ok(result)).unwrap(), r#"{"jsonrpc":"2.0","id":7,"result":{"success":true}}"#);
        let fault = Fault::unknown_method();
        assert_eq!(
            reply(&id, &Err(fault)).unwrap(),
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Unknown method."}}"#
        );
        assert_eq!(reply(&Id::Absent, &Ok(Value::Null)), None);
    }
}

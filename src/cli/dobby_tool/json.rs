//! JSON as Dobby writes it: one blank per level, brackets on lines of their own, short lists on one line.

use serde_json::Value;

/// The longest list that stands on one line, in characters.
const LINE: usize = 74;

/// A value as text.
pub(crate) fn styled(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let indent = " ".repeat(depth);
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push_str("{\n");
            for (n, (name, member)) in members.iter().enumerate() {
                text.push_str(&format!("{indent} {} : ", Value::from(name.as_str())));
                break_line(member, depth + 1, text);
                write(member, depth + 1, text);
                text.push_str(if n + 1 < members.len() { ",\n" } else { "\n" });
            }
            text.push_str(&format!("{indent}}}"));
        }
        Value::Array(items) if is_long(items) => {
            text.push_str("[\n");
            for (n, item) in items.iter().enumerate() {
                text.push_str(&format!("{indent} "));
                write(item, depth + 1, text);
                text.push_str(if n + 1 < items.len() { ",\n" } else { "\n" });
            }
            text.push_str(&format!("{indent}]"));
        }
        Value::Array(items) if !items.is_empty() => {
            let items: Vec<_> = items.iter().map(Value::to_string).collect();
            text.push_str(&format!("[ {} ]", items.join(", ")));
        }
        other => text.push_str(&other.to_string()),
    }
}

/// What has lines of its own begins on one.
fn break_line(member: &Value, depth: usize, text: &mut String) {
    let has_lines = match member {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => is_long(items),
        _ => false,
    };
    if has_lines {
        text.push_str(&format!("\n{}", " ".repeat(depth)));
    }
}

fn is_long(items: &[Value]) -> bool {
    let nests = |item: &Value| match item {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    let length: usize = items.iter().map(|item| item.to_string().len() + 2).sum();
    items.iter().any(nests) || length + 2 >= LINE
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn brackets_stand_on_lines_of_their_own() {
        let value = json!({"cpu": {"usage": null}, "pids": [1, 2], "processes": [{"pid": 1}], "state": "running", "x": []});
        let expected = r#"{
 "cpu" : 
 {
  "usage" : null
 },
 "pids" : [ 1, 2 ],
 "processes" : 
 [
  {
   "pid" : 1
  }
 ],
 "state" : "running",
 "x" : []
}"#;
        assert_eq!(styled(&value), expected);
    }
}

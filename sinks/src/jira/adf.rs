//! Plain text as an Atlassian document, and back. Text nodes hold text only: nothing in them is
//! markup, so words from outside stay words.

use serde_json::{Value, json};

/// Longest text that is read back. Unit: bytes.
const READ_MAX: usize = 16 * 1024;
/// Deepest nesting that is read.
const DEPTH_MAX: usize = 20;

/// One paragraph per block of lines, lines parted by hard breaks.
pub(super) fn document(text: &str) -> Value {
    let paragraphs: Vec<Value> = text
        .split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .map(|block| json!({"type": "paragraph", "content": lines(block)}))
        .collect();
    json!({"type": "doc", "version": 1, "content": paragraphs})
}

fn lines(block: &str) -> Vec<Value> {
    let mut nodes = Vec::new();
    for line in block.lines().filter(|line| !line.is_empty()) {
        if !nodes.is_empty() {
            nodes.push(json!({"type": "hardBreak"}));
        }
        nodes.push(json!({"type": "text", "text": line}));
    }
    nodes
}

/// The words of a document; a text as it is.
pub(super) fn words(document: &Value) -> String {
    let mut out = String::new();
    collect(document, 0, &mut out);
    out.trim().to_owned()
}

fn collect(node: &Value, depth: usize, out: &mut String) {
    if depth > DEPTH_MAX || out.len() > READ_MAX {
        return;
    }
    if let Value::String(text) = node {
        out.push_str(text);
        return;
    }
    match node.get("type").and_then(Value::as_str) {
        Some("text") => out.push_str(node.get("text").and_then(Value::as_str).unwrap_or_default()),
        Some("hardBreak") => out.push('\n'),
        Some("mention" | "emoji") => {
            let text = node.pointer("/attrs/text").and_then(Value::as_str);
            out.push_str(text.unwrap_or_default());
        }
        _ => {}
    }
    for child in node.get("content").and_then(Value::as_array).into_iter().flatten() {
        collect(child, depth + 1, out);
    }
    if matches!(node.get("type").and_then(Value::as_str), Some("paragraph" | "heading")) {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_a_document_and_is_read_back() {
        let text = "Summary:\n  broken *here*\n\nOwner: ops";
        let made = document(text);
        assert_eq!(made["content"].as_array().map(Vec::len), Some(2));
        assert_eq!(words(&made), "Summary:\n  broken *here*\nOwner: ops");
        assert_eq!(words(&json!("plain")), "plain");
        assert_eq!(words(&Value::Null), "");
    }

    #[test]
    fn no_text_node_is_empty_because_jira_refuses_those() {
        let made = document("\n\na\n\n\n\nb\n");
        assert!(!made.to_string().contains(r#""text":"""#), "{made}");
    }
}

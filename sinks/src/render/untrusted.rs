//! Text from alerts, logs and changes: anybody who can make an application log a line writes it.
//!
//! [`Untrusted`] has no `Display`: its encoders are the only way to words that people or machines
//! read. What is deliberately absent: escaping for one markup language. Encoded text is inert in
//! all of them, because it no longer begins any of their constructs.

use serde_json::Value;

/// Text from outside.
#[derive(Clone, Copy)]
pub struct Untrusted<'a>(pub &'a str);

/// Marks a cut. Three ASCII dots, so that it survives every character set.
const CUT: &str = "...";

impl Untrusted<'_> {
    /// One line that is inert as markup, mention, template, header and log line: control,
    /// format and direction characters are gone, white space runs are one blank, the beginnings
    /// of markup and templates are broken up.
    ///
    /// Bound: at most `chars_max` characters.
    #[must_use]
    pub fn line(&self, chars_max: usize) -> String {
        let mut words = String::new();
        let mut left = chars_max.saturating_mul(4);
        for c in self.0.chars() {
            let Some(left_now) = left.checked_sub(1) else { break };
            left = left_now;
            if c.is_whitespace() || is_control(c) {
                if !words.is_empty() && !words.ends_with(' ') {
                    words.push(' ');
                }
            } else if !is_invisible(c) {
                words.push(c);
            }
        }
        cut(&inert(words.trim_end()), chars_max)
    }

    /// Several lines, each as [`Untrusted::line`]; empty lines stay single.
    ///
    /// Bounds: at most `lines_max` lines of at most `chars_max` characters.
    #[must_use]
    pub fn block(&self, lines_max: usize, chars_max: usize) -> String {
        let mut lines: Vec<String> = Vec::new();
        for line in self.0.split('\n').take(lines_max.saturating_mul(2)) {
            let line = Untrusted(line).line(chars_max);
            if line.is_empty() && lines.last().is_none_or(String::is_empty) {
                continue;
            }
            if lines.len() == lines_max {
                lines.push(CUT.to_owned());
                break;
            }
            lines.push(line);
        }
        lines.join("\n").trim_end().to_owned()
    }

    /// Text for a machine: the words stay as they are, so that names still compare; only control
    /// (but tab and line feed), format and direction characters are gone.
    ///
    /// Bound: at most `chars_max` characters.
    #[must_use]
    pub fn data(&self, chars_max: usize) -> String {
        let kept = |c: &char| matches!(c, '\t' | '\n') || !(is_control(*c) || is_invisible(*c));
        let text: String = self.0.chars().filter(kept).take(chars_max + 1).collect();
        cut(&text, chars_max)
    }
}

/// Control characters of C0 and C1, and the Unicode line ends.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters that show nothing or turn the direction of what follows: bidi controls, zero width
/// characters, soft hyphen, byte order mark, interlinear annotation, tags, variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Breaks up what begins markup or a template somewhere: `<` before anything but a blank becomes
/// a single angle quotation mark, `{{`, `${`, `#{`, `{%`, `[code` and links in Markdown get a blank.
fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        match (c, next) {
            ('<', Some(after)) if after != ' ' && after != '=' => out.push('\u{2039}'),
            ('{' | '$' | '#' | '%' | '}', Some('{' | '}'))
            | ('{', Some('%' | '#'))
            | (']', Some('('))
            | ('[', Some('c' | 'C' | '/' | '[')) => {
                out.push(c);
                out.push(' ');
            }
            ('`', _) => out.push('\''),
            ('@', Some(after)) if after.is_alphanumeric() && !ends_in_word(&out) => {
                out.push_str("@ ");
            }
            _ => out.push(c),
        }
    }
    out
}

/// An `@` inside of a word is an address (`ann@host`), one at its beginning a mention.
fn ends_in_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(char::is_alphanumeric)
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(CUT.len())).collect();
    format!("{}{CUT}", kept.trim_end())
}

/// Deepest nesting of JSON that is passed on.
const DEPTH_MAX: usize = 32;

/// Encodes every text of a JSON value by [`Untrusted::data`], keys too; what is nested deeper than
/// 32 levels becomes null.
#[must_use]
pub fn clean_json(value: Value, chars_max: usize) -> Value {
    clean_at(value, chars_max, 0)
}

fn clean_at(value: Value, chars_max: usize, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    match value {
        Value::String(text) => Value::String(Untrusted(&text).data(chars_max)),
        Value::Array(items) => {
            items.into_iter().map(|item| clean_at(item, chars_max, depth + 1)).collect()
        }
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, item)| {
                (Untrusted(&key).data(chars_max), clean_at(item, chars_max, depth + 1))
            })
            .collect(),
        other => other,
    }
}

/// JSON whose bytes hold no `<`, `>` or `&`: safe also where somebody pastes it into a page. It
/// parses to the same value.
#[must_use]
pub fn json_bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in value.to_string().into_bytes() {
        match byte {
            b'<' => out.extend_from_slice(b"\\u003c"),
            b'>' => out.extend_from_slice(b"\\u003e"),
            b'&' => out.extend_from_slice(b"\\u0026"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_begins_markup_or_a_template_is_broken_up() {
        let cases = [
            ("<script>alert(1)</script>", "\u{2039}script>alert(1)\u{2039}/script>"),
            ("<!channel> look", "\u{2039}!channel> look"),
            ("p95 < 2 s, a -> b, x <= y", "p95 < 2 s, a -> b, x <= y"),
            (
                "{{7*7}} ${jndi:ldap://x} #{1} {% raw %}",
                "{ {7*7} } $ {jndi:ldap://x} # {1} { % raw % }",
            ),
            ("[code]<b>x</b>[/code]", "[ code]\u{2039}b>x\u{2039}/b>[ /code]"),
            ("[click](javascript:x)", "[ click] (javascript:x)"),
            ("@here ann@example.org", "@ here ann@example.org"),
            ("a\r\nX-Evil: 1\r\n\r\nb", "a X-Evil: 1 b"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred [0m"),
            ("pay\u{202e}gnp.exe\u{200b}", "paygnp.exe"),
            ("`rm -rf`", "'rm -rf'"),
        ];
        for (raw, expected) in cases {
            assert_eq!(Untrusted(raw).line(200), expected, "{raw:?}");
        }
    }

    #[test]
    fn machines_get_the_words_unchanged_but_nothing_invisible() {
        let raw = "GET /a/{{id}} <b>\u{202e}\u{1b}[1m\r\nnext\tcol\0";
        assert_eq!(Untrusted(raw).data(100), "GET /a/{{id}} <b>[1m\nnext\tcol");
        assert_eq!(Untrusted("abcdefgh").data(6), "abc...");
    }

    #[test]
    fn json_bytes_hold_no_markup_and_parse_to_the_same_value() {
        let value = serde_json::json!({"a<b": ["</script>", 1, null, true, "x & y"]});
        let bytes = json_bytes(&value);
        assert!(!bytes.iter().any(|b| b"<>&".contains(b)));
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
    }

    proptest! {
        #[test]
        fn a_line_is_one_short_visible_line_whatever_comes_in(raw in any::<String>()) {
            let line = Untrusted(&raw).line(80);
            prop_assert!(line.chars().count() <= 80);
            prop_assert!(!line.chars().any(|c| is_control(c) || is_invisible(c)));
            for pair in ["{{", "${", "<!", "</", "<s", "[c", "]("] {
                prop_assert!(!line.contains(pair), "{pair} in {line:?}");
            }
        }

        #[test]
        fn a_block_has_no_more_lines_than_allowed(raw in "[a-z\n\r<{ ]{0,400}") {
            let block = Untrusted(&raw).block(5, 40);
            prop_assert!(block.lines().count() <= 6);
        }
    }
}

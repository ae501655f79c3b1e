//! Log templates by content: mask what varies, hash what stays. No state, so the same line has
//! the same template in every task and every run (Drain's tree would depend on arrival order).

use crate::id::{TemplateId, stable_hash};

/// Longest part of a message that is looked at. Unit: bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// Longest skeleton that is kept for people. Unit: characters.
pub const SKELETON_CHARS_MAX: usize = 200;

/// Masks a message into its skeleton: every token that holds a digit and every quoted string
/// becomes `<*>`, but a place in the code (`package.Class#line`) stays; runs of white space become
/// one blank.
///
/// Bounds: only the first [`MESSAGE_BYTES_MAX`] bytes are read, the skeleton is cut at
/// [`SKELETON_CHARS_MAX`] characters.
#[must_use]
pub fn skeleton(message: &str) -> String {
    let mut cut = message.len().min(MESSAGE_BYTES_MAX);
    while !message.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut out = String::with_capacity(cut.min(SKELETON_CHARS_MAX));
    let mut token = String::new();
    let mut quote: Option<char> = None;
    for c in message.get(..cut).unwrap_or_default().chars() {
        match quote {
            Some(open) if c == open => {
                quote = None;
                push_mask(&mut out);
            }
            Some(_) => {}
            None if (c == '"' || c == '\'') && token.is_empty() => quote = Some(c),
            None if is_separator(c) => {
                flush(&mut out, &mut token);
                if c.is_whitespace() {
                    if !out.ends_with(' ') && !out.is_empty() {
                        out.push(' ');
                    }
                } else {
                    out.push(c);
                }
            }
            None => token.push(c),
        }
    }
    if quote.is_some() {
        push_mask(&mut out);
    }
    flush(&mut out, &mut token);
    out.trim_end().chars().take(SKELETON_CHARS_MAX).collect()
}

/// The content-addressed id of a skeleton. Where it names the place in the code that wrote it, that
/// place alone is the id: the words around it may still vary, the statement does not.
#[must_use]
pub fn template_id(skeleton: &str) -> TemplateId {
    let mut tokens = skeleton.split(is_separator);
    let statement = tokens.find(|token| is_code_place(token)).unwrap_or(skeleton);
    TemplateId(stable_hash(&[statement.as_bytes()]))
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, ',' | ';' | ':' | '=' | '(' | ')' | '[' | ']' | '{' | '}' | '|')
}

fn flush(out: &mut String, token: &mut String) {
    if token.is_empty() {
        return;
    }
    if is_variable(token) {
        push_mask(out)
    } else {
        out.push_str(token)
    }
    token.clear();
}

/// Digits, hexadecimal ids and over-long words vary; plain words and places in the code stay.
fn is_variable(token: &str) -> bool {
    token.len() > 64 || (token.bytes().any(|b| b.is_ascii_digit()) && !is_code_place(token))
}

/// Whether a token is `package.Class#line`, as Java's loggers write it: dotted identifiers, a hash
/// and at most six digits.
fn is_code_place(token: &str) -> bool {
    let Some((class, line)) = token.rsplit_once('#') else { return false };
    let identifier = |part: &str| {
        part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
            && part.bytes().next().is_some_and(|b| !b.is_ascii_digit())
    };
    class.len() <= 64
        && class.split('.').all(identifier)
        && (1..=6).contains(&line.len())
        && line.bytes().all(|b| b.is_ascii_digit())
}

fn push_mask(out: &mut String) {
    if !out.ends_with("<*>") {
        out.push_str("<*>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_masked_and_what_stays_is_kept() {
        let cases = [
            ("order 4711 paid in 12ms", "order <*> paid in <*>"),
            ("user \"ann\" logged in", "user <*> logged in"),
            ("GET /api/v1/orders/17 -> 200", "GET <*> -> <*>"),
            ("  connection   refused: db-1:5432", "connection refused: <*>:<*>"),
            ("timeout", "timeout"),
            ("", ""),
        ];
        for (message, expected) in cases {
            assert_eq!(skeleton(message), expected);
        }
    }

    #[test]
    fn a_place_in_the_code_stays_and_is_the_id() {
        let text =
            |user: &str| skeleton(&format!("10:15:01.2 INFO o.c.OrderController#118 by {user}"));
        assert_eq!(text("ann"), "<*>:<*>:<*> INFO o.c.OrderController#118 by ann");
        assert_eq!(template_id(&text("ann")), template_id(&text("bob")));
        let other = skeleton("10:15:01.2 INFO o.c.OrderController#119 by ann");
        assert_ne!(template_id(&text("ann")), template_id(&other));
        assert_eq!(skeleton("issue #118, part 4a#118"), "issue <*>, part <*>");
    }

    #[test]
    fn a_huge_message_is_bounded_and_cut_between_characters() {
        let message = "\u{e9}".repeat(100_000);
        assert!(skeleton(&message).len() < 2 * MESSAGE_BYTES_MAX);
    }

    #[test]
    fn two_lines_of_one_statement_share_a_template() {
        let id = |text: &str| template_id(&skeleton(text));
        assert_eq!(id("charge 9.99 failed for card 4111"), id("charge 1.50 failed for card 5500"));
        assert_ne!(id("charge failed"), id("charge accepted"));
    }
}

//! Log templates by content: mask what varies, hash what stays. No state, so the same line has
//! the same template in every task and every run (Drain's tree would depend on arrival order).

use crate::id::{TemplateId, stable_hash};

/// Longest part of a message that is looked at. Unit: bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// Longest skeleton that is kept for people. Unit: characters.
pub const SKELETON_CHARS_MAX: usize = 200;

/// What is kept of the begin and of the end of a longer warning or error: together not more than a name
/// may have. Unit: characters.
const ENDS_CHARS: (usize, usize) = (90, 160);

/// Masks a message into its skeleton: every token that holds a digit and every quoted string
/// becomes `<*>`, but a place in the code (`package.Class#line`) stays; runs of white space become
/// one blank.
///
/// Bounds: only the first [`MESSAGE_BYTES_MAX`] bytes are read, the skeleton is cut at
/// [`SKELETON_CHARS_MAX`] characters.
#[must_use]
pub fn skeleton(message: &str) -> String {
    masked(message).chars().take(SKELETON_CHARS_MAX).collect()
}

/// The skeleton of a warning or an error, for people: of a first line that is too long its begin and its
/// end, since a chain of causes ends with the first of them, and often with the name of who did not answer.
#[must_use]
pub fn complaint(message: &str) -> String {
    let line = masked(message.trim_start().lines().next().unwrap_or_default());
    let chars = line.chars().count();
    if chars <= SKELETON_CHARS_MAX {
        return skeleton(message);
    }
    let (head, tail) = ENDS_CHARS;
    let begin: String = line.chars().take(head).collect();
    let end: String = line.chars().skip(chars.saturating_sub(tail)).collect();
    format!("{begin}<*>{end}")
}

fn masked(message: &str) -> String {
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
    out.truncate(out.trim_end().len());
    out
}

/// A skeleton for people: without the times, levels and threads that a line begins with, and with
/// an ellipsis for what varies.
#[must_use]
pub fn readable(skeleton: &str) -> String {
    let punctuation = |c: char| c.is_whitespace() || ",;:=()[]{}|-".contains(c);
    let mut rest = skeleton.trim_start_matches(punctuation);
    while let Some(after) = rest.strip_prefix("<*>") {
        rest = after.trim_start_matches(punctuation);
    }
    rest.replace("<*>", "\u{2026}")
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

/// Digits, hexadecimal ids and over-long words vary; plain words, names of parts and places in the
/// code stay.
fn is_variable(token: &str) -> bool {
    let digits = token.bytes().any(|b| b.is_ascii_digit());
    token.len() > 64 || (digits && !is_compound_name(token) && !is_code_place(token))
}

/// A name like `seat-service2`: several parts of letters, each with at most two digits behind them.
/// Pods' suffixes and ids begin with digits or mix them in, so they are none.
fn is_compound_name(token: &str) -> bool {
    let part = |part: &str| {
        let letters = part.bytes().take_while(u8::is_ascii_alphabetic).count();
        let digits = part.len() - letters;
        letters >= 2 && digits <= 2 && part.bytes().skip(letters).all(|b| b.is_ascii_digit())
    };
    token.contains('-') && token.split('-').all(part)
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
            ("no servers for seat-service2", "no servers for seat-service2"),
            ("seat-service-dd54d5df9-ljbb8 ended", "<*> ended"),
            ("1d8f4a72-77ab-4e0c-9d3e-0a1b2c3d4e5f", "<*>"),
            ("exec-12 worker-03", "<*> <*>"),
            ("", ""),
        ];
        for (message, expected) in cases {
            assert_eq!(skeleton(message), expected);
        }
    }

    #[test]
    fn people_read_a_skeleton_from_its_first_word() {
        assert_eq!(
            readable("<*> <*>:<*> ERROR [<*>] pool <*> is empty"),
            "ERROR [\u{2026}] pool \u{2026} is empty"
        );
        assert_eq!(readable("no servers"), "no servers");
        assert_eq!(readable("<*>"), "");
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
    fn of_a_long_error_its_begin_and_its_end_are_kept() {
        let text = |name: &str| {
            format!(
                "ERROR {} nested cause: no instances of {name}\n\tat Call.java:12",
                "request failed; ".repeat(14)
            )
        };
        let kept = complaint(&text("seat-service"));
        assert!(kept.starts_with("ERROR request failed; "), "{kept}");
        assert!(kept.ends_with("nested cause: no instances of seat-service"), "{kept}");
        assert!(kept.chars().count() < 256);
        let id = |name: &str| template_id(&skeleton(&text(name)));
        assert_eq!(id("seat-service"), id("train-service"), "one statement");
        assert_eq!(complaint("refused\n\tat Call.java:12"), skeleton("refused\n\tat Call.java:12"));
    }

    #[test]
    fn two_lines_of_one_statement_share_a_template() {
        let id = |text: &str| template_id(&skeleton(text));
        assert_eq!(id("charge 9.99 failed for card 4111"), id("charge 1.50 failed for card 5500"));
        assert_ne!(id("charge failed"), id("charge accepted"));
    }
}

//! Matchers over labels: Alertmanager's `=`, `!=`, `=~`, `!~`, and how people type them:
//! `service=payment`, `alertname=~"Disk.*"`.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// How a label is compared.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum MatchOp {
    /// Equal.
    #[serde(rename = "=")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    NotEqual,
    /// Matches the whole value (anchored, as Alertmanager does).
    #[serde(rename = "=~")]
    Regex,
    /// Does not match the whole value.
    #[serde(rename = "!~")]
    NotRegex,
}

/// One matcher. A label that is absent has the empty value, as in Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Matcher {
    /// The label. `service` also means the service that the alert was bound to.
    pub label: Name,
    /// How.
    pub op: MatchOp,
    /// With what: a text, or a regular expression.
    pub value: String,
}

const FORM: &str = "write LABEL=VALUE, LABEL!=VALUE, LABEL=~REGEX or LABEL!~REGEX, \
                    e.g. service=payment or alertname=~\"Disk.*\"";

/// Reads one matcher. The value may stand in double quotes, with `\"`, `\\` and `\n` inside.
///
/// # Errors
/// A sentence that says what to write instead.
pub fn parse(text: &str) -> Result<Matcher, String> {
    let text = text.trim();
    let at = text.find(['=', '!']).ok_or_else(|| format!("{text:?} is no matcher; {FORM}"))?;
    let (label, rest) = text.split_at(at);
    let ops = [
        ("=~", MatchOp::Regex),
        ("!~", MatchOp::NotRegex),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ];
    let found = ops.into_iter().find_map(|(sign, op)| Some((op, rest.strip_prefix(sign)?)));
    let (op, value) = found.ok_or_else(|| format!("{text:?} is no matcher; {FORM}"))?;
    let label = label.trim();
    if !is_label(label) {
        return Err(format!("{label:?} is no name of a label; {FORM}"));
    }
    let value =
        unquoted(value.trim()).map_err(|problem| format!("{problem} in {text:?}; {FORM}"))?;
    Ok(Matcher { label: label.into(), op, value })
}

/// A name that a label can have: as Prometheus had them before it took any text.
#[must_use]
pub fn is_label(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first
        && name.len() <= 200
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-/".contains(c))
}

/// A value in double quotes, or without quotes if it has none inside.
fn unquoted(value: &str) -> Result<String, &'static str> {
    let Some(inside) = value.strip_prefix('"') else {
        let whole = !value.contains('"');
        return if whole {
            Ok(value.to_owned())
        } else {
            Err("the whole value is not in double quotes")
        };
    };
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' if chars.as_str().is_empty() => return Ok(text),
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some(c @ ('"' | '\\')) => text.push(c),
                // A regular expression keeps its escapes: `"10\.0"`.
                Some(c) => text.extend(['\\', c]),
                None => break,
            },
            c => text.push(c),
        }
    }
    Err("there is no closing double quote at the end")
}

/// The sign of an operator.
#[must_use]
pub const fn sign(op: MatchOp) -> &'static str {
    match op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    }
}

/// A matcher as it is typed; [`parse`] reads it back.
#[must_use]
pub fn show(matcher: &Matcher) -> String {
    let mut text = format!("{}{}\"", matcher.label, sign(matcher.op));
    for c in matcher.value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Several matchers in one line, as Alertmanager shows them: `{a="1", b=~"2"}`.
#[must_use]
pub fn show_all(matchers: &[Matcher]) -> String {
    let mut text = String::from("{");
    for (i, matcher) in matchers.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        let _infallible = write!(text, "{comma}{}", show(matcher));
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matcher(label: &str, op: MatchOp, value: &str) -> Matcher {
        Matcher { label: label.into(), op, value: value.to_owned() }
    }

    #[test]
    fn the_four_operators_are_read_with_and_without_quotes() {
        for (text, label, op, value) in [
            ("service=payment", "service", MatchOp::Equal, "payment"),
            ("alertname=~\"Disk.*\"", "alertname", MatchOp::Regex, "Disk.*"),
            ("env!=prod", "env", MatchOp::NotEqual, "prod"),
            (" pod !~ \"a|b\" ", "pod", MatchOp::NotRegex, "a|b"),
            ("instance=~\"10\\.0\\.\"", "instance", MatchOp::Regex, "10\\.0\\."),
            ("team=", "team", MatchOp::Equal, ""),
            ("a=b=c", "a", MatchOp::Equal, "b=c"),
            ("k8s.namespace.name=shop", "k8s.namespace.name", MatchOp::Equal, "shop"),
        ] {
            assert_eq!(parse(text), Ok(matcher(label, op, value)), "{text}");
        }
    }

    #[test]
    fn what_is_no_matcher_is_told_with_an_example() {
        for text in ["", "payment", "=x", "a!b", "9a=b", "a b=c", "a=\"open", "a=\"b\"c", "a=b\"c"]
        {
            assert!(parse(text).unwrap_err().contains("service=payment"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(value in "\\PC{0,40}", op in 0_usize..4) {
            let op = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex][op];
            let one = matcher("service", op, &value);
            prop_assert_eq!(parse(&show(&one)), Ok(one));
        }
    }
}

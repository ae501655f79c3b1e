//! Which incidents a sink is told of: matchers in Alertmanager's syntax over an incident's fields.
//!
//! `service`, `owner`, `severity`, `priority`, `cell`. An incident has several services: `=` and
//! `=~` want one that matches, `!=` and `!~` that none does. What is absent is the empty text.

use std::sync::Arc;

use model::incident::Incident;
use model::matcher::{self, MatchOp};
use regex::{Regex, RegexBuilder};

/// Most matchers of one sink.
pub const MATCHERS_MAX: usize = 20;
/// Longest matcher. Unit: bytes.
const MATCHER_BYTES_MAX: usize = 1_000;
/// Bound on a compiled expression. Unit: bytes.
const REGEX_BYTES_MAX: usize = 256 * 1024;
/// Most services that are looked at.
const SERVICES_MAX: usize = 10_000;

/// Matchers that must all match. None matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When(Arc<[Matcher]>);

/// A field of an incident that can be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Service,
    Owner,
    Severity,
    Priority,
    Cell,
}

const FIELDS: [(&str, Field); 5] = [
    ("service", Field::Service),
    ("owner", Field::Owner),
    ("severity", Field::Severity),
    ("priority", Field::Priority),
    ("cell", Field::Cell),
];

#[derive(Clone, Debug)]
struct Matcher {
    field: Field,
    op: MatchOp,
    value: String,
    /// For `=~` and `!~`: anchored, as Alertmanager does.
    regex: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (self.field, self.op, &self.value) == (other.field, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl When {
    /// Reads matchers such as `service=~"pay.*"`.
    ///
    /// # Errors
    /// What is wrong with each, by its place.
    pub fn parse(texts: &[String]) -> Result<Self, Vec<(usize, String)>> {
        if texts.len() > MATCHERS_MAX {
            return Err(vec![(0, format!("expected at most {MATCHERS_MAX} matchers"))]);
        }
        let mut matchers = Vec::new();
        let mut errors = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            match parse(text) {
                Ok(matcher) => matchers.push(matcher),
                Err(problem) => errors.push((place, problem)),
            }
        }
        if errors.is_empty() { Ok(Self(matchers.into())) } else { Err(errors) }
    }

    /// Whether all of them match.
    #[must_use]
    pub fn matches(&self, incident: &Incident) -> bool {
        self.0.iter().all(|matcher| matcher.matches(incident))
    }
}

impl Matcher {
    fn matches(&self, incident: &Incident) -> bool {
        let any = match self.field {
            Field::Service if incident.services.is_empty() => self.is_like(""),
            Field::Service => {
                incident.services.iter().take(SERVICES_MAX).any(|service| self.is_like(service))
            }
            Field::Owner => self.is_like(incident.owner.as_deref().unwrap_or_default()),
            Field::Severity => self.is_like(incident.severity.label()),
            Field::Priority => self.is_like(incident.priority.label()),
            Field::Cell => self.is_like(&incident.cell.0),
        };
        match self.op {
            MatchOp::Equal | MatchOp::Regex => any,
            MatchOp::NotEqual | MatchOp::NotRegex => !any,
        }
    }

    /// Whether a text is equal, or matches, whatever the operator makes of it.
    fn is_like(&self, text: &str) -> bool {
        self.regex.as_ref().map_or(text == self.value, |regex| regex.is_match(text))
    }
}

fn parse(text: &str) -> Result<Matcher, String> {
    if text.len() > MATCHER_BYTES_MAX {
        return Err(format!("expected a matcher of at most {MATCHER_BYTES_MAX} bytes"));
    }
    let matcher::Matcher { label, op, value } = matcher::parse(text)?;
    let field = FIELDS.iter().find(|(name, _)| label.as_str() == *name).map(|(_, field)| *field);
    let field = field.ok_or_else(|| {
        format!("expected one of service, owner, severity, priority, cell; found {label:?}")
    })?;
    let regex = match op {
        MatchOp::Equal | MatchOp::NotEqual => None,
        MatchOp::Regex | MatchOp::NotRegex => Some(
            RegexBuilder::new(&format!("^(?:{value})$"))
                .size_limit(REGEX_BYTES_MAX)
                .build()
                .map_err(|error| format!("expected a regular expression: {error}"))?,
        ),
    };
    Ok(Matcher { field, op, value, regex })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::testing::incident;

    fn when(texts: &[&str]) -> When {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        When::parse(&texts).unwrap()
    }

    #[test]
    fn all_matchers_must_match_and_none_matches_everything() {
        let incident = incident(1);
        for (texts, expected) in [
            (&[][..], true),
            (&["service=payment"], true),
            (&["service=\"pay\""], false),
            (&["service=~\"pay.*\"", "priority=~\"P1|P2\""], true),
            (&["service=~\"pay.*\"", "priority=\"P1\""], false),
            (&["service!=\"cart\""], true),
            (&["service!=\"payment\""], false),
            (&["service!~\"pay.*\""], false),
            (&["owner = team-payments"], true),
            (&["owner=\"\""], false),
            (&["severity=critical", "cell=\"production\""], true),
            (&["cell!=production"], false),
        ] {
            assert_eq!(when(texts).matches(&incident), expected, "{texts:?}");
        }
    }

    #[test]
    fn a_regular_expression_holds_for_the_whole_value_and_what_is_absent_is_empty() {
        let mut incident = incident(1);
        incident.owner = None;
        assert!(when(&["owner=\"\""]).matches(&incident));
        assert!(when(&["owner=~\"|team-.*\""]).matches(&incident));
        assert!(!when(&["service=~\"check\""]).matches(&incident));
        assert!(when(&["service=~\"che\\w+\""]).matches(&incident));
        incident.services.clear();
        assert!(when(&["service!=\"payment\""]).matches(&incident));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_what_was_expected() {
        for (text, part) in [
            ("service", "is no matcher"),
            ("team=\"a\"", "expected one of service"),
            ("service=~\"(\"", "regular expression"),
            ("service=\"a", "closing double quote"),
            ("service=\"a\" b", "closing double quote"),
            ("service=a\"b", "double quotes"),
        ] {
            let errors = When::parse(&[text.to_owned()]).unwrap_err();
            assert!(errors.iter().any(|(_, problem)| problem.contains(part)), "{text}: {errors:?}");
        }
        assert!(When::parse(&vec![String::from("service=a"); MATCHERS_MAX + 1]).is_err());
    }
}

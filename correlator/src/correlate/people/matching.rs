//! Matching: Alertmanager's matchers over the labels of an alert.
//!
//! All matchers of a set must match. A label that is absent has the empty value, regular expressions
//! are anchored at both ends, and `service` also means the service that the alert was bound to.

use std::sync::Arc;

use model::alert::Alert;
use model::matcher::{MatchOp, Matcher};
use model::name::Name;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::check::ActFault;

/// Most memory of one compiled expression: repetitions of repetitions do not fit in. Unit: bytes.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// The label that also means the bound service.
const SERVICE: &str = "service";

/// Compiled matchers. Serialised as what people wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Matcher>", into = "Vec<Matcher>")]
pub(in crate::correlate) struct MatcherSet {
    parts: Arc<Vec<Part>>,
}

#[derive(Clone, Debug)]
struct Part {
    matcher: Matcher,
    regex: Option<Regex>,
}

impl MatcherSet {
    /// Compiles matchers.
    ///
    /// # Errors
    /// The first expression that does not compile or is too large.
    pub(in crate::correlate) fn new(matchers: Vec<Matcher>) -> Result<Self, ActFault> {
        let compile = |matcher: Matcher| {
            let regex = match matcher.op {
                MatchOp::Equal | MatchOp::NotEqual => None,
                MatchOp::Regex | MatchOp::NotRegex => Some(compiled(&matcher)?),
            };
            Ok(Part { matcher, regex })
        };
        let parts = matchers.into_iter().map(compile).collect::<Result<_, ActFault>>()?;
        Ok(Self { parts: Arc::new(parts) })
    }

    /// Whether an alert that has none of the labels matches.
    pub(in crate::correlate) fn matches_nothing_given(&self) -> bool {
        self.parts.iter().all(|part| part.matches_texts("", None))
    }

    /// Whether all of them match.
    pub(in crate::correlate) fn matches(&self, alert: &Alert, service: Option<&Name>) -> bool {
        self.parts.iter().all(|part| part.matches(alert, service))
    }
}

impl Part {
    /// What is denied must hold for the label and for the bound service; what is asked for, for either.
    fn matches(&self, alert: &Alert, service: Option<&Name>) -> bool {
        let label = alert.labels.get(&self.matcher.label).map(Name::as_str);
        let bound = service.filter(|_| self.matcher.label.as_str() == SERVICE).map(Name::as_str);
        match (label, bound) {
            // An alert that is bound by another label has a service: the bound one alone.
            (None, Some(bound)) => self.matches_texts(bound, None),
            (label, bound) => self.matches_texts(label.unwrap_or_default(), bound),
        }
    }

    fn matches_texts(&self, label: &str, bound: Option<&str>) -> bool {
        let value = self.matcher.value.as_str();
        let found = |text: &str| self.regex.as_ref().is_some_and(|regex| regex.is_match(text));
        match self.matcher.op {
            MatchOp::Equal => label == value || bound == Some(value),
            MatchOp::NotEqual => label != value && bound != Some(value),
            MatchOp::Regex => found(label) || bound.is_some_and(found),
            MatchOp::NotRegex => !found(label) && !bound.is_some_and(found),
        }
    }
}

fn compiled(matcher: &Matcher) -> Result<Regex, ActFault> {
    let build = |expression: &str| {
        let mut builder = RegexBuilder::new(expression);
        builder.size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build()
    };
    // Anchored as Alertmanager does: the whole value, whatever alternatives the expression has. It must
    // stand for itself first: brackets that close ours would take the anchors away.
    build(&matcher.value).and_then(|_| build(&format!("^(?:{})$", matcher.value))).map_err(
        |error| ActFault::BadRegex {
            label: matcher.label.clone(),
            why: match error {
                regex::Error::CompiledTooBig(_) => String::from("it is too large; make it simpler"),
                other => last_line(&other.to_string()),
            },
        },
    )
}

/// The regex crate draws a picture of the place; its last line says what is wrong.
fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(text);
    line.trim().trim_start_matches("error: ").to_owned()
}

impl PartialEq for MatcherSet {
    fn eq(&self, other: &Self) -> bool {
        let of = |set: &Self| set.parts.iter().map(|p| p.matcher.clone()).collect::<Vec<_>>();
        of(self) == of(other)
    }
}

impl TryFrom<Vec<Matcher>> for MatcherSet {
    type Error = ActFault;
    fn try_from(matchers: Vec<Matcher>) -> Result<Self, ActFault> {
        Self::new(matchers)
    }
}

impl From<MatcherSet> for Vec<Matcher> {
    fn from(set: MatcherSet) -> Self {
        set.parts.iter().map(|part| part.matcher.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::alert::{AlertStatus, Labels, Severity};
    use model::time::Timestamp;

    use super::*;

    fn alert(pairs: &[(&str, &str)]) -> Alert {
        let pairs = pairs.iter().map(|(key, value)| (Name::from(*key), Name::from(*value)));
        let labels = Labels::new(pairs.collect());
        Alert {
            fingerprint: labels.fingerprint(),
            name: "Rule".into(),
            status: AlertStatus::Firing,
            labels,
            annotations: Labels::default(),
            starts_at: Timestamp::EPOCH,
            ends_at: None,
            severity: Severity::Warning,
            trace_id: None,
            generator_url: None,
            group: None,
        }
    }

    fn set(label: &str, op: MatchOp, value: &str) -> MatcherSet {
        let matcher = Matcher { label: label.into(), op, value: value.into() };
        MatcherSet::new(vec![matcher]).unwrap()
    }

    #[test]
    fn expressions_match_the_whole_value() {
        let cart = alert(&[("job", "cart")]);
        assert!(set("job", MatchOp::Regex, "ca.*").matches(&cart, None));
        assert!(!set("job", MatchOp::Regex, "ca|ar").matches(&cart, None));
        assert!(set("job", MatchOp::NotRegex, "car").matches(&cart, None));
    }

    #[test]
    fn an_absent_label_has_the_empty_value() {
        let bare = alert(&[]);
        assert!(set("job", MatchOp::Equal, "").matches(&bare, None));
        assert!(set("job", MatchOp::NotEqual, "x").matches(&bare, None));
        assert!(set("job", MatchOp::Regex, "(x|)").matches(&bare, None));
        assert!(!set("job", MatchOp::Regex, ".+").matches(&bare, None));
    }

    #[test]
    fn service_also_means_the_bound_one() {
        let by_app = alert(&[("app", "cart")]);
        let bound = Name::from("cart");
        assert!(set("service", MatchOp::Equal, "cart").matches(&by_app, Some(&bound)));
        assert!(!set("service", MatchOp::NotEqual, "cart").matches(&by_app, Some(&bound)));
        assert!(!set("app2", MatchOp::Equal, "cart").matches(&by_app, Some(&bound)));
        assert!(!set("service", MatchOp::Equal, "").matches(&by_app, Some(&bound)), "it has one");
        assert!(set("service", MatchOp::NotEqual, "").matches(&by_app, Some(&bound)));
        assert!(!set("service", MatchOp::NotRegex, ".+").matches(&by_app, Some(&bound)));
    }

    #[test]
    fn what_does_not_compile_or_is_too_large_is_said() {
        let bad = |value: &str| {
            let matcher = Matcher { label: "a".into(), op: MatchOp::Regex, value: value.into() };
            MatcherSet::new(vec![matcher]).unwrap_err().to_string()
        };
        assert!(bad("(").contains("unclosed group"), "{}", bad("("));
        assert!(bad("a)|(?:b").contains("unopened group"), "{}", bad("a)|(?:b"));
        assert!(bad("((((a{100}){100}){100}){100})").contains("too large"));
    }
}

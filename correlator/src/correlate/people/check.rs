//! Checks: whether an act can be carried out, in words that say what to do if not.
//!
//! [`check`] needs nothing but the act: whoever takes acts in (API, CLI, a sink) asks it beforehand. What
//! depends on the incidents that are there is answered when the act is folded; the same words serve.

use model::command::{Act, CauseRef, Decision};
use model::id::IncidentId;
use model::matcher::Matcher;
use model::name::Name;
use model::time::{Nanos, Timestamp};
use thiserror::Error;

use super::matching::MatcherSet;

/// Characters of an act's id.
const ID_CHARS_MAX: usize = 64;
/// Bytes of a name: author, assignee, label, service, change.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 4096;
/// Bytes of a matcher's value.
const VALUE_BYTES_MAX: usize = 1024;
/// Matchers of one silence, or of one side of an inhibition.
const MATCHERS_MAX: usize = 32;
/// Services, or labels, of one act.
const LIST_MAX: usize = 200;
/// Longest time that something may hold: a year. What is meant for ever is a rule, no silence.
const LASTS_MAX: Nanos = Nanos::from_secs(366 * 24 * 3600);
/// The first second after the year 2200: later instants are mistakes, and sums with them overflow.
const END_OF_TIME: Timestamp = Timestamp(7_258_118_400 * 1_000_000_000);

/// Why an act is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ActFault {
    /// The id does not have the form of one.
    #[error("the act's id must be 1 to 64 of A-Z a-z 0-9 - _ : .; got \"{0}\"")]
    BadId(Name),
    /// Something must be given and is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A text is longer than its bound.
    #[error("{what} has {bytes} bytes, at most {max} are kept")]
    TooLong {
        /// Which.
        what: &'static str,
        /// How long.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A list is longer than its bound.
    #[error("{count} {what}, at most {max} are possible in one act")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The bound.
        max: usize,
    },
    /// An instant that cannot be meant.
    #[error("{0} lies before 1970 or after 2200")]
    BadTime(&'static str),
    /// It ends before it starts.
    #[error("it ends at {ends_at}, not after {starts_at}")]
    EndsBeforeStart {
        /// Its start, or the moment of the act.
        starts_at: Timestamp,
        /// Its end.
        ends_at: Timestamp,
    },
    /// It lasts too long.
    #[error("it lasts longer than a year")]
    TooLasting,
    /// Every alert would match.
    #[error("the matchers also match alerts without any of these labels, so everything")]
    MatchesAll,
    /// A regular expression that cannot be used.
    #[error("the expression for label \"{label}\" cannot be used: {why}")]
    BadRegex {
        /// Of which label.
        label: Name,
        /// What is wrong.
        why: String,
    },
    /// It names itself.
    #[error("an incident cannot be merged into itself")]
    IntoItself,
    /// No such incident.
    #[error("incident {0} is not known")]
    UnknownIncident(IncidentId),
    /// It can take nothing in.
    #[error("incident {0} is closed and takes nothing in any more")]
    IntoClosed(IncidentId),
    /// It cannot be cut.
    #[error("incident {0} is closed")]
    SplitOfClosed(IncidentId),
    /// Services that are not part of it.
    #[error("{service} is not among the services of incident {incident}")]
    NotAMember {
        /// The incident.
        incident: IncidentId,
        /// What was named.
        service: Name,
    },
    /// Nothing would be left.
    #[error("all services of incident {0} would leave it")]
    NothingLeft(IncidentId),
    /// The service is not known.
    #[error("service \"{0}\" is neither on the map nor in the incident")]
    UnknownService(Name),
    /// The change is not known.
    #[error("change \"{0}\" is not known")]
    UnknownChange(Name),
    /// There is no such silence, window or inhibition.
    #[error("no act \"{0}\" is in force that could be ended")]
    UnknownTarget(Name),
    /// No more can be in force at once.
    #[error("there are {0} {1} already")]
    Full(usize, &'static str),
}

impl ActFault {
    /// What to do about it.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::BadId(_) => "give each act a new id of this form",
            Self::Missing(_) => "give it",
            Self::TooLong { .. } => "shorten it",
            Self::TooMany { .. } => "make several",
            Self::BadTime(_) => "check the unit: nanoseconds in records, RFC 3339 for people",
            Self::EndsBeforeStart { .. } => "give a later end",
            Self::TooLasting => "give an earlier end and renew it",
            Self::MatchesAll => "at least one must ask for a value",
            Self::BadRegex { .. } => "mend the expression; it must match the whole value",
            Self::IntoItself => "give two",
            Self::UnknownIncident(_) => "check the id; of closed incidents the last 1000 are kept",
            Self::IntoClosed(_) => "merge it into the other one instead",
            Self::SplitOfClosed(_) => "only one that goes on can be split",
            Self::NotAMember { .. } => "see its services",
            Self::NothingLeft(_) => "leave at least one",
            Self::UnknownService(_) => {
                "check how it is spelled; see the incident's services and causes"
            }
            Self::UnknownChange(_) => "name a change of the hypotheses, or the service alone",
            Self::UnknownTarget(_) => "see what is in force",
            Self::Full(..) => "let some of them end first",
        }
    }

    /// What is wrong and what to do, in one line.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{self}; {}", self.action())
    }
}

/// Whether a text can be the id of an act: 1 to 64 of `A-Z a-z 0-9 - _ : .`.
#[must_use]
pub fn is_act_id(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
    (1..=ID_CHARS_MAX).contains(&text.len()) && text.chars().all(legal)
}

/// Whether an act has a form that can be carried out. Bounds: lengths, numbers, instants, expressions.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(act: &Act) -> Result<(), ActFault> {
    if !is_act_id(&act.id) {
        return Err(ActFault::BadId(act.id.chars().take(ID_CHARS_MAX).collect::<String>().into()));
    }
    given("the author", &act.author)?;
    given("where it was decided", &act.via)?;
    short("the reason", &act.reason, REASON_BYTES_MAX)?;
    instant("the moment of the act", act.at)?;
    decision(act)
}

fn decision(act: &Act) -> Result<(), ActFault> {
    match &act.decision {
        Decision::Snooze { until, .. } => lasts(act.at, *until),
        Decision::Assign { to: Some(to), .. } => given("to whom", to),
        Decision::Comment { .. } if act.reason.trim().is_empty() => {
            Err(ActFault::Missing("the text of the comment"))
        }
        Decision::Merge { incident, into } if incident == into => Err(ActFault::IntoItself),
        Decision::Split { services, .. } => names("services", services),
        Decision::ConfirmCause { cause, .. } | Decision::RejectCause { cause, .. } => named(cause),
        Decision::Silence { matchers, starts_at, ends_at } => {
            telling(matchers)?;
            instant("its start", *starts_at)?;
            lasts(act.at.max(*starts_at), *ends_at)
        }
        Decision::Maintenance { services, starts_at, ends_at } => {
            names("services", services)?;
            instant("its start", *starts_at)?;
            lasts(act.at.max(*starts_at), *ends_at)
        }
        Decision::Inhibit { source, target, equal } => {
            telling(source)?;
            telling(target)?;
            many("labels", equal.len(), LIST_MAX)?;
            equal.iter().try_for_each(|label| given("a label", label))
        }
        Decision::Expire { target } | Decision::Uninhibit { target } => {
            given("the act to end", target)
        }
        Decision::Acknowledge { .. }
        | Decision::Unacknowledge { .. }
        | Decision::Unsnooze { .. }
        | Decision::Assign { to: None, .. }
        | Decision::Comment { .. }
        | Decision::Resolve { .. }
        | Decision::Reopen { .. }
        | Decision::Merge { .. } => Ok(()),
    }
}

fn given(what: &'static str, text: &str) -> Result<(), ActFault> {
    if text.trim().is_empty() {
        Err(ActFault::Missing(what))
    } else {
        short(what, text, NAME_BYTES_MAX)
    }
}

fn short(what: &'static str, text: &str, max: usize) -> Result<(), ActFault> {
    let bytes = text.len();
    if bytes > max { Err(ActFault::TooLong { what, bytes, max }) } else { Ok(()) }
}

fn many(what: &'static str, count: usize, max: usize) -> Result<(), ActFault> {
    if count > max { Err(ActFault::TooMany { what, count, max }) } else { Ok(()) }
}

fn names(what: &'static str, names: &[Name]) -> Result<(), ActFault> {
    if names.is_empty() {
        return Err(ActFault::Missing("a service"));
    }
    many(what, names.len(), LIST_MAX)?;
    names.iter().try_for_each(|name| given("a service", name))
}

fn named(cause: &CauseRef) -> Result<(), ActFault> {
    let given = |what, name: &Option<Name>| name.as_ref().map_or(Ok(()), |name| given(what, name));
    given("the service", &cause.service)?;
    given("the change", &cause.change)?;
    if cause.change.is_some() && cause.service.is_none() {
        return Err(ActFault::Missing("the service that the change broke"));
    }
    Ok(())
}

fn instant(what: &'static str, at: Timestamp) -> Result<(), ActFault> {
    let meant = at >= Timestamp::EPOCH && at < END_OF_TIME;
    if meant { Ok(()) } else { Err(ActFault::BadTime(what)) }
}

fn lasts(starts_at: Timestamp, ends_at: Timestamp) -> Result<(), ActFault> {
    instant("its end", ends_at)?;
    if ends_at <= starts_at {
        return Err(ActFault::EndsBeforeStart { starts_at, ends_at });
    }
    if ends_at - starts_at > LASTS_MAX { Err(ActFault::TooLasting) } else { Ok(()) }
}

/// As in Alertmanager: a set that the empty alert matches is a mistake.
fn telling(matchers: &[Matcher]) -> Result<(), ActFault> {
    if matchers.is_empty() {
        return Err(ActFault::Missing("a matcher"));
    }
    many("matchers", matchers.len(), MATCHERS_MAX)?;
    for matcher in matchers {
        given("a matcher's label", &matcher.label)?;
        short("a matcher's value", &matcher.value, VALUE_BYTES_MAX)?;
    }
    let matches_empty = MatcherSet::new(matchers.to_vec())?.matches_nothing_given();
    if matches_empty { Err(ActFault::MatchesAll) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use model::matcher::MatchOp;

    use super::*;

    fn act(decision: Decision) -> Act {
        Act {
            id: "a-1".into(),
            author: "ann".into(),
            via: "api".into(),
            at: Timestamp(1_000_000_000),
            reason: String::new(),
            decision,
        }
    }

    fn silence(matchers: Vec<Matcher>, ends: i64) -> Act {
        let (starts_at, ends_at) = (Timestamp(1_000_000_000), Timestamp(ends));
        act(Decision::Silence { matchers, starts_at, ends_at })
    }

    fn matcher(op: MatchOp, value: &str) -> Matcher {
        Matcher { label: "job".into(), op, value: value.into() }
    }

    #[test]
    fn a_silence_needs_an_end_after_its_start_and_a_matcher_that_asks_for_something() {
        let good = matcher(MatchOp::Equal, "cart");
        assert_eq!(check(&silence(vec![good.clone()], 2_000_000_000)), Ok(()));
        let backwards = check(&silence(vec![good.clone()], 1)).unwrap_err();
        assert!(matches!(backwards, ActFault::EndsBeforeStart { .. }));
        assert_eq!(check(&silence(vec![good], i64::MAX)), Err(ActFault::BadTime("its end")));
        assert_eq!(check(&silence(vec![], 2_000_000_000)), Err(ActFault::Missing("a matcher")));
        for all in [
            matcher(MatchOp::Regex, ".*"),
            matcher(MatchOp::NotEqual, "x"),
            matcher(MatchOp::NotRegex, "x"),
            matcher(MatchOp::Equal, ""),
        ] {
            assert_eq!(check(&silence(vec![all], 2_000_000_000)), Err(ActFault::MatchesAll));
        }
    }

    #[test]
    fn ids_texts_and_lists_are_bounded() {
        let incident = IncidentId(1);
        let bad = Act { id: "a b".into(), ..act(Decision::Acknowledge { incident }) };
        assert!(check(&bad).unwrap_err().to_string().contains("1 to 64"));
        let long = Act { reason: "x".repeat(5000), ..act(Decision::Comment { incident }) };
        assert!(check(&long).unwrap_err().told().ends_with("; shorten it"));
        let none = act(Decision::Comment { incident });
        assert_eq!(check(&none), Err(ActFault::Missing("the text of the comment")));
        let many = act(Decision::Split { incident, services: vec!["a".into(); 201] });
        assert!(matches!(check(&many), Err(ActFault::TooMany { .. })));
        let itself = act(Decision::Merge { incident, into: incident });
        assert_eq!(check(&itself), Err(ActFault::IntoItself));
    }

    #[test]
    fn a_snooze_ends_after_it_was_said_and_within_a_year() {
        let until = |until| act(Decision::Snooze { incident: IncidentId(1), until });
        assert_eq!(check(&until(Timestamp(2_000_000_000))), Ok(()));
        assert!(check(&until(Timestamp(1_000_000_000))).is_err());
        let far = Timestamp(1_000_000_000) + Nanos::from_secs(400 * 24 * 3600);
        assert_eq!(check(&until(far)), Err(ActFault::TooLasting));
    }
}

//! Grouping rules: expressions in CEL that give alerts a key where they enter the journal. Alerts with the
//! same key are in one incident.
//!
//! Evaluated once, here: the key is on the journal's record, so that a replay sees the same whatever the
//! rules are by then. An expression that fails on an alert gives it no key and stops nothing. Bounds: the
//! length of an expression, no loop inside a loop, regular expressions that are written out and small, the
//! labels that are shown to it, the length of a key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr};
use cel::{Context, Env, Program, Value};
use model::alert::{Alert, Severity};
use model::id::stable_hash;
use model::name::Name;
use regex::RegexBuilder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of one expression.
const EXPRESSION_BYTES_MAX: usize = 2_000;
/// Rules of one installation.
const RULES_MAX: usize = 50;
/// Labels of an alert that an expression sees, the first by name.
const LABELS_MAX: usize = 64;
/// Bytes of one label's value that an expression sees.
const VALUE_BYTES_MAX: usize = 1_024;
/// Bytes of a key; a longer one is cut and told apart by its hash.
const KEY_BYTES_MAX: usize = 200;
/// Names that an expression may use.
const VARIABLES: [&str; 2] = ["alert", "service"];
/// What an alert has for an expression.
const FIELDS: [&str; 3] = ["labels", "name", "severity"];
/// Functions that an expression may call.
const FUNCTIONS: [&str; 12] = [
    "bool",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];
/// The function that takes a regular expression.
const MATCHES: &str = "matches";
/// Bytes of one compiled regular expression. It is compiled anew for each alert.
const REGEX_BYTES_MAX: usize = 64 * 1024;

/// A rule as people write it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    /// What it is called; it is part of the key.
    pub name: String,
    /// CEL over `alert.labels`, `alert.name`, `alert.severity` and `service`. A text, or a list of texts,
    /// is the key; an empty one, `null` or `false` is none.
    pub key: String,
}

/// Compiled rules, in the order in which they are asked.
#[derive(Clone, Default)]
pub struct Grouping {
    env: Arc<Env>,
    rules: Arc<Vec<Rule>>,
    services: Vec<Name>,
}

impl fmt::Debug for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grouping").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Rule {
    name: String,
    program: Program,
}

impl Grouping {
    /// Compiles rules. `services` are the labels that name the service of an alert, in order.
    ///
    /// # Errors
    /// Everything that is wrong with them, each with the rule and the place.
    pub fn compile(rules: &[RawRule], services: Vec<Name>) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        if rules.len() > RULES_MAX {
            errors.push(format!("grouping: {} rules, at most {RULES_MAX} are asked", rules.len()));
        }
        let mut compiled: Vec<Rule> = Vec::new();
        for (place, raw) in rules.iter().take(RULES_MAX).enumerate() {
            let at = format!("grouping[{place}] \"{}\"", raw.name);
            if raw.name.is_empty() || compiled.iter().any(|rule| rule.name == raw.name) {
                errors.push(format!("{at}: name: give each rule a name of its own"));
            }
            match compile(&raw.key) {
                Ok(program) => compiled.push(Rule { name: raw.name.clone(), program }),
                Err(error) => errors.push(format!("{at}: key: {error}")),
            }
        }
        if errors.is_empty() {
            Ok(Self { env: Arc::new(Env::stdlib()), rules: Arc::new(compiled), services })
        } else {
            Err(errors)
        }
    }

    /// The key of an alert: of the first rule that gives one.
    #[must_use]
    pub fn key(&self, alert: &Alert) -> Option<Name> {
        if self.rules.is_empty() {
            return None;
        }
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.add_variable("alert", Shown::new(alert)).ok()?;
        let service = self.services.iter().find_map(|label| alert.labels.get(label));
        context.add_variable_from_value("service", text(service.map_or("", Name::as_str)));
        self.rules.iter().find_map(|rule| {
            let value = rule.program.execute(&context).ok()?;
            Some(named(&rule.name, &part(&value).filter(|key| !key.is_empty())?))
        })
    }
}

fn compile(source: &str) -> Result<Program, String> {
    if source.len() > EXPRESSION_BYTES_MAX {
        let bytes = source.len();
        return Err(format!("{bytes} bytes; at most {EXPRESSION_BYTES_MAX}, make it shorter"));
    }
    let program = Program::compile(source).map_err(|errors| {
        let first = errors.errors.first();
        first.map_or_else(
            || errors.to_string(),
            |error| {
                let (line, column) = error.pos;
                let said = error.msg.trim_end_matches('!');
                format!(
                    "line {line}, column {column}: {said}: this is no CEL; docs/control.md has examples"
                )
            },
        )
    })?;
    let references = program.references();
    let mut unknown: Vec<&str> = references.variables();
    unknown.retain(|name| !VARIABLES.contains(name) && !name.starts_with(['@', '_']));
    unknown.sort_unstable();
    // The variables of its own loops are no strangers.
    let own = loop_variables(&program.expression().expr);
    if let Some(name) = unknown.iter().find(|name| !own.contains(&(**name).to_owned())) {
        return Err(format!(
            "\"{name}\" is not known; use alert.labels, alert.name, alert.severity or service"
        ));
    }
    if depth(&program.expression().expr) > 1 {
        return Err(String::from("a loop inside a loop is not evaluated; write it without one"));
    }
    if makes_list(&program.expression().expr) {
        return Err(String::from(
            "`map` and `filter` see labels in no fixed order, so the key would change; name the labels",
        ));
    }
    drop(references);
    check(&program.expression().expr)?;
    Ok(program)
}

/// Refuses what would fail on every alert, or cost more than its length says.
fn check(expr: &Expr) -> Result<(), String> {
    match expr {
        Expr::Call(call) => check_call(call)?,
        Expr::Select(select) => check_field(select)?,
        _ => {}
    }
    children(expr).into_iter().try_for_each(check)
}

fn check_call(call: &CallExpr) -> Result<(), String> {
    let name = call.func_name.as_str();
    // Operators have names that nobody can write.
    let is_written = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if is_written && !FUNCTIONS.contains(&name) {
        let all = FUNCTIONS.join(", ");
        return Err(format!("the function \"{name}\" is not known; there are {all}"));
    }
    if name != MATCHES {
        return Ok(());
    }
    let Some(Expr::Literal(LiteralValue::String(pattern))) = call.args.last().map(|arg| &arg.expr)
    else {
        return Err(String::from("`matches` needs its regular expression written out, as a text"));
    };
    let mut builder = RegexBuilder::new(pattern.inner());
    builder.size_limit(REGEX_BYTES_MAX).build().map(drop).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("the regular expression \"{}\" is too large; make it simpler", pattern.inner())
        }
        other => format!("`matches`: {other}"),
    })
}

fn check_field(select: &SelectExpr) -> Result<(), String> {
    let of_alert = matches!(&select.operand.expr, Expr::Ident(name) if name == "alert");
    if of_alert && !FIELDS.contains(&select.field.as_str()) {
        let field = &select.field;
        return Err(format!(
            "\"alert.{field}\" is not known; use alert.labels, alert.name or alert.severity"
        ));
    }
    Ok(())
}

/// The parts of an expression.
fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Call(call) => {
            let target = call.target.iter().map(|target| &target.expr);
            target.chain(call.args.iter().map(|arg| &arg.expr)).collect()
        }
        Expr::Comprehension(all) => vec![
            &all.iter_range.expr,
            &all.accu_init.expr,
            &all.loop_cond.expr,
            &all.loop_step.expr,
            &all.result.expr,
        ],
        Expr::List(list) => list.elements.iter().map(|element| &element.expr).collect(),
        Expr::Map(map) => entries(map.entries.iter().map(|entry| &entry.expr)),
        Expr::Struct(parts) => entries(parts.entries.iter().map(|entry| &entry.expr)),
        Expr::Select(select) => vec![&select.operand.expr],
        _ => Vec::new(),
    }
}

fn entries<'a>(all: impl Iterator<Item = &'a EntryExpr>) -> Vec<&'a Expr> {
    let of = |entry: &'a EntryExpr| match entry {
        EntryExpr::StructField(field) => vec![&field.value.expr],
        EntryExpr::MapEntry(entry) => vec![&entry.key.expr, &entry.value.expr],
    };
    all.flat_map(of).collect()
}

/// How deep loops are nested. A loop over what another made counts as nested too.
fn depth(expr: &Expr) -> usize {
    let inner = children(expr).into_iter().map(depth).max().unwrap_or(0);
    inner + usize::from(matches!(expr, Expr::Comprehension(_)))
}

/// Whether a loop makes a list: its order would be that of a map, which differs between runs.
fn makes_list(expr: &Expr) -> bool {
    let own = |all: &ComprehensionExpr| matches!(all.accu_init.expr, Expr::List(_));
    matches!(expr, Expr::Comprehension(all) if own(all))
        || children(expr).into_iter().any(makes_list)
}

fn loop_variables(expr: &Expr) -> Vec<String> {
    let mut found: Vec<String> = children(expr).into_iter().flat_map(loop_variables).collect();
    if let Expr::Comprehension(all) = expr {
        found.push(all.iter_var.clone());
        found.extend(all.iter_var2.clone());
        found.push(all.accu_var.clone());
    }
    found
}

/// An alert as expressions see it.
#[derive(Serialize)]
struct Shown<'a> {
    labels: BTreeMap<&'a str, &'a str>,
    name: &'a str,
    severity: &'static str,
}

impl<'a> Shown<'a> {
    fn new(alert: &'a Alert) -> Self {
        let labels = alert.labels.iter().take(LABELS_MAX);
        Self {
            labels: labels
                .map(|(name, value)| (name.as_str(), cut(value, VALUE_BYTES_MAX)))
                .collect(),
            name: cut(&alert.name, VALUE_BYTES_MAX),
            severity: severity(alert.severity),
        }
    }
}

fn text(value: &str) -> Value {
    Value::String(Arc::new(value.to_owned()))
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "unknown",
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Critical => "critical",
    }
}

/// A value as a part of a key; none of it where it is no text, number or list.
fn part(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Bool(true) => Some(String::from("true")),
        Value::List(list) => {
            let parts: Vec<String> = list.iter().filter_map(part).collect();
            let some = parts.iter().any(|part| !part.is_empty());
            some.then(|| parts.join("/"))
        }
        _ => None,
    }
}

fn named(rule: &str, key: &str) -> Name {
    let whole = format!("{rule}:{key}");
    if whole.len() <= KEY_BYTES_MAX {
        return whole.into();
    }
    let hash = stable_hash(&[whole.as_bytes()]);
    format!("{}...{hash:016x}", cut(&whole, KEY_BYTES_MAX)).into()
}

fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use model::alert::{AlertStatus, Labels};
    use model::time::Timestamp;

    use super::*;

    fn rule(key: &str) -> RawRule {
        RawRule { name: "r".into(), key: key.into() }
    }

    fn compiled(key: &str) -> Result<Grouping, Vec<String>> {
        Grouping::compile(&[rule(key)], vec!["service".into(), "app".into()])
    }

    fn alert(pairs: &[(&str, &str)]) -> Alert {
        let pairs = pairs.iter().map(|(key, value)| (Name::from(*key), Name::from(*value)));
        let labels = Labels::new(pairs.collect());
        Alert {
            fingerprint: labels.fingerprint(),
            name: "HighErrors".into(),
            status: AlertStatus::Firing,
            labels,
            annotations: Labels::default(),
            starts_at: Timestamp::EPOCH,
            ends_at: None,
            severity: Severity::Critical,
            trace_id: None,
            generator_url: None,
            group: None,
        }
    }

    fn key(expression: &str, pairs: &[(&str, &str)]) -> Option<String> {
        compiled(expression).unwrap().key(&alert(pairs)).map(|key| key.to_string())
    }

    #[test]
    fn a_key_is_made_of_labels_name_severity_and_service() {
        let pairs = [("cluster", "eu-1"), ("app", "cart")];
        assert_eq!(key("alert.labels.cluster", &pairs).as_deref(), Some("r:eu-1"));
        assert_eq!(key("service + '@' + alert.name", &pairs).as_deref(), Some("r:cart@HighErrors"));
        let list = "[alert.labels['cluster'], alert.severity]";
        assert_eq!(key(list, &pairs).as_deref(), Some("r:eu-1/critical"));
    }

    #[test]
    fn what_gives_no_text_gives_no_key() {
        assert_eq!(key("alert.labels.cluster", &[]), None, "no such label");
        let only = "alert.severity == 'critical' && has(alert.labels.db) ? alert.labels.db : ''";
        assert_eq!(key(only, &[]), None);
        assert_eq!(key(only, &[("db", "orders")]).as_deref(), Some("r:orders"));
        assert_eq!(key("1 > 2", &[]), None);
    }

    #[test]
    fn errors_say_where_and_what_to_do() {
        let error = |key: &str| compiled(key).unwrap_err().join("\n");
        assert!(error("alert.labels.").contains("line 1, column"), "{}", error("alert.labels."));
        assert!(error("has(alert.labels.x ? 1").contains("no CEL; docs/control.md"));
        assert!(error("alarm.name").contains("\"alarm\" is not known"), "{}", error("alarm.name"));
        let nested = "alert.labels.exists(a, alert.labels.exists(b, a == b)) ? 'x' : ''";
        assert!(error(nested).contains("loop inside a loop"), "{}", error(nested));
        let unordered = "alert.labels.map(name, name)[0]";
        assert!(error(unordered).contains("no fixed order"), "{}", error(unordered));
        assert!(error("alert.labls.team").contains("\"alert.labls\" is not known"));
        assert!(error("has(alert.team) ? 'x' : ''").contains("\"alert.team\" is not known"));
        assert!(error("lower(alert.name)").contains("the function \"lower\" is not known"));
        assert!(error("service == '' ? service.trim() : ''").contains("\"trim\""));
        assert!(error(&"x".repeat(3000)).contains("shorter"));
        let twice = Grouping::compile(&[rule("'a'"), rule("'b'")], Vec::new());
        assert!(twice.unwrap_err()[0].contains("a name of its own"));
    }

    #[test]
    fn regular_expressions_are_written_out_and_small() {
        let of = |key: &str| compiled(key).unwrap_err().join("\n");
        let by_label = of("alert.name.matches(alert.labels.pattern) ? 'x' : ''");
        assert!(by_label.contains("written out"), "{by_label}");
        assert!(of("service.matches('(') ? 'x' : ''").contains("unclosed group"));
        let large = "matches(service, '((a{100}){100}){100}') ? 'x' : ''";
        assert!(of(large).contains("too large"), "{}", of(large));
        let fine = "service.matches('^ca.t$') ? service : ''";
        assert_eq!(key(fine, &[("service", "cart")]).as_deref(), Some("r:cart"));
        assert_eq!(key(fine, &[("service", "mail")]), None);
    }

    #[test]
    fn a_loop_over_labels_is_fine_and_long_keys_stay_apart() {
        let any = "alert.labels.exists(name, name.startsWith('team_')) ? 'team' : ''";
        assert_eq!(key(any, &[("team_a", "1")]).as_deref(), Some("r:team"));
        let (one, two) = ("x".repeat(500) + "1", "x".repeat(500) + "2");
        let of = |value: &str| key("alert.labels.v", &[("v", value)]).unwrap();
        assert_ne!(of(&one), of(&two));
        assert!(of(&one).len() < 256);
    }
}

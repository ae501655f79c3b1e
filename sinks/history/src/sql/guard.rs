//! The gate: which statements are let through. A list of what is allowed, not of what is not, and
//! bounds on how much one statement may be: whatever walks or drops it later does so recursively.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    DiscardObject, Expr, ObjectNamePart, Query, Select, Set, SetExpr, SetSessionAuthorizationParam,
    SetSessionAuthorizationParamKind, Statement, TableFactor, Visit, Visitor,
};

use super::error::{READ_ONLY, SqlError, TOO_COMPLEX, UNSUPPORTED};

/// How deep expressions and queries may be in each other.
const DEPTH_MAX: usize = 200;
/// Tables that a statement may name, those of what it names by `WITH` counted wherever they are
/// named; likewise its selects.
const PARTS_MAX: usize = 200;
/// How deep a plan may be, views and subqueries put in.
const PLAN_DEPTH_MAX: usize = 500;
/// Steps of a plan, views and subqueries put in wherever they are named.
const PLAN_STEPS_MAX: usize = 10_000;

/// What may be done with a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Allowed {
    /// The query engine answers it.
    Query(Box<Statement>),
    /// `SHOW name`.
    Show(String),
    /// `SHOW TABLES`.
    ShowTables,
    /// `SET name = value`.
    Set(String, String),
    /// `RESET name`, or all.
    Reset(Option<String>),
    /// `BEGIN`; there is nothing to roll back, but clients want to say it.
    Begin,
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// `DISCARD ALL`: a session as it began.
    DiscardAll,
    /// `DEALLOCATE name`, or all.
    Deallocate(Option<String>),
    /// Accepted and without effect; the word is the command tag.
    Nothing(&'static str),
}

/// Lets a statement through, or says why not.
///
/// # Errors
/// Code 25006 for whatever would write, 0A000 for the rest.
pub fn check(statement: Statement) -> Result<Allowed, SqlError> {
    match statement {
        Statement::Query(ref query) => {
            reads_only(query)?;
            Ok(Allowed::Query(Box::new(statement)))
        }
        Statement::Explain { statement: ref inner, .. } => match &**inner {
            Statement::Query(query) => {
                reads_only(query)?;
                Ok(Allowed::Query(Box::new(statement)))
            }
            other => Err(refused(other)),
        },
        Statement::ShowVariable { variable } => {
            let words: Vec<String> =
                variable.iter().map(|word| word.value.to_ascii_lowercase()).collect();
            Ok(Allowed::Show(words.join("_")))
        }
        Statement::ShowTables { .. } => Ok(Allowed::ShowTables),
        Statement::Set(set) => check_set(set),
        Statement::Reset(reset) => {
            let text = reset.to_string();
            let name = text.split_whitespace().nth(1).unwrap_or("ALL").to_ascii_lowercase();
            Ok(Allowed::Reset((name != "all").then_some(name)))
        }
        Statement::StartTransaction { .. } => Ok(Allowed::Begin),
        Statement::Commit { .. } => Ok(Allowed::Commit),
        Statement::Rollback { savepoint: None, .. } => Ok(Allowed::Rollback),
        Statement::Rollback { .. } => Ok(Allowed::Nothing("ROLLBACK")),
        Statement::Savepoint { .. } => Ok(Allowed::Nothing("SAVEPOINT")),
        Statement::ReleaseSavepoint { .. } => Ok(Allowed::Nothing("RELEASE")),
        Statement::Deallocate { name, .. } => Ok(Allowed::Deallocate(match name.quote_style {
            Some(_) => Some(name.value),
            None => Some(name.value.to_lowercase()).filter(|name| name != "all"),
        })),
        Statement::Discard { object_type: DiscardObject::ALL } => Ok(Allowed::DiscardAll),
        Statement::Discard { .. } => Ok(Allowed::Nothing("DISCARD")),
        Statement::UNLISTEN { .. } => Ok(Allowed::Nothing("UNLISTEN")),
        Statement::Close { .. } => Ok(Allowed::Nothing("CLOSE CURSOR")),
        other => Err(refused(&other)),
    }
}

/// What to say of a text that is not even understood: one that begins like a write is refused as
/// a write, so that nobody looks for the typing error.
#[must_use]
pub fn not_understood(sql: &str, reason: &str) -> SqlError {
    let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if WRITES.contains(&first.as_str()) {
        return read_only(&first);
    }
    // The parser has a bound of its own, lower than ours for some of what can be in each other.
    if reason.contains("recursion limit") {
        return complex(DEPTH_MAX, "levels in each other");
    }
    SqlError::new(super::error::SYNTAX, reason)
}

/// First words of what PostgreSQL would change something by.
const WRITES: [&str; 26] = [
    "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "COPY", "GRANT",
    "REVOKE", "VACUUM", "ANALYZE", "REINDEX", "CLUSTER", "COMMENT", "LOCK", "CALL", "DO", "IMPORT",
    "REFRESH", "LOAD", "SECURITY", "REASSIGN", "PREPARE", "EXECUTE",
];

fn refused(statement: &Statement) -> SqlError {
    let text = statement.to_string();
    let first = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if WRITES.contains(&first.as_str()) {
        read_only(&first)
    } else {
        SqlError::new(UNSUPPORTED, format!("{first} is not offered here"))
            .hint("SELECT, EXPLAIN, SHOW, SET and transaction statements are.")
    }
}

fn read_only(what: &str) -> SqlError {
    SqlError::new(READ_ONLY, format!("cannot execute {what}: the history is read-only"))
        .hint("SELECT, EXPLAIN, SHOW, SET and transaction statements are what it answers.")
}

/// Looks into every query inside of a query.
fn reads_only(query: &Query) -> Result<(), SqlError> {
    match query.visit(&mut Look::default()) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

#[derive(Default)]
struct Look {
    depth: usize,
    selects: usize,
    /// Of each query that is being looked at: its tables.
    tables: Vec<usize>,
    /// Where queries are that `WITH` gives a name, and the name.
    named: BTreeMap<usize, String>,
    /// How many tables a name stands for.
    behind: BTreeMap<String, usize>,
}

/// Tells queries of one statement apart.
fn place(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}

impl Look {
    fn enter(&mut self) -> ControlFlow<SqlError> {
        self.depth += 1;
        within(self.depth, DEPTH_MAX, "levels in each other")
    }

    /// The query that is being looked at has so many tables more.
    fn count(&mut self, more: usize) -> ControlFlow<SqlError> {
        let Some(tables) = self.tables.last_mut() else { return ControlFlow::Continue(()) };
        *tables = tables.saturating_add(more);
        within(*tables, PARTS_MAX, "tables")
    }

    fn leave(&mut self) -> ControlFlow<SqlError> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }
}

fn within(count: usize, most: usize, what: &str) -> ControlFlow<SqlError> {
    if count <= most { ControlFlow::Continue(()) } else { ControlFlow::Break(complex(most, what)) }
}

fn complex(most: usize, what: &str) -> SqlError {
    SqlError::new(TOO_COMPLEX, format!("the statement has more than {most} {what}"))
        .hint("Ask in several statements; instead of many `OR` or `UNION`, use `IN`.")
}

impl Visitor for Look {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        self.enter()?;
        if let Some(first) = query.locks.first() {
            return ControlFlow::Break(read_only(&format!("SELECT {first}")));
        }
        self.tables.push(0);
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.named.insert(place(&cte.query), cte.alias.name.value.to_lowercase());
        }
        match body(&query.body) {
            Some(error) => ControlFlow::Break(error),
            None => ControlFlow::Continue(()),
        }
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        let tables = self.tables.pop().unwrap_or(0);
        if let Some(name) = self.named.remove(&place(query)) {
            let behind = self.behind.entry(name).or_insert(1);
            *behind = tables.max(*behind);
        } else {
            self.count(tables)?;
        }
        self.leave()
    }

    fn pre_visit_expr(&mut self, _expression: &Expr) -> ControlFlow<SqlError> {
        self.enter()
    }

    fn post_visit_expr(&mut self, _expression: &Expr) -> ControlFlow<SqlError> {
        self.leave()
    }

    fn pre_visit_select(&mut self, _select: &Select) -> ControlFlow<SqlError> {
        self.selects += 1;
        within(self.selects, PARTS_MAX, "selects")
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<SqlError> {
        let name = match table {
            TableFactor::Table { name, .. } => name.0.last().and_then(ObjectNamePart::as_ident),
            _ => None,
        };
        let behind = name.and_then(|name| self.behind.get(&name.value.to_lowercase()));
        self.count(behind.copied().unwrap_or(1))
    }
}

/// Bounds a plan. What a statement names twice is in its plan twice, so a few names can become
/// any number of steps.
///
/// # Errors
/// Code 54001.
pub(super) fn check_plan(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut steps = 0;
    walk(plan, 1, &mut steps)
}

fn walk(plan: &LogicalPlan, depth: usize, steps: &mut usize) -> Result<(), SqlError> {
    *steps += 1;
    if depth > PLAN_DEPTH_MAX {
        return Err(complex(PLAN_DEPTH_MAX, "steps on each other"));
    }
    if *steps > PLAN_STEPS_MAX {
        return Err(complex(PLAN_STEPS_MAX, "steps"));
    }
    for input in plan.inputs() {
        walk(input, depth + 1, steps)?;
    }
    let mut found = Ok(());
    plan.apply_subqueries(|inner| {
        found = walk(inner, depth + 1, steps);
        Ok(if found.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    found
}

fn body(expression: &SetExpr) -> Option<SqlError> {
    match expression {
        SetExpr::Select(select) if select.into.is_some() => Some(read_only("SELECT INTO")),
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => Some(refused(statement)),
        SetExpr::SetOperation { left, right, .. } => body(left).or_else(|| body(right)),
        _ => None,
    }
}

fn check_set(set: Set) -> Result<Allowed, SqlError> {
    let single = |name: String, values: &[Expr]| {
        let values: Vec<String> = values.iter().map(bare).collect();
        Allowed::Set(name, values.join(", "))
    };
    match set {
        Set::SingleAssignment { variable, values, hivevar: false, .. } => {
            Ok(single(variable.to_string().to_ascii_lowercase(), &values))
        }
        Set::SetTimeZone { value, .. } => Ok(single("timezone".into(), &[value])),
        Set::SetNames { charset_name, .. } => {
            Ok(Allowed::Set("client_encoding".into(), charset_name.value))
        }
        Set::SetNamesDefault {} => Ok(Allowed::Reset(Some("client_encoding".into()))),
        // READ WRITE is heard as well: writes are refused one by one.
        Set::SetTransaction { .. } => Ok(Allowed::Nothing("SET")),
        // There is one user, so the default is whoever it is already.
        Set::SetSessionAuthorization(SetSessionAuthorizationParam {
            kind: SetSessionAuthorizationParamKind::Default,
            ..
        })
        | Set::SetRole { role_name: None, .. } => Ok(Allowed::Nothing("SET")),
        other => Err(SqlError::new(UNSUPPORTED, format!("{other} is not offered here"))),
    }
}

/// A value without its quotes.
fn bare(value: &Expr) -> String {
    value.to_string().trim_matches(['\'', '"']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

    fn verdict(sql: &str) -> Result<Vec<Allowed>, SqlError> {
        let parsed = PostgresCompatibilityParser::new()
            .parse(sql)
            .map_err(|error| not_understood(sql, &error.to_string()))?;
        parsed.into_iter().map(check).collect()
    }

    #[test]
    fn whatever_writes_is_refused_as_a_write() {
        for sql in [
            "INSERT INTO incidents VALUES (1)",
            "UPDATE incidents SET title = 'x'",
            "DELETE FROM incidents",
            "MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE",
            "CREATE TABLE t (a int)",
            "CREATE TABLE t AS SELECT 1",
            "CREATE VIEW v AS SELECT 1",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/tmp/x.so', 'f'",
            "DROP TABLE incidents",
            "ALTER TABLE incidents ADD COLUMN x int",
            "TRUNCATE incidents",
            "COPY incidents TO '/tmp/x'",
            "COPY (SELECT 1) TO '/tmp/x'",
            "COPY incidents FROM PROGRAM 'id'",
            "COPY incidents FROM STDIN",
            "SELECT 1 INTO t",
            "WITH x AS (SELECT 1 INTO t) SELECT * FROM x",
            "WITH x AS (DELETE FROM incidents RETURNING 1) SELECT * FROM x",
            "SELECT * FROM (SELECT 1 INTO t) s",
            "SELECT 1 UNION SELECT 2 INTO t",
            "SELECT * FROM incidents FOR UPDATE",
            "EXPLAIN INSERT INTO incidents VALUES (1)",
            "EXPLAIN ANALYZE DELETE FROM incidents",
            "GRANT ALL ON incidents TO public",
            "VACUUM",
            "CALL f()",
            "DO $$ BEGIN END $$",
            "PREPARE p AS DELETE FROM incidents",
            "EXECUTE p",
        ] {
            let error = verdict(sql).expect_err(sql);
            assert_eq!(error.code, READ_ONLY, "{sql}: {error}");
            assert!(error.message.contains("read-only"), "{sql}: {error}");
        }
    }

    #[test]
    fn one_write_among_reads_is_found() {
        assert!(verdict("SELECT 1; DELETE FROM incidents; SELECT 2").is_err());
    }

    #[test]
    fn what_clients_say_on_their_way_is_let_through() {
        for sql in [
            "SELECT 1",
            "WITH x AS (SELECT 1 AS a) SELECT * FROM x UNION ALL SELECT 2",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "VALUES (1), (2)",
            "SHOW server_version",
            "SHOW TRANSACTION ISOLATION LEVEL",
            "SHOW TABLES",
            "SET application_name = 'grafana'",
            "SET extra_float_digits = 3",
            "SET TIME ZONE 'UTC'",
            "SET NAMES 'UTF8'",
            "BEGIN",
            "BEGIN READ ONLY",
            "START TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET TRANSACTION READ ONLY",
            "COMMIT",
            "ROLLBACK",
            "ABORT",
            "SAVEPOINT a",
            "DEALLOCATE ALL",
            "DISCARD ALL",
            "RESET ALL",
        ] {
            verdict(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }

    /// Deeper ones are a matter of the engine's threads, which have the stack to refuse them.
    #[test]
    fn a_statement_has_bounds_on_its_depth_and_parts() {
        for (few, many) in [
            (vec!["1"; 150].join("+"), vec!["1"; 300].join("+")),
            (vec!["1"; 150].join(" UNION SELECT "), vec!["1"; 300].join(" UNION SELECT ")),
            (
                format!("1 FROM {}", vec!["edges"; 150].join(",")),
                format!("1 FROM {}", vec!["edges"; 300].join(",")),
            ),
            (
                "* FROM (WITH a AS (SELECT 1), b AS (SELECT * FROM a, a, a) SELECT * FROM b, b) x"
                    .into(),
                format!(
                    "* FROM (WITH a AS (SELECT 1), b AS (SELECT * FROM {0}), c AS (SELECT * FROM {1}) \
                     SELECT * FROM c) x",
                    vec!["a"; 20].join(","),
                    vec!["B"; 20].join(",")
                ),
            ),
        ] {
            verdict(&format!("SELECT {few}")).unwrap();
            let error = verdict(&format!("SELECT {many}")).unwrap_err();
            assert_eq!(error.code, TOO_COMPLEX, "{error}");
        }
    }

    #[test]
    fn a_typing_error_is_told_as_one() {
        assert_eq!(verdict("SELEC 1").unwrap_err().code, "42601");
    }
}

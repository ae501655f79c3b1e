//! The search path in the look-ups of Grafana's data source.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Statement, Value, visit_expressions_mut};

/// The schema in which tables are found without being named.
pub(super) const SCHEMA: &str = "public";

/// Says which schema is in the search path. Grafana asks whether `quote_ident(table_schema)` is among
/// what `current_setting('search_path')` splits into; the parser puts an empty text in the place of that
/// query, so that no table would be found.
pub(super) fn name(statements: &mut Vec<Statement>) {
    let ControlFlow::Continue(()) = visit_expressions_mut(statements, |expression| {
        if let Expr::InList { expr, list, .. } = expression
            && expr.to_string() == "quote_ident(table_schema)"
            && let [Expr::Value(one)] = list.as_mut_slice()
            && one.value == Value::SingleQuotedString(String::new())
        {
            one.value = Value::SingleQuotedString(SCHEMA.to_owned());
        }
        ControlFlow::<Infallible>::Continue(())
    });
}

#[cfg(test)]
mod tests {
    use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

    use super::*;

    #[test]
    fn grafanas_look_up_finds_the_tables_of_the_search_path() {
        let sql = "SELECT 1 FROM information_schema.columns WHERE quote_ident(table_schema) IN (
            SELECT CASE WHEN trim(s[i]) = '\"$user\"' THEN user ELSE trim(s[i]) END
            FROM generate_series(
                array_lower(string_to_array(current_setting('search_path'),','),1),
                array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i, string_to_array(current_setting('search_path'),',') s)";
        let mut statements = PostgresCompatibilityParser::new().parse(sql).unwrap();
        name(&mut statements);
        let told = statements[0].to_string();
        assert!(told.ends_with("WHERE quote_ident(table_schema) IN ('public')"), "{told}");
    }

    #[test]
    fn other_lists_stay() {
        let sql = "SELECT 1 FROM incidents WHERE owner IN ('')";
        let mut statements = PostgresCompatibilityParser::new().parse(sql).unwrap();
        name(&mut statements);
        assert!(statements[0].to_string().ends_with("owner IN ('')"));
    }
}

//! What Grafana's data source sends, by `psql`: probes, look-ups, macros expanded.

use history::sql::engine::Limits;

use super::{serve, settings, there_is_psql};

#[test]
fn what_grafana_sends_is_answered() {
    if !there_is_psql() {
        return;
    }
    let served = serve(&settings(Some("secret")), Limits::default());
    // Its probes.
    let ask = |sql: &str| served.ask(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(ask("SELECT current_setting('server_version_num')::int/100 as version"), "1500");
    assert_eq!(ask("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"), "");
    assert!(ask("SELECT version()").starts_with("PostgreSQL 15"));
    assert_eq!(ask("SHOW server_version"), "15.0");
    assert_eq!(ask("SELECT current_database()"), "faultline");
    // Its look-ups of tables and columns.
    let tables = "SELECT CASE WHEN quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = \
        '\"$user\"' THEN user ELSE trim(s[i]) END FROM generate_series(array_lower(string_to_array(\
        current_setting('search_path'),','),1), array_upper(string_to_array(current_setting(\
        'search_path'),','),1)) as i, string_to_array(current_setting('search_path'),',') s) THEN \
        quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) \
        END AS \"table\" FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN \
        ('information_schema', 'pg_catalog', '_timescaledb_cache') ORDER BY 1";
    assert!(ask(tables).contains("incidents"));
    let columns = "SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\" FROM \
        information_schema.columns WHERE quote_ident(table_name) = 'incidents' AND \
        quote_ident(table_schema) = 'public'";
    assert!(ask(columns).contains("opened_at|timestamp with time zone"));
    let columns = "SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\" FROM \
        information_schema.columns WHERE CASE WHEN array_length(parse_ident('incidents'),1) = 2 THEN \
        quote_ident(table_schema) = (parse_ident('incidents'))[1] AND quote_ident(table_name) = \
        (parse_ident('incidents'))[2] ELSE quote_ident(table_name) = 'incidents' AND \
        quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = '\"$user\"' THEN user ELSE \
        trim(s[i]) END FROM generate_series(array_lower(string_to_array(current_setting(\
        'search_path'),','),1), array_upper(string_to_array(current_setting('search_path'),','),1)) \
        as i, string_to_array(current_setting('search_path'),',') s) END";
    assert!(ask(columns).contains("opened_at|timestamp with time zone"));
    // Its macros, expanded as it does.
    let range = "opened_at BETWEEN '2026-11-27T00:00:00Z' AND '2026-11-27T23:59:59.999Z'";
    assert_eq!(ask(&format!("SELECT count(*) AS n FROM incidents WHERE {range}")), "20");
    let group = "SELECT floor(extract(epoch from opened_at)/300)*300 AS \"time\", priority AS \
        metric, count(*) AS incidents FROM incidents GROUP BY 1, 2 ORDER BY 1";
    assert_eq!(ask(group), "1795744800.0|P1|20");
    assert!(
        ask("SELECT extract(epoch from opened_at) as \"time\", title FROM incidents LIMIT 1")
            .starts_with("1795744820")
    );
    assert_eq!(
        ask("SELECT count(*) AS n FROM incidents WHERE extract(epoch from opened_at) >= 0 AND \
             extract(epoch from opened_at) <= 1795744820"),
        "20"
    );
    let times = "SELECT opened_at AS \"time\" FROM incidents LIMIT 1";
    assert!(ask(times).starts_with("2026-11-27 02:00:20"), "{}", ask(times));
    let nodes =
        ask("SELECT id, arc__cause + arc__observed + arc__predicted + arc__healthy AS one \
        FROM nodes WHERE incident_id = '0000000000000001' ORDER BY id");
    assert_eq!(nodes, "checkout|1.0\npayments|1.0");
}

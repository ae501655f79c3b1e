//! The views that people ask: rows of newest revisions, and incidents with their times.

use crate::schema::Table;

/// The schema of the tables as they lie in files, superseded rows among them.
pub const FILES: &str = "files";
/// The schema of what people ask.
pub const PUBLIC: &str = "public";

/// `incidents`: the newest revision of each, and how long it took to understand, take and end it.
const INCIDENTS: &str = "
SELECT r.*,
    r.state IN ('suspected', 'open') AS is_open,
    date_part('epoch', n.hypothesis_at) - date_part('epoch', r.onset_at) AS seconds_to_hypothesis,
    date_part('epoch', r.acknowledged_at) - date_part('epoch', r.opened_at)
        AS seconds_to_acknowledge,
    date_part('epoch', r.resolved_at) - date_part('epoch', r.opened_at) AS seconds_to_resolve
FROM files.revisions r
JOIN (
    SELECT incident_id AS newest_id, max(revision) AS newest_revision,
        min(CASE WHEN cause_kind <> 'none' THEN updated_at END) AS hypothesis_at
    FROM files.revisions GROUP BY incident_id
) n ON r.incident_id = n.newest_id AND r.revision = n.newest_revision";

/// All views by name, in an order in which they can be made.
#[must_use]
pub fn all() -> Vec<(&'static str, String)> {
    let mut views = vec![("incidents", strip(INCIDENTS))];
    for table in Table::ALL {
        let name = table.name();
        let query = if table.newest_only() {
            format!(
                "SELECT t.* FROM files.{name} t JOIN (SELECT incident_id AS newest_id, \
                 max(revision) AS newest_revision FROM files.revisions GROUP BY incident_id) n \
                 ON t.incident_id = n.newest_id AND t.revision = n.newest_revision"
            )
        } else {
            format!("SELECT * FROM files.{name}")
        };
        views.push((name, query));
    }
    views
}

fn strip(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}

//! The views that people ask: rows of newest revisions, and incidents with their times.
//!
//! An incident's `opened_at` never changes. It is part of every grouping and join here so that a time
//! filter reaches the files below; the side that is kept in memory is the small one, the numbers.

use crate::schema::Table;

/// The schema of the tables as they lie in files, superseded rows among them.
pub const FILES: &str = "files";
/// The schema of what people ask.
pub const PUBLIC: &str = "public";

/// `incidents`: the newest revision of each, and how long it took to understand, take and end it. A fault that came
/// back has its newest onset, which may be after the first hypothesis: what was told had begun by then.
const INCIDENTS: &str = "
SELECT r.*,
    r.state IN ('suspected', 'open') AS is_open,
    date_part('epoch', n.hypothesis_at) - date_part('epoch', least(r.onset_at, r.opened_at))
        AS seconds_to_hypothesis,
    date_part('epoch', r.acknowledged_at) - date_part('epoch', r.opened_at)
        AS seconds_to_acknowledge,
    date_part('epoch', r.resolved_at) - date_part('epoch', r.opened_at) AS seconds_to_resolve
FROM (
    SELECT incident_id AS newest_id, opened_at AS newest_opened_at,
        max(revision) AS newest_revision,
        min(CASE WHEN cause_kind <> 'none' THEN updated_at END) AS hypothesis_at
    FROM files.revisions GROUP BY incident_id, opened_at
) n
JOIN files.revisions r ON r.incident_id = n.newest_id AND r.opened_at = n.newest_opened_at
    AND r.revision = n.newest_revision";

/// All views by name, in an order in which they can be made.
#[must_use]
pub fn all() -> Vec<(&'static str, String)> {
    let mut views = vec![("incidents", strip(INCIDENTS))];
    for table in Table::ALL {
        let name = table.name();
        let query = if table.newest_only() {
            format!(
                "SELECT t.* FROM (SELECT incident_id AS newest_id, opened_at AS newest_opened_at, \
                 max(revision) AS newest_revision FROM files.revisions \
                 GROUP BY incident_id, opened_at) n JOIN files.{name} t \
                 ON t.incident_id = n.newest_id AND t.opened_at = n.newest_opened_at \
                 AND t.revision = n.newest_revision"
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

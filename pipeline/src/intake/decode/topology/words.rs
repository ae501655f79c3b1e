//! The words that sources use for kinds and relations, as data.

use model::map::{ItemKind, Relation, RelationKind};
use model::name::Name;

/// Words for kinds of items; the first that the word contains counts.
const KINDS: [(&str, ItemKind); 40] = [
    ("business service", ItemKind::Other),
    ("service_business", ItemKind::Other),
    ("service_group", ItemKind::Other),
    ("db_", ItemKind::Database),
    ("database", ItemKind::Database),
    ("redis", ItemKind::Database),
    ("cache", ItemKind::Database),
    ("queue", ItemKind::Messaging),
    ("topic", ItemKind::Messaging),
    ("broker", ItemKind::Messaging),
    ("messaging", ItemKind::Messaging),
    ("kafka", ItemKind::Messaging),
    ("external", ItemKind::External),
    ("saas", ItemKind::External),
    ("third_party", ItemKind::External),
    ("pod", ItemKind::Instance),
    ("container", ItemKind::Instance),
    ("instance", ItemKind::Instance),
    ("process", ItemKind::Instance),
    ("deployment", ItemKind::Workload),
    ("statefulset", ItemKind::Workload),
    ("daemonset", ItemKind::Workload),
    ("replicaset", ItemKind::Workload),
    ("workload", ItemKind::Workload),
    ("rollout", ItemKind::Workload),
    ("cronjob", ItemKind::Workload),
    ("job", ItemKind::Workload),
    ("host", ItemKind::Host),
    ("node", ItemKind::Host),
    ("vm", ItemKind::Host),
    ("server", ItemKind::Host),
    ("computer", ItemKind::Host),
    ("service", ItemKind::Service),
    ("website", ItemKind::Service),
    ("frontend", ItemKind::Service),
    ("backend", ItemKind::Service),
    ("api", ItemKind::Other),
    ("system", ItemKind::Other),
    ("domain", ItemKind::Other),
    ("library", ItemKind::Other),
];

/// The kind that a source's word means.
pub(crate) fn item_kind(word: &str) -> ItemKind {
    let word = word.trim().to_ascii_lowercase();
    match word.as_str() {
        "service" | "microservice" | "app" => return ItemKind::Service,
        "db" => return ItemKind::Database,
        _ => {}
    }
    let found = KINDS.iter().find(|(part, _)| word.contains(part));
    found.map_or(ItemKind::Other, |(_, kind)| *kind)
}

/// How a source's relation is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    AsWritten,
    Swapped,
}

/// Relation words: what they mean, and whether `from` and `to` change places.
const RELATIONS: [(&str, RelationKind, Direction); 31] = [
    ("depends_on", RelationKind::DependsOn, Direction::AsWritten),
    ("dependson", RelationKind::DependsOn, Direction::AsWritten),
    ("calls", RelationKind::DependsOn, Direction::AsWritten),
    ("uses", RelationKind::DependsOn, Direction::AsWritten),
    ("consumes", RelationKind::DependsOn, Direction::AsWritten),
    ("reads_from", RelationKind::DependsOn, Direction::AsWritten),
    ("writes_to", RelationKind::DependsOn, Direction::AsWritten),
    ("connects_to", RelationKind::DependsOn, Direction::AsWritten),
    ("routes_to", RelationKind::DependsOn, Direction::AsWritten),
    ("used_by", RelationKind::DependsOn, Direction::Swapped),
    ("dependency_of", RelationKind::DependsOn, Direction::Swapped),
    ("called_by", RelationKind::DependsOn, Direction::Swapped),
    ("runs_on", RelationKind::RunsOn, Direction::AsWritten),
    ("hosted_on", RelationKind::RunsOn, Direction::AsWritten),
    ("scheduled_on", RelationKind::RunsOn, Direction::AsWritten),
    ("deployed_on", RelationKind::RunsOn, Direction::AsWritten),
    ("runs", RelationKind::RunsOn, Direction::Swapped),
    ("hosts", RelationKind::RunsOn, Direction::Swapped),
    ("part_of", RelationKind::PartOf, Direction::AsWritten),
    ("partof", RelationKind::PartOf, Direction::AsWritten),
    ("member_of", RelationKind::PartOf, Direction::AsWritten),
    ("instance_of", RelationKind::PartOf, Direction::AsWritten),
    ("owned_by", RelationKind::PartOf, Direction::AsWritten),
    ("managed_by", RelationKind::PartOf, Direction::AsWritten),
    ("contains", RelationKind::PartOf, Direction::Swapped),
    // A Kubernetes service exposes the workload behind it: both speak of one service.
    ("exposes", RelationKind::PartOf, Direction::Swapped),
    ("selects", RelationKind::PartOf, Direction::Swapped),
    ("manages", RelationKind::PartOf, Direction::Swapped),
    ("owns", RelationKind::PartOf, Direction::Swapped),
    ("has_member", RelationKind::PartOf, Direction::Swapped),
    ("has_part", RelationKind::PartOf, Direction::Swapped),
];

/// The relation that a source's word makes of two items; words that are not known carry no
/// failure. `None` for an item with itself.
pub(crate) fn relation(from: Name, to: Name, word: &str) -> Option<Relation> {
    if from == to || from.is_empty() || to.is_empty() {
        return None;
    }
    let word = word.trim().to_ascii_lowercase().replace([' ', '-', '.'], "_");
    let known = RELATIONS.iter().find(|(known, _, _)| *known == word);
    Some(match known {
        Some((_, kind, Direction::Swapped)) => Relation { from: to, to: from, kind: *kind },
        Some((_, kind, Direction::AsWritten)) => Relation { from, to, kind: *kind },
        None => Relation { from, to, kind: RelationKind::Related },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_from_the_words_of_several_sources() {
        let cases = [
            ("service", ItemKind::Service),
            ("k8s.pod", ItemKind::Instance),
            ("k8s.node", ItemKind::Host),
            ("cmdb_ci_service_auto", ItemKind::Service),
            ("cmdb_ci_db_mysql_instance", ItemKind::Database),
            ("cmdb_ci_linux_server", ItemKind::Host),
            ("cmdb_ci_win_server", ItemKind::Host),
            ("StatefulSet", ItemKind::Workload),
            ("team", ItemKind::Other),
        ];
        for (word, kind) in cases {
            assert_eq!(item_kind(word), kind, "{word}");
        }
    }

    #[test]
    fn failure_flows_the_right_way_whichever_way_it_was_written() {
        let of =
            |word| relation("a".into(), "b".into(), word).map(|r| (r.from.to_string(), r.kind));
        assert_eq!(of("depends on"), Some(("a".into(), RelationKind::DependsOn)));
        assert_eq!(of("used_by"), Some(("b".into(), RelationKind::DependsOn)));
        assert_eq!(of("contains"), Some(("b".into(), RelationKind::PartOf)));
        assert_eq!(of("likes"), Some(("a".into(), RelationKind::Related)));
        assert_eq!(relation("a".into(), "a".into(), "calls"), None);
    }
}

//! Records as they stand: which cases need no new word, and which services have an incident that is not over.

use std::collections::{BTreeMap, BTreeSet};

use model::id::IncidentId;
use model::incident::IncidentState;
use model::name::Name;

use super::{Published, Registry};
use crate::correlate::activity::NodeKey;
use crate::correlate::case::Case;
use crate::correlate::incident::published;

impl Registry {
    /// The cases that are told as they are, with their records: the same state, the same lineage, and none of
    /// `services` among their members. Alerts that joined, ranks and numbers may have moved. None at all where the
    /// case of a record is gone: what it lives on in has to be drawn up before it is looked for.
    pub(in crate::correlate) fn standing<'a>(
        &self,
        cases: impl Iterator<Item = &'a Case>,
        services: &BTreeSet<Name>,
    ) -> BTreeMap<IncidentId, IncidentId> {
        let cases: BTreeMap<IncidentId, &Case> = cases.map(|case| (case.id, case)).collect();
        let is_gone = |record: &Published| record.has_case() && !cases.contains_key(&record.case);
        if self.records.values().any(is_gone) {
            return BTreeMap::new();
        }
        let by_case = self.by_case();
        let is_asked = |key: &NodeKey| key.service().is_some_and(|name| services.contains(name));
        let stands = |case: &&Case| {
            let record = by_case.get(&case.id).and_then(|id| self.records.get(id));
            !case.nodes.keys().any(is_asked) && record.is_some_and(|record| says(record, case))
        };
        let standing = cases.into_values().filter(stands);
        standing.filter_map(|case| Some((case.id, *by_case.get(&case.id)?))).collect()
    }

    /// Whether an incident that is not over names the service.
    pub(in crate::correlate) fn is_open_for(&mut self, service: &Name) -> bool {
        let open = |record: &&Published| {
            matches!(record.incident.state, IncidentState::Open | IncidentState::Suspected)
                && !record.closed
        };
        let records = &self.records;
        let services = || records.values().filter(open).flat_map(|r| r.incident.services.clone());
        self.in_trouble.get_or_insert_with(|| services().collect()).contains(service)
    }
}

/// Whether a record has the state and the lineage of its case.
fn says(record: &Published, case: &Case) -> bool {
    let lineage = &record.incident.lineage;
    !record.kept
        && published(case.state) == Some(record.incident.state)
        && lineage.reopened == case.reopened
        && lineage.split_from.is_some() == case.split_from.is_some()
        && lineage.merged_from.len() >= case.merged_from.len()
}

//! The blast radius: how far the observed reach is that of the labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::incident::Incident;

use super::labels::Fault;
use super::ranks::first_incidents;

/// Jaccard of the first incident's observed services against the labelled ones, without the
/// labelled root cause in either: the cause is not among those whom it reached. Zero without an
/// incident, one where both are empty; `None` if the labels do not say whom it reached. Of
/// incidents of equal impact the worst counts. Unit: 0 to 1.
#[must_use]
pub fn jaccard(incidents: &[&Arc<Incident>], fault: &Fault) -> Option<f64> {
    let reached = |service: &&str| Some(*service) != fault.service();
    let labelled = fault.affected.as_ref()?.iter().map(String::as_str);
    let labelled: BTreeSet<&str> = labelled.filter(reached).collect();
    let worst = first_incidents(incidents)
        .map(|incident| {
            let observed = incident.blast_radius.observed.iter().map(|row| row.service.as_str());
            overlap(&observed.filter(reached).collect(), &labelled)
        })
        .min_by(f64::total_cmp);
    Some(worst.unwrap_or(0.0))
}

fn overlap(a: &BTreeSet<&str>, b: &BTreeSet<&str>) -> f64 {
    let all = a.union(b).count();
    if all == 0 { 1.0 } else { a.intersection(b).count() as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::{fault, incident, reach};

    fn reaching(number: u64, services: &[&str]) -> Arc<Incident> {
        let mut incident = incident(number, 0);
        incident.blast_radius.observed = reach(services);
        Arc::new(incident)
    }

    fn labelled(affected: &[&str]) -> Fault {
        let mut fault = fault(0, "cart");
        fault.affected = Some(affected.iter().map(|s| (*s).to_owned()).collect());
        fault
    }

    #[test]
    fn the_cause_itself_is_in_neither_set() {
        let incident = reaching(1, &["cart", "frontend", "mail"]);
        // {frontend, mail} against {frontend, checkout}: 1 of 3.
        let jaccard = jaccard(&[&incident], &labelled(&["cart", "frontend", "checkout"]));
        assert!((jaccard.unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn no_incident_reaches_nobody_and_no_label_judges_nobody() {
        assert_eq!(jaccard(&[], &labelled(&["frontend"])), Some(0.0));
        assert_eq!(jaccard(&[&reaching(1, &["cart"])], &labelled(&[])), Some(1.0));
        assert_eq!(jaccard(&[&reaching(1, &["cart"])], &fault(0, "cart")), None);
    }

    #[test]
    fn of_equals_the_worst_counts() {
        let right = reaching(1, &["frontend"]);
        let wrong = reaching(2, &["mail"]);
        assert_eq!(jaccard(&[&right, &wrong], &labelled(&["frontend"])), Some(0.0));
    }
}

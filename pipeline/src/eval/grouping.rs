//! Grouping: the measure of streams whose labels name members, the alerts of each fault.
//!
//! Reads `members` of a stream's labels (`docs/corpus.md`) and counts with [`super::clustering`]. An
//! incident pages if it ever was open. Figures of streams are averaged (groupings), or their counts
//! added up (all else); only streams with a fault have a grouping to get wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::id::IncidentId;
use model::incident::{Incident, IncidentState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clustering::{self, Grouped};
use super::measure::{StreamEnd, StreamMeasure};

/// The measure.
pub struct Grouping;

#[derive(Deserialize)]
struct Labels {
    faults: Vec<Fault>,
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Fault {
    window: String,
    change_id: Option<String>,
}

#[derive(Deserialize)]
struct Member {
    fingerprint: String,
    windows: Vec<String>,
}

/// What one stream came to.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Judged {
    ari: Option<f64>,
    v: Option<f64>,
    /// Firing alerts that arrived, repeats among them; not in the labels.
    alerts: u64,
    paging: u64,
    faults: usize,
    recalled: usize,
    wrong_merges: usize,
    named: Vec<(Option<String>, Option<String>)>,
}

impl StreamMeasure for Grouping {
    fn name(&self) -> &'static str {
        "clustering"
    }

    fn judge(&self, end: &StreamEnd<'_>) -> Option<Value> {
        end.labels.get("members")?;
        let labels: Labels = serde_json::from_value(end.labels.clone()).ok()?;
        let judged = judge(&labels, end.incidents, end.opened);
        serde_json::to_value(Judged { alerts: end.firing_alerts, ..judged }).ok()
    }

    fn sum(&self, judged: &[&Value]) -> Value {
        let streams: Vec<Judged> = judged
            .iter()
            .filter_map(|value| serde_json::from_value((*value).clone()).ok())
            .collect();
        sum(&streams)
    }
}

fn judge(labels: &Labels, incidents: &[Arc<Incident>], opened: &BTreeSet<IncidentId>) -> Judged {
    let gone =
        |it: &&Arc<Incident>| !matches!(it.state, IncidentState::Merged | IncidentState::Withdrawn);
    let incidents: Vec<&Arc<Incident>> = incidents.iter().filter(gone).collect();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for (at, incident) in incidents.iter().enumerate() {
        for alert in &incident.alerts {
            found.entry(alert.fingerprint.to_string()).or_insert(at);
        }
    }
    let window = |name: &str| labels.faults.iter().position(|fault| fault.window == name);
    let single = labels.members.iter().filter(|member| member.windows.len() < 2);
    let grouped: Vec<Grouped> = single
        .map(|member| Grouped {
            truth: member.windows.first().and_then(|name| window(name)),
            found: found.get(&member.fingerprint).copied(),
        })
        .collect();
    let pages = |at: &usize| incidents.get(*at).is_some_and(|it| opened.contains(&it.id));
    let paging: BTreeSet<usize> = (0..incidents.len()).filter(pages).collect();
    let (faults, recalled) = clustering::recalled(&grouped, &paging);
    let any = !labels.faults.is_empty();
    Judged {
        ari: clustering::adjusted_rand_index(&grouped).filter(|_| any),
        v: clustering::v_measure(&grouped).filter(|_| any),
        alerts: 0,
        paging: paging.len() as u64,
        faults,
        recalled,
        wrong_merges: clustering::wrong_merges(&grouped),
        named: named(labels, &incidents, &grouped, &paging),
    }
}

/// Per fault the change that its incident names first, and the guilty one. Of several incidents that
/// are about a fault the one with the greatest impact counts.
fn named(
    labels: &Labels,
    incidents: &[&Arc<Incident>],
    grouped: &[Grouped],
    paging: &BTreeSet<usize>,
) -> Vec<(Option<String>, Option<String>)> {
    let change = |fault: usize| -> Option<String> {
        let about = paging.iter().filter(|at| clustering::fault_of(**at, grouped) == Some(fault));
        let about = about.filter_map(|at| incidents.get(*at));
        let first = about.max_by(|a, b| {
            let impact = |it: &Incident| it.blast_radius.impact;
            impact(a).total_cmp(&impact(b)).then(b.id.cmp(&a.id))
        })?;
        first.hypotheses.first()?.change.as_ref().map(|change| change.id.to_string())
    };
    let faults = labels.faults.iter().enumerate();
    faults.map(|(at, fault)| (change(at), fault.change_id.clone())).collect()
}

fn sum(streams: &[Judged]) -> Value {
    let mean = |values: Vec<f64>| {
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let count = |of: &dyn Fn(&Judged) -> u64| -> u64 { streams.iter().map(of).sum() };
    let (alerts, paging) = (count(&|it| it.alerts), count(&|it| it.paging));
    let (faults, recalled) = (count(&|it| it.faults as u64), count(&|it| it.recalled as u64));
    let merges = count(&|it| it.wrong_merges as u64);
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let pairs: Vec<(Option<&str>, Option<&str>)> = streams
        .iter()
        .flat_map(|it| &it.named)
        .map(|(named, guilty)| (named.as_deref(), guilty.as_deref()))
        .collect();
    let (precision, recall) = clustering::precision_and_recall(&pairs);
    json!({
        "ari": rounded(mean(streams.iter().filter_map(|it| it.ari).collect())),
        "v_measure": rounded(mean(streams.iter().filter_map(|it| it.v).collect())),
        "noise_reduction": rounded(clustering::noise_reduction(paging, alerts)),
        "paging_incidents": paging,
        "firing_alerts": alerts,
        "incident_recall": rounded(share(recalled, faults)),
        "wrong_merges": merges,
        "wrong_merge_share": rounded(share(merges, paging)),
        "change_precision": rounded(precision),
        "change_recall": rounded(recall),
    })
}

/// Four decimals, as the other figures.
fn rounded(value: Option<f64>) -> Option<f64> {
    value.map(|value| (value * 1e4).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_and_groupings_averaged() {
        let stream = |ari: Option<f64>, alerts, paging| Judged {
            ari,
            alerts,
            paging,
            faults: 2,
            recalled: 1,
            ..Judged::default()
        };
        let said = sum(&[stream(Some(1.0), 90, 2), stream(Some(0.5), 110, 1), stream(None, 0, 1)]);
        assert_eq!(said["ari"], json!(0.75));
        assert_eq!(said["noise_reduction"], json!(0.98));
        assert_eq!(said["incident_recall"], json!(0.5));
        assert_eq!(said["wrong_merge_share"], json!(0.0));
        assert_eq!(said["change_precision"], Value::Null);
    }

    #[test]
    fn members_without_an_incident_are_neither_grouped_nor_recalled() {
        let labels: Labels = serde_json::from_value(json!({
            "faults": [{ "window": "w1", "change_id": "c" }],
            "members": [
                { "fingerprint": "0000000000000001", "windows": ["w1"] },
                { "fingerprint": "0000000000000002", "windows": ["w1"] },
                { "fingerprint": "0000000000000003", "windows": [] },
                { "fingerprint": "0000000000000004", "windows": ["w1", "w2"] },
            ],
        }))
        .unwrap();
        let judged = judge(&labels, &[], &BTreeSet::new());
        assert_eq!(judged.paging, 0);
        assert_eq!((judged.faults, judged.recalled), (1, 0));
        assert_eq!(judged.ari, Some(0.0), "two alerts of one fault, found in none");
        assert_eq!(judged.named, vec![(None, Some("c".to_owned()))]);
    }
}

//! Every bound of the correlator in one place, each with its reason.
//!
//! What a bound drops is counted and said as [`super::Output::Shed`]. Deliberately absent: bounds in time;
//! those are configuration.

/// Facts that wait to be settled. Above it the oldest pane is settled early: memory before lateness.
pub(super) const RING_FACTS_MAX: usize = 200_000;
/// Alerts that are remembered at once. Above it the longest resolved ones go first.
pub(super) const ALERTS_MAX: usize = 100_000;
/// Alerts of one crowd ([`super::dedup::AlertState`]) that are remembered at once: more than a large fleet has of one rule,
/// and less than half of all. Above it that crowd's oldest go, so that one source that puts ids into its labels makes nobody
/// else's forgotten.
pub(super) const CROWD_ALERTS_MAX: u32 = 40_000;
/// Alerts of one rule that one unsettled pane takes in: 2,000 a second of panes of ten seconds, so that the panes of the
/// lateness hold less than [`RING_FACTS_MAX`] of it.
pub(super) const PANE_RULE_ALERTS_MAX: u32 = 20_000;
/// Rules that are told apart in one unsettled pane; all further ones count as one rule.
pub(super) const PANE_RULES_MAX: usize = 5_000;
/// Rules of alerts whose habits are known; the first stay.
pub(super) const HABITS_MAX: usize = 10_000;
/// Those of one service, so that one whose rules have ids in their names leaves room for others.
pub(super) const SERVICE_HABITS_MAX: u32 = 1_000;
/// Those of alerts that name no service of the map, all together.
pub(super) const STRANGER_HABITS_MAX: u32 = 5_000;
/// Alerts listed in one incident: a page of JSON must stay readable by its consumers.
pub(super) const CASE_ALERTS_MAX: usize = 10_000;
/// Symptom keys of one incident; (service, operation, test) of a large system fit in.
pub(super) const CASE_SYMPTOMS_MAX: usize = 2_000;
/// Symptoms printed in one incident.
pub(super) const SHOWN_SYMPTOMS_MAX: usize = 100;
/// Rows of failing traces by (origin, reached) kept for one incident.
pub(super) const CASE_REACH_MAX: usize = 4_000;
/// Entry operations kept for one incident.
pub(super) const CASE_ENTRIES_MAX: usize = 1_000;
/// Versions kept for one incident.
pub(super) const CASE_VERSIONS_MAX: usize = 500;
/// Nodes that one pane clusters; the quadratic part of clustering is bounded by it.
pub(super) const ACTIVE_NODES_MAX: usize = 2_000;
/// Candidate causes that may join clusters in one pane.
pub(super) const MERGE_CAUSES_MAX: usize = 200;
/// Panes looked back at when an incident is born, for what happened since its onset.
pub(super) const RECENT_PANES_MAX: usize = 30;
/// Signs that are believed at once, of all services together.
pub(super) const SIGNS_MAX: usize = 20_000;
/// Signs of one service.
pub(super) const SIGNS_OF_ONE_MAX: usize = 200;
/// Traces of one sign: as many as the panes of ten minutes give, of three each, when it is said once in three panes.
pub(super) const SIGN_TRACES_MAX: usize = 60;
/// Changes that the ledger holds.
pub(super) const LEDGER_CHANGES_MAX: usize = 10_000;
/// Changes that one ranking considers, the newest before the onset first.
pub(super) const RANKED_CHANGES_MAX: usize = 400;
/// Hypotheses printed in one incident.
pub(super) const HYPOTHESES_MAX: usize = 12;
/// Traces printed as examples of one symptom or one incident.
pub(super) const EXEMPLARS_MAX: usize = 10;
/// Lines of a timeline.
pub(super) const TIMELINE_MAX: usize = 100;
/// Nodes of the picture.
pub(super) const GRAPH_NODES_MAX: usize = 150;
/// Services in the predicted blast radius.
pub(super) const PREDICTED_MAX: usize = 50;
/// Dependants walked from one node.
pub(super) const WALK_HOPS_MAX: u32 = 3;
/// Transitions of one alert that are remembered; more than four in ten minutes are flapping.
pub(super) const TRANSITIONS_MAX: usize = 16;
/// Entry operations whose usual traffic is remembered.
pub(super) const TRAFFIC_KEYS_MAX: usize = 10_000;
/// Incidents that stay in the registry of published ones after their end, for tickets that come late.
pub(super) const CLOSED_PUBLISHED_MAX: usize = 1_000;
/// Services whose versions are remembered.
pub(super) const SEEN_SERVICES_MAX: usize = 20_000;
/// Versions of one service that are remembered.
pub(super) const SEEN_VERSIONS_MAX: usize = 64;
/// Messages quoted for their words in one incident.
pub(super) const CASE_VOICES_MAX: usize = 400;
/// Metrics by which two versions are compared in one incident.
pub(super) const CASE_SPLIT_METRICS_MAX: usize = 64;
/// Acts of people whose ids are remembered, so that each counts once.
pub(super) const ACTS_SEEN_MAX: usize = 10_000;
/// Silences that are remembered at once. Each in force is asked for every alert that fires.
pub(super) const SILENCES_MAX: usize = 1_000;
/// Maintenance windows that are remembered at once.
pub(super) const WINDOWS_MAX: usize = 1_000;
/// Inhibitions that are remembered at once.
pub(super) const INHIBITIONS_MAX: usize = 200;
/// Ends of mutes that have not come yet; the newest stay.
pub(super) const ENDS_MAX: usize = 1_000;
/// Verdicts on causes from which rankings learn; the newest stay.
pub(super) const OPINIONS_MAX: usize = 1_000;
/// Rules of alerts that one verdict remembers.
pub(super) const OPINION_RULES_MAX: usize = 50;
/// Alerts by which a case is found again that a person spoke of.
pub(super) const ANCHOR_ALERTS_MAX: usize = 200;
/// Comments, verdicts and lines of decisions of one incident; the oldest leave first.
pub(super) const SAID_MAX: usize = 50;
/// Acts of one incident that could not be carried out; the oldest leave first.
pub(super) const REFUSED_MAX: usize = 10;
/// Incidents without evidence that people hold open at once.
pub(super) const KEPT_OPEN_MAX: usize = 1_000;

//! What the platform says plainly: Kubernetes events of type Warning about objects of a service.
//!
//! "secret not found", "back-off restarting failed container", "insufficient memory" need no
//! statistic, only the question how often the platform says such a thing of healthy objects.

use model::signal::LogSeverity;
use model::symptom::SymptomKind;

use super::evidence::Evidence;
use super::judge::{Case, Tally, note};

/// Panes in which a healthy service has one such event: about one an hour.
const RARE: f64 = 400.0;
/// The same for a failing probe: every start of a slow container has some.
const PROBE: f64 = 10.0;
/// Reasons that only say that a probe failed.
const PROBES: [&str; 2] = ["Unhealthy", "ProbeWarning"];

/// Tells what the platform says of an owner's objects.
pub(crate) fn judge(case: &Case<'_>, found: &mut Vec<Evidence>) {
    for (key, template) in &case.counts.templates {
        if !key.of_platform || key.severity < LogSeverity::Warn || template.records == 0 {
            continue;
        }
        let reason = reason(&template.skeleton);
        let rare = if PROBES.contains(&reason) { PROBE } else { RARE };
        let base = case.baseline.records(key);
        let expected = (base.hits as f64 + 1.0) / (base.trials as f64 + rare);
        let nats = -libm::log(expected.min(1.0));
        let subject = (case.entity(), SymptomKind::Platform, template.skeleton.clone());
        let tally = Tally { hits: template.records, trials: template.records, expected };
        note(found, subject, nats, tally, &template.exemplars);
    }
}

/// The event's reason, which its text begins with.
fn reason(skeleton: &str) -> &str {
    skeleton.split_once(':').map_or(skeleton, |(reason, _)| reason)
}

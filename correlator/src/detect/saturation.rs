//! Saturation: a resource that is used up to its limit (Gregg's USE method: utilisation near one).
//!
//! A latency or a rate may be anything; a utilisation has an end, and near it queues grow without bound.
//! So this is evidence of its own, however much the series has varied before. Known by the words that the
//! OpenTelemetry conventions and exporters use for utilisations; the unit is not part of a series.

/// Words for a share of a limit that runs from 0 to 1.
const OF_ONE: [&str; 3] = ["utilization", "utilisation", "ratio"];
/// Words for a share of a limit in percent.
const OF_HUNDRED: [&str; 3] = ["usage_rate", "percent", "pct"];
/// Words for what can be used up.
const RESOURCES: [&str; 8] =
    ["cpu", "mem", "disk", "filesystem", "heap", "connection", "pool", "thread"];
/// Share of the limit from which it counts as used up: the queue before one server is three times as
/// long as at half load, `rho / (1 - rho)` (M/M/1).
const NEAR: f64 = 0.75;
/// It must have come from below, by this many deviations; what always is full was built so.
const RISE: f64 = 2.0;

/// Whether a value says that a resource is used up; `z` is its distance from the usual in deviations.
pub(crate) fn is_at_limit(metric: &str, value: f64, z: f64) -> bool {
    let name = metric.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let limit = match (has(&OF_ONE), has(&OF_HUNDRED)) {
        (true, _) => 1.0,
        (false, true) => 100.0,
        _ => return false,
    };
    has(&RESOURCES) && z >= RISE && value >= NEAR * limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_utilisation_that_rose_to_its_limit_is_one() {
        assert!(is_at_limit("k8s.pod.cpu_limit_utilization", 0.97, 5.0));
        assert!(is_at_limit("container_memory_usage_percent", 93.0, 2.5));
        assert!(!is_at_limit("container_memory_usage_percent", 0.97, 50.0));
        assert!(!is_at_limit("cpu_usage_rate", 99.0, 0.5));
        assert!(!is_at_limit("pod_server_latency_p90", 99.0, 50.0));
        assert!(!is_at_limit("success_ratio", 1.0, 3.0));
    }
}

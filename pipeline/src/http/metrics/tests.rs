//! The registry and its text.

use super::*;

#[test]
fn every_series_has_its_own_slot() {
    let metrics = Metrics::default();
    for (m, metric) in Metric::ALL.into_iter().enumerate() {
        assert_eq!(metric as usize, m, "{} is out of order in ALL", metric.name());
        for (s, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, s);
            metrics.set(metric, stage, (m * 10 + s) as u64);
            metrics.add(metric, stage, 1);
        }
    }
    for (m, metric) in Metric::ALL.into_iter().enumerate() {
        for (s, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(metrics.get(metric, stage), (m * 10 + s) as u64 + 1);
        }
    }
}

#[test]
fn names_follow_prometheus() {
    for metric in Metric::ALL {
        let (name, kind, help) = metric.family();
        assert!(name.starts_with("faultline_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        assert!(help.ends_with('.'), "{name}");
    }
}

#[test]
fn time_is_kept_in_milliseconds_and_shown_in_seconds() {
    let metrics = Metrics::default();
    metrics.set(Metric::LagTime, Stage::Detect, 12_034);
    let text = metrics.render();
    assert!(text.contains("faultline_lag_seconds{stage=\"detect\"} 12.034\n"), "{text}");
    assert!(text.contains("# TYPE faultline_lag_seconds gauge\n"));
}

#[test]
fn what_nobody_measures_has_no_series_until_somebody_does() {
    let metrics = Metrics::default();
    assert!(!metrics.render().contains("faultline_lag_seconds{"), "{}", metrics.render());
    metrics.set(Metric::Lag, Stage::Observe, 0);
    let text = metrics.render();
    assert!(text.contains("faultline_lag_records{stage=\"observe\"} 0\n"), "{text}");
    assert!(!text.contains("faultline_lag_records{stage=\"deliver\"}"), "{text}");
}

#[test]
fn what_nobody_knows_is_no_number() {
    let metrics = Metrics::default();
    metrics.set(Metric::LagTime, Stage::Detect, UNKNOWN);
    metrics.set(Metric::Lag, Stage::Detect, UNKNOWN);
    let text = metrics.render();
    assert!(text.contains("faultline_lag_seconds{stage=\"detect\"} NaN\n"), "{text}");
    assert!(text.contains("faultline_lag_records{stage=\"detect\"} NaN\n"), "{text}");
}

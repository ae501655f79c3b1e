//! The result for machines. Floats are rounded to six places, so that equal runs give equal bytes.

use model::time::Nanos;
use serde_json::{Map, Value, json};

use super::SuiteResult;
use super::calibration::CalibrationFigures;
use super::comparators::ALL;
use super::figures::{ComparatorFigures, Counted, Share, SuiteFigures, Times};
use super::intervals::wilson;
use super::judge::{FaultResult, StreamResult};
use super::verdict::Verdict;

/// All suites as one JSON object.
#[must_use]
pub fn report(suites: &[SuiteResult]) -> Value {
    json!({"suites": suites.iter().map(suite).collect::<Vec<_>>()})
}

fn suite(result: &SuiteResult) -> Value {
    let figures = &result.figures;
    let mut fields = counted(&figures.open);
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("suite", result.suite.clone().into());
    set("streams", figures.streams.into());
    set("faults", figures.faults.into());
    set("false_incidents_per_h", number(figures.health.false_per_hour()));
    set("open_share", number(figures.health.open_share()));
    set("open_share_without_grace", number(figures.health.open_share_bare()));
    set("false_incidents", figures.health.false_incidents.into());
    set("healthy_h", round(figures.health.healthy.as_secs_f64() / 3600.0));
    set("onset_margin_s", seconds(figures.onset_margin));
    let [ac1, ac3, ac5] = figures.chance;
    set("chance_ac1", round(ac1));
    set("chance_ac3", round(ac3));
    set("chance_ac5", round(ac5));
    set("intervals", intervals(figures));
    set("comparators", comparators(&figures.comparators));
    set("if_suspected_counted", counted(&figures.suspected).into());
    for (name, value) in &figures.measured {
        set(name, value.clone());
    }
    set("per_stream", result.streams.iter().flat_map(per_stream).collect::<Vec<_>>().into());
    set("healthy_streams", healthy_streams(&result.streams).into());
    fields.into()
}

fn counted(figures: &Counted) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let ranks = &figures.ranks;
    let some = |value: f64, cases: usize| if cases == 0 { Value::Null } else { round(value) };
    set("ac1", some(ranks.ac1, ranks.cases));
    set("ac3", some(ranks.ac3, ranks.cases));
    set("ac5", some(ranks.ac5, ranks.cases));
    set("avg5", some(ranks.avg5, ranks.cases));
    set("mrr", some(ranks.mrr, ranks.cases));
    set("nothing_cases", figures.nothing.cases.into());
    set("nothing_right", figures.nothing.hits.into());
    let change = &figures.change;
    set("change_faults", change.cases.into());
    set("change_hr1", some(change.ac1, change.cases));
    set("change_hr3", some(change.ac3, change.cases));
    set("change_said_first", figures.guilty_first.hits.into());
    set("decoy_hits", figures.decoy_hits.into());
    set("none_cases", figures.none.cases.into());
    set("none_right", figures.none.hits.into());
    set("jaccard", number(figures.jaccard));
    set("jaccard_cases", figures.jaccard_cases.into());
    set("detected", some(figures.detected.share(), figures.detected.cases));
    set("onset_to_incident_p50_s", time(figures.until_told, |times| times.p50));
    set("onset_to_incident_p95_s", time(figures.until_told, |times| times.p95));
    set("onset_to_open_p50_s", time(figures.until_open, |times| times.p50));
    set("onset_to_open_p95_s", time(figures.until_open, |times| times.p95));
    set("incidents_per_fault", round(figures.incidents_per_fault));
    set("ece", number(figures.calibration.map(|c| c.ece)));
    set("calibration", figures.calibration.map_or(Value::Null, calibration));
    fields
}

fn calibration(figures: CalibrationFigures) -> Value {
    json!({
        "cases": figures.cases,
        "ece": round(figures.ece),
        "set_coverage": round(figures.coverage),
        "set_mean_size": round(figures.set_size),
    })
}

fn intervals(figures: &SuiteFigures) -> Value {
    let of = |share: Share| {
        let (low, high) = wilson(share.hits, share.cases);
        json!([round(low), round(high)])
    };
    let open = &figures.open;
    json!({
        "ac1": of(Share { hits: open.ranks.hits1, cases: open.ranks.cases }),
        "change_hr1": of(Share { hits: open.change.hits1, cases: open.change.cases }),
        "none_right": of(open.none),
        "detected": of(open.detected),
    })
}

fn comparators(figures: &[ComparatorFigures]) -> Value {
    let one = |figures: &ComparatorFigures| {
        let mut fields = Map::new();
        if let Some(ranks) = figures.ranks {
            for (name, value) in [
                ("ac1", ranks.ac1),
                ("ac3", ranks.ac3),
                ("ac5", ranks.ac5),
                ("avg5", ranks.avg5),
                ("mrr", ranks.mrr),
            ] {
                fields.insert(name.to_owned(), round(value));
            }
        }
        if let Some(change) = figures.change {
            fields.insert("change_hr1".to_owned(), round(change.ac1));
            fields.insert("change_hr3".to_owned(), round(change.ac3));
            fields.insert("decoy_hits".to_owned(), figures.decoy_hits.into());
        }
        (figures.name.to_owned(), Value::from(fields))
    };
    figures.iter().map(one).collect::<Map<_, _>>().into()
}

fn per_stream(stream: &StreamResult) -> Vec<Value> {
    stream.faults.iter().map(|result| of_fault(&stream.stream, result)).collect()
}

fn of_fault(stream: &str, result: &FaultResult) -> Value {
    let (fault, open) = (&result.fault, &result.open);
    json!({
        "stream": stream,
        "window": fault.window,
        "kind": fault.kind,
        "root_cause": fault.service(),
        "rank": open.rank,
        "change_rank": open.change.rank,
        "first_incident_s": open.until_told.map(seconds),
        "first_open_s": open.until_open.map(seconds),
        "top": open.top,
        "incidents": open.incidents,
        "guilty_change": fault.change_id,
        "guilty_said_first": open.change.guilty_first,
        "decoy_said_first": open.change.decoy_first,
        "none_said_first": open.change.none_first,
        "jaccard": number(open.jaccard),
        "probability": number(open.promise.map(|promise| promise.probability)),
        "services": result.services,
        "comparator_ranks": comparator_ranks(result),
        "if_suspected_counted": if_suspected(&result.suspected),
    })
}

fn comparator_ranks(result: &FaultResult) -> Value {
    let ranks = ALL.iter().zip(&result.compared).filter(|(_, compared)| compared.named_services);
    ranks
        .map(|(comparator, c)| (comparator.name.to_owned(), json!(c.rank)))
        .collect::<Map<_, _>>()
        .into()
}

fn if_suspected(verdict: &Verdict) -> Value {
    json!({
        "rank": verdict.rank,
        "change_rank": verdict.change.rank,
        "first_incident_s": verdict.until_told.map(seconds),
        "top": verdict.top,
        "incidents": verdict.incidents,
    })
}

fn healthy_streams(streams: &[StreamResult]) -> Vec<Value> {
    let healthy = streams.iter().filter(|stream| stream.health.healthy > Nanos::ZERO);
    healthy
        .map(|stream| {
            json!({
                "stream": stream.stream,
                "healthy_h": round(stream.health.healthy.as_secs_f64() / 3600.0),
                "open_share": number(stream.health.open_share()),
                "open_share_without_grace": number(stream.health.open_share_bare()),
                "false_incidents": stream.health.false_incidents,
            })
        })
        .collect()
}

fn time(times: Option<Times>, which: fn(Times) -> Nanos) -> Value {
    times.map_or(Value::Null, |times| seconds(which(times)))
}

fn seconds(length: Nanos) -> Value {
    round(length.as_secs_f64())
}

fn number(value: Option<f64>) -> Value {
    value.map_or(Value::Null, round)
}

fn round(value: f64) -> Value {
    // Adding zero makes the negative zero a plain one.
    Value::from((value * 1e6).round() / 1e6 + 0.0)
}

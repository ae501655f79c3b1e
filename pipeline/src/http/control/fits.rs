//! Whether a decision makes sense for an incident as it stands in the view. The fold decides again:
//! between the two the incident may have changed.

use model::command::Decision;
use model::incident::IncidentState;
use model::name::Name;

use super::super::summary::IncidentSummary;
use crate::control::check::Refusal;

fn refuse<T>(message: impl Into<String>, action: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), action: action.into() })
}

/// Whether the act makes sense for the incident as it stands. `into` is the other incident of a
/// merge.
///
/// # Errors
/// Why not.
pub(super) fn against(
    decision: &Decision,
    incident: &IncidentSummary,
    into: Option<&IncidentSummary>,
) -> Result<(), Refusal> {
    if let Some(other) = incident.merged_into
        && incident.state == IncidentState::Merged
    {
        return refuse(
            format!("this incident became part of {other}"),
            format!("decide on {other}, or split it there"),
        );
    }
    let comment = matches!(decision, Decision::Comment { .. });
    if incident.state == IncidentState::Withdrawn && !comment {
        return refuse(
            "this incident was withdrawn: later data took its evidence back",
            "only a comment can be added to it",
        );
    }
    let is_over = incident.state == IncidentState::Resolved;
    match decision {
        Decision::Acknowledge { .. } | Decision::Snooze { .. } | Decision::Resolve { .. }
            if is_over =>
        {
            refuse("this incident is resolved already", "reopen it first, if it is not over")
        }
        Decision::Reopen { .. } if !is_over => {
            refuse("this incident is not resolved", "there is nothing to reopen")
        }
        Decision::Unacknowledge { .. } if incident.acknowledged.is_none() => {
            refuse("nobody has acknowledged this incident", "there is nothing to take back")
        }
        Decision::Unsnooze { .. } if incident.snoozed_until.is_none() => {
            refuse("this incident is not snoozed", "there is nothing to end")
        }
        Decision::Merge { .. } => into.map_or(Ok(()), |into| merge(incident, into)),
        Decision::Split { services, .. } => split(services, incident),
        _ => Ok(()),
    }
}

fn merge(incident: &IncidentSummary, into: &IncidentSummary) -> Result<(), Refusal> {
    if incident.cell != into.cell {
        return refuse(
            format!("they are of different cells, {} and {}", incident.cell, into.cell),
            "incidents never cross cells; leave them apart",
        );
    }
    match (into.state, into.merged_into) {
        (IncidentState::Merged, Some(other)) => refuse(
            format!("{} itself became part of {other}", into.id),
            format!("merge into {other}"),
        ),
        (IncidentState::Merged | IncidentState::Withdrawn, _) => {
            refuse(format!("{} is gone", into.id), "merge into an incident that is there")
        }
        _ => Ok(()),
    }
}

fn split(services: &[Name], incident: &IncidentSummary) -> Result<(), Refusal> {
    if let Some(other) = services.iter().find(|name| !incident.services.contains(name)) {
        return refuse(
            format!("{other} is none of the incident's services"),
            "name some of `services` of the incident",
        );
    }
    if incident.services.iter().all(|name| services.contains(name)) {
        return refuse("nothing would stay behind", "leave at least one service out");
    }
    Ok(())
}

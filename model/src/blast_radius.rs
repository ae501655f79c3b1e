//! The blast radius: whom an incident reaches, whom it will reach, and what that is worth.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::entity::Criticality;
use crate::name::Name;

/// A service on failing or slow traces through the cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObservedReach {
    /// The service.
    pub service: Name,
    /// Failing or slow traces on which it lies.
    pub traces: u64,
    /// Hops from the cause against the direction of calls, where the map knows.
    pub hops: Option<u32>,
}

/// A service that has not suffered yet but calls what does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PredictedReach {
    /// The service.
    pub service: Name,
    /// Probability that one of its requests passes the cause. Unit: 0 to 1.
    pub probability: f64,
    /// Hops from the cause.
    pub hops: u32,
}

/// An operation by which users enter, and what it suffers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EntryPoint {
    /// The service.
    pub service: Name,
    /// The operation.
    pub operation: Name,
    /// Its tier, from the CMDB or `service.criticality`.
    pub criticality: Option<Criticality>,
    /// Requests since the onset.
    pub requests: u64,
    /// Requests that failed or were slow because of the cause.
    pub affected: u64,
    /// Share of all entry traffic. Unit: 0 to 1.
    pub traffic_share: f64,
    /// Degradation: the larger of error rate above normal and slow share. Unit: 0 to 1.
    pub degradation: f64,
    /// What it adds: tier weight x sqrt(traffic share) x max(degradation, burn). Unit: 0 to 1.
    pub impact_term: f64,
}

/// A node of the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GraphNode {
    /// Service or virtual node.
    pub id: Name,
    /// What it is to this incident.
    pub role: GraphRole,
    /// Whether users enter here.
    pub entry: bool,
}

/// What a node is to an incident.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GraphRole {
    /// The first hypothesis' entity.
    Cause,
    /// Reached.
    Observed,
    /// Will be reached.
    Predicted,
    /// A neighbour that is well.
    Healthy,
}

/// An edge of the picture: `from` calls `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct GraphEdge {
    /// The caller.
    pub from: Name,
    /// The callee.
    pub to: Name,
}

/// The neighbourhood as a picture. Invariant: every edge's ends are among the nodes. Bound: 150
/// nodes, the nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Graph {
    /// Nodes, sorted by id.
    pub nodes: Vec<GraphNode>,
    /// Edges, sorted.
    pub edges: Vec<GraphEdge>,
}

/// Whom an incident reaches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlastRadius {
    /// On failing or slow traces through the cause, the cause's service among them; sorted.
    pub observed: Vec<ObservedReach>,
    /// Who will be, sorted by falling probability.
    pub predicted: Vec<PredictedReach>,
    /// Where users suffer, sorted by falling `impact_term`.
    pub entry_points: Vec<EntryPoint>,
    /// `100 x (1 - product over entry points of (1 - impact_term))`; without entry points by tier
    /// and number of the observed services. Unit: 0 to 100. It only sorts.
    pub impact: f64,
    /// The formula with its numbers, one line a term: anybody can add it up.
    pub terms: Vec<String>,
    /// Requests lost since the onset.
    pub lost_requests: u64,
    /// The picture.
    pub graph: Graph,
}

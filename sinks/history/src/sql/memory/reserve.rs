//! A step that hands its input on as it is, and asks the pool for what the step above needs.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures_util::StreamExt;

use super::super::context::BATCH_ROWS;
use super::kept::{Came, Kept};
use super::weigh::{items, widest_row};

/// What the step above takes.
#[derive(Clone, Debug)]
pub(super) enum Need {
    /// It keeps all rows until its end, and makes values of them.
    Kept(Arc<Kept>),
    /// It may copy one row into all of a batch, so many times.
    Copied(u64),
    /// It copies each row for each item of the lists in these columns.
    Unnested(Vec<usize>),
}

impl Need {
    fn words(&self) -> &'static str {
        match self {
            Self::Kept(_) => "the rows of a window function",
            Self::Copied(_) => "copies of the widest row in a join or subquery",
            Self::Unnested(_) => "copies of rows by unnest",
        }
    }
}

/// The step.
#[derive(Debug)]
pub(super) struct Reserve {
    input: Arc<dyn ExecutionPlan>,
    need: Need,
}

impl Reserve {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, need: Need) -> Self {
        Self { input, need }
    }

    fn over(&self, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = <[_; 1]>::try_from(inputs)
            .map_err(|_| DataFusionError::Internal("a reservation has one input".into()))?;
        Ok(Arc::new(Self::new(input, self.need.clone())))
    }
}

impl DisplayAs for Reserve {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reserve: {}", self.need.words())
    }
}

impl ExecutionPlan for Reserve {
    fn name(&self) -> &'static str {
        "Reserve"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _each: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    /// The reservation lives as long as the stream, which the step above holds until its own end.
    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let consumer = MemoryConsumer::new(self.need.words());
        let reservation = consumer.register(context.memory_pool());
        let mut ledger = Ledger { need: self.need.clone(), came: Came::default(), reservation };
        let stream = self.input.execute(partition, context)?;
        let stream = stream.map(move |batch| {
            let batch = batch?;
            ledger.enter(&batch)?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }
}

struct Ledger {
    need: Need,
    came: Came,
    reservation: MemoryReservation,
}

impl Ledger {
    /// # Errors
    /// When the pool has not enough for the step above.
    fn enter(&mut self, batch: &RecordBatch) -> Result<()> {
        let bytes = match &self.need {
            Need::Kept(kept) => kept.add(&mut self.came, batch)?,
            Need::Copied(times) => {
                let row = widest_row(batch, |_| true);
                let copies = row.saturating_mul(BATCH_ROWS as u64).saturating_mul(*times);
                copies.max(self.reservation.size() as u64)
            }
            Need::Unnested(lists) => {
                let columns = lists.iter().filter_map(|place| batch.columns().get(*place));
                let rows = columns.map(items).max().unwrap_or(0);
                rows.saturating_mul(widest_row(batch, |place| !lists.contains(&place)))
            }
        };
        self.reservation.try_resize(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

//! Memory that the query engine's steps take without asking the pool. A rule puts a step under each
//! of them that asks for it: window functions keep their whole input and make a value for each of
//! its rows; joins, subqueries and `unnest` may copy one large value into every row of a batch.

mod kept;
mod reserve;
mod weigh;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};

use self::kept::Kept;
use self::reserve::{Need, Reserve};
use super::context::BATCH_ROWS;

/// A window step over a whole partition has its input twice: as it came, and in one piece.
const COPIES_WHOLE: u64 = 2;
/// One that goes along has the rows of the batch, those of the partition, and the piece that both
/// are joined into.
const COPIES_ALONG: u64 = 3;

/// The rule. It comes after all others: none of them knows its steps.
#[derive(Debug)]
pub(super) struct Reserved {
    /// What a statement may have. Unit: bytes.
    pub(super) memory_bytes: usize,
}

impl PhysicalOptimizerRule for Reserved {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let uses = self.look_at_expressions(&plan)?;
        let around = |step: Arc<dyn ExecutionPlan>| {
            let needs = needs(&step, uses);
            if needs.iter().all(Option::is_none) {
                return Ok(Transformed::no(step));
            }
            let inputs = step.children().into_iter().cloned().zip(needs);
            let inputs = inputs.map(|(input, need)| match need {
                Some(need) => Arc::new(Reserve::new(input, need)),
                None => input,
            });
            let inputs = inputs.collect();
            Ok(Transformed::yes(replace_children_if_necessary(step, inputs)?))
        };
        plan.transform_up(around).map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "memory that steps take without asking"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl Reserved {
    /// How often values of subqueries are used; a step makes a column of each constant in it.
    fn look_at_expressions(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<u64> {
        let mut uses = 0;
        plan.apply(|step| {
            let mut constants = 0;
            step.apply_expressions(&mut |root: &Arc<dyn PhysicalExpr>| {
                root.apply(|part| {
                    if part.downcast_ref::<ScalarSubqueryExpr>().is_some() {
                        uses += 1;
                    }
                    if let Some(literal) = part.downcast_ref::<Literal>() {
                        let value = literal.value();
                        constants += value.size().saturating_sub(size_of_val(value));
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })?;
            if constants.saturating_mul(BATCH_ROWS) > self.memory_bytes {
                return Err(DataFusionError::ResourcesExhausted(format!(
                    "constants of {constants} bytes would be copied into each of {BATCH_ROWS} rows"
                )));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(uses)
    }
}

/// What a step takes without asking, for each of its inputs. `uses` is how many expressions use
/// the values of subqueries.
fn needs(step: &Arc<dyn ExecutionPlan>, uses: u64) -> Vec<Option<Need>> {
    if let Some(window) = step.downcast_ref::<WindowAggExec>() {
        let kept = Kept::of(window.window_expr(), COPIES_WHOLE);
        return vec![Some(Need::Kept(Arc::new(kept)))];
    }
    if let Some(window) = step.downcast_ref::<BoundedWindowAggExec>() {
        let kept = Kept::of(window.window_expr(), COPIES_ALONG);
        return vec![Some(Need::Kept(Arc::new(kept)))];
    }
    if let Some(unnest) = step.downcast_ref::<UnnestExec>() {
        let lists = unnest.list_column_indices().iter();
        let lists = lists.map(|list| list.index_in_input_schema).collect();
        return vec![Some(Need::Unnested(lists))];
    }
    let inputs = step.children();
    if step.downcast_ref::<ScalarSubqueryExec>().is_some() {
        // The first input is what the values are used in.
        let need = |place| (place > 0).then_some(Need::Copied(uses.max(1)));
        return (0..inputs.len()).map(need).collect();
    }
    if step.name().ends_with("JoinExec") {
        let wide = |input: &&Arc<dyn ExecutionPlan>| {
            let schema = input.schema();
            let wide = schema.fields().iter().any(|field| !is_narrow(field.data_type()));
            wide.then_some(Need::Copied(1))
        };
        return inputs.iter().map(wide).collect();
    }
    vec![None; inputs.len()]
}

/// Whether a value of a type has a few bytes at most.
fn is_narrow(kind: &DataType) -> bool {
    kind.is_primitive() || matches!(kind, DataType::Boolean | DataType::Null)
}

//! Functions that clients of PostgreSQL expect, and those that nobody gets.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_string_array;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::scalar::ScalarValue;

use super::bounded::Bounds;
use super::settings::{SERVER_VERSION, Settings};

/// Functions that make arrays of any length from one number: not offered.
const UNBOUNDED: [&str; 6] =
    ["array_repeat", "array_resize", "generate_series", "range", "gen_series", "list_repeat"];

/// Adds, takes away and bounds functions. `memory_bytes` is what a statement may have.
///
/// # Errors
/// When the engine does not take one: a fault of this program.
pub(super) fn prepare(state: &mut SessionState, memory_bytes: usize) -> Result<()> {
    for name in UNBOUNDED {
        state.deregister_udf(name)?;
    }
    state.register_function_rewrite(Arc::new(Bounds::new(memory_bytes)))?;
    state.register_udf(Arc::new(version()))?;
    state.register_udf(Arc::new(current_setting()))?;
    state.register_udf(Arc::new(unlock_all()))?;
    Ok(())
}

/// `version()`: clients read the number behind the first word.
fn version() -> ScalarUDF {
    let text = format!(
        "PostgreSQL {SERVER_VERSION} (faultline {} history, read-only)",
        env!("CARGO_PKG_VERSION")
    );
    let answer =
        move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(text.clone()))));
    create_udf("version", vec![], DataType::Utf8, Volatility::Stable, Arc::new(answer))
}

/// `pg_advisory_unlock_all()`: pools say it when they take a connection back. There are no locks.
fn unlock_all() -> ScalarUDF {
    let answer = |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None)));
    create_udf(
        "pg_advisory_unlock_all",
        vec![],
        DataType::Utf8,
        Volatility::Stable,
        Arc::new(answer),
    )
}

/// `current_setting(name)`: what `SHOW name` says of a fresh session.
fn current_setting() -> ScalarUDF {
    let answer = |args: &[ColumnarValue]| {
        let Some(first) = args.first() else {
            return Err(DataFusionError::Plan("current_setting needs a name".into()));
        };
        let names = first.to_array(1)?;
        let names = as_string_array(&names)?;
        let name = if names.is_empty() || names.is_null(0) { "" } else { names.value(0) };
        let value =
            Settings::default().get(name).map_err(|error| DataFusionError::Plan(error.message))?;
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(value))))
    };
    create_udf(
        "current_setting",
        vec![DataType::Utf8],
        DataType::Utf8,
        Volatility::Stable,
        Arc::new(answer),
    )
}

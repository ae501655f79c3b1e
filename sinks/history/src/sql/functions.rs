//! Functions that clients of PostgreSQL expect, and bounds on those whose answer can be far larger
//! than their arguments: no pool counts what one call of a function makes.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::cast::as_string_array;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, create_udf,
};
use datafusion::scalar::ScalarValue;

use super::settings::{SERVER_VERSION, Settings};

/// The longest text that `repeat`, `lpad` and `rpad` may make. Unit: copies, or characters.
const LENGTH_MAX: i64 = 10_000;

/// Functions that make arrays of any length from one number: not offered.
const UNBOUNDED: [&str; 6] =
    ["array_repeat", "array_resize", "generate_series", "range", "gen_series", "list_repeat"];

/// Adds and bounds functions.
///
/// # Errors
/// When the engine does not take one: a fault of this program.
pub(super) fn prepare(state: &mut SessionState) -> Result<()> {
    for name in UNBOUNDED {
        state.deregister_udf(name)?;
    }
    for (name, place) in [("repeat", 1), ("lpad", 1), ("rpad", 1)] {
        if let Ok(inner) = state.udf(name) {
            let bounded = Bounded { inner, place };
            state.register_udf(Arc::new(ScalarUDF::new_from_impl(bounded)))?;
        }
    }
    state.register_udf(Arc::new(version()))?;
    state.register_udf(Arc::new(current_setting()))?;
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

/// A function with a bound on the number that says how long its answer becomes.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    /// Which argument is the number.
    place: usize,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(number) = args.args.get(self.place) {
            let number = number.to_array(args.number_rows.max(1))?;
            let number = cast(&number, &DataType::Int64)?;
            let largest = number
                .as_any()
                .downcast_ref::<Int64Array>()
                .and_then(|numbers| numbers.iter().flatten().max());
            if largest.is_some_and(|largest| largest > LENGTH_MAX) {
                return Err(DataFusionError::ResourcesExhausted(format!(
                    "{} makes at most {LENGTH_MAX} characters here",
                    self.name()
                )));
            }
        }
        self.inner.invoke_with_args(args)
    }
}

//! Bounds on functions whose answer can be far larger than their arguments. No memory pool counts
//! what one call of a function makes, so how much it would be is reckoned before the call.

mod sizes;

use std::sync::Arc;

use datafusion::arrow::compute::kernels::concat_elements::concat_elements_utf8;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::DFSchema;
use datafusion::common::cast::as_string_array;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, create_udf,
};

use self::sizes::Sizes;
use super::context::BATCH_ROWS;
use super::session::TEXT_BYTES_MAX;

/// The largest text that a function makes. Unit: bytes.
const VALUE_BYTES_MAX: u64 = 1 << 20;
/// Which part of a statement's memory one function may make for one batch of rows.
const PART_OF_MEMORY: usize = 16;

/// How a function's answer grows with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Growth {
    /// The first argument, the second's number of times.
    Times,
    /// Characters, the second argument's number of them.
    Padded,
    /// The first argument, with the third in place of each of the second.
    Replaced,
    /// The first argument, with the third in place of what a pattern finds.
    Rewritten,
    /// All arguments, one after the other.
    Together,
    /// A list of all arguments.
    Gathered,
    /// Items of a list, with the second argument between them.
    Listed,
    /// A list, with the third argument in place of any of its items.
    Exchanged,
    /// An instant, as the second argument says: each two bytes of it are at most forty.
    Formatted,
}

/// Functions that grow, by name.
const GROWING: [(&str, Growth); 21] = [
    ("repeat", Growth::Times),
    ("lpad", Growth::Padded),
    ("rpad", Growth::Padded),
    ("replace", Growth::Replaced),
    ("regexp_replace", Growth::Rewritten),
    ("concat", Growth::Together),
    ("concat_ws", Growth::Together),
    ("overlay", Growth::Together),
    ("make_array", Growth::Gathered),
    ("struct", Growth::Together),
    ("named_struct", Growth::Together),
    ("map", Growth::Together),
    ("arrays_zip", Growth::Together),
    ("array_append", Growth::Together),
    ("array_prepend", Growth::Together),
    ("array_concat", Growth::Together),
    ("array_replace", Growth::Together),
    ("array_replace_n", Growth::Exchanged),
    ("array_replace_all", Growth::Exchanged),
    ("array_to_string", Growth::Listed),
    ("to_char", Growth::Formatted),
];

impl Growth {
    /// How large the answer for one row can be. Unit: bytes.
    fn bytes(self, of: impl Fn(usize) -> u64, count: usize) -> u64 {
        let (first, second, third) = (of(0), of(1), of(2));
        match self {
            Self::Times => first.saturating_mul(second),
            // A character has at most four bytes.
            Self::Padded => first.saturating_add(second.saturating_mul(4)),
            Self::Replaced => {
                let places = first.checked_div(second).unwrap_or(first + 1);
                first.saturating_add(places.saturating_mul(third))
            }
            // It finds at most one place more than there are bytes; what it finds is in the
            // answer at most once for each two bytes (`\1`) of the third argument.
            Self::Rewritten => {
                let places = (first + 1).saturating_mul(third);
                first.saturating_add(places).saturating_add((third / 2).saturating_mul(first))
            }
            Self::Together | Self::Gathered | Self::Listed => {
                (0..count).map(of).fold(0, u64::saturating_add)
            }
            Self::Exchanged => first.saturating_add(third),
            Self::Formatted => second.saturating_mul(20),
        }
    }
}

/// Puts bounds around the functions of a plan that grow, however they came into it: by name, as
/// the operator `||`, as a list in brackets.
#[derive(Debug)]
pub(super) struct Bounds {
    joined: Arc<ScalarUDF>,
    batch_bytes: u64,
}

impl Bounds {
    /// `memory_bytes` is what a statement may have.
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self { joined: Arc::new(joined()), batch_bytes: (memory_bytes / PART_OF_MEMORY) as u64 }
    }

    fn around(&self, inner: Arc<ScalarUDF>, growth: Growth, args: Vec<Expr>) -> Transformed<Expr> {
        let bounded = Bounded { inner, growth, batch_bytes: self.batch_bytes };
        let function = Arc::new(ScalarUDF::new_from_impl(bounded));
        Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function, args)))
    }
}

impl FunctionRewrite for Bounds {
    fn name(&self) -> &str {
        "bounds of functions that grow"
    }

    fn rewrite(
        &self,
        expression: Expr,
        _schema: &DFSchema,
        _options: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        Ok(match expression {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
                self.around(self.joined.clone(), Growth::Together, vec![*left, *right])
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                match GROWING.iter().find(|(name, _)| *name == func.name()) {
                    Some((_, growth)) => self.around(func, *growth, args),
                    None => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
                }
            }
            other => Transformed::no(other),
        })
    }
}

/// `a || b`, NULL if one of them is.
fn joined() -> ScalarUDF {
    let join = |args: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(args)?;
        let [left, right] = arrays.as_slice() else {
            return Err(DataFusionError::Plan("|| has two sides".into()));
        };
        let joined = concat_elements_utf8(as_string_array(left)?, as_string_array(right)?)?;
        Ok(ColumnarValue::Array(Arc::new(joined)))
    };
    let text = DataType::Utf8;
    let sides = vec![text.clone(), text.clone()];
    create_udf("||", sides, text, Volatility::Immutable, Arc::new(join))
}

/// A function with a bound on its answer.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
    batch_bytes: u64,
}

impl Bounded {
    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let sizes: Vec<Sizes> = args
            .args
            .iter()
            .enumerate()
            .map(|(place, arg)| Sizes::of(arg, self.growth, place))
            .collect::<Result<_>>()?;
        let mut all = 0_u64;
        for row in 0..rows {
            let of = |place: usize| sizes.get(place).map_or(0, |sizes| sizes.at(row));
            let mut bytes = self.growth.bytes(of, sizes.len());
            if self.growth == Growth::Listed {
                let items = sizes.first().map_or(0, |sizes| sizes.items(row));
                bytes = bytes.saturating_add(items.saturating_mul(of(1).saturating_add(of(2))));
            }
            if self.growth == Growth::Exchanged {
                let items = sizes.first().map_or(0, |sizes| sizes.items(row));
                bytes = bytes.saturating_add(items.saturating_mul(of(2)));
            }
            // A constant is made once and then copied into each row of a batch; a list that could
            // stand in the text is no more than the text is.
            let is_text = self.growth == Growth::Gathered && bytes <= TEXT_BYTES_MAX as u64;
            let copies = if constant && !is_text { BATCH_ROWS as u64 } else { 1 };
            all = all.saturating_add(bytes.saturating_mul(copies));
            if bytes > VALUE_BYTES_MAX || all > self.batch_bytes {
                return Err(DataFusionError::ResourcesExhausted(format!(
                    "{} makes at most {VALUE_BYTES_MAX} bytes of one value and {} of a batch",
                    self.name(),
                    self.batch_bytes
                )));
            }
        }
        Ok(())
    }
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
        self.check(&args)?;
        self.inner.invoke_with_args(args)
    }
}

//! Which days a statement asks for: from the limits that it sets on the column by whose day files
//! are told apart.

use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;

use crate::rows::Day;

const DAY_MICROS: i64 = 86_400 * 1_000_000;

/// One limit: at least, or at most, so many microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    AtLeast(i64),
    AtMost(i64),
    Exactly(i64),
}

/// The limit that a filter sets on a column; `None`: it sets none that we understand. Limits are
/// as wide as their instants: `>` is read as `>=`.
pub(super) fn limit(column: &str, filter: &Expr) -> Option<Limit> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
    let (op, literal) = match (&**left, &**right) {
        (Expr::Column(name), Expr::Literal(literal, _)) if name.name == column => (*op, literal),
        (Expr::Literal(literal, _), Expr::Column(name)) if name.name == column => {
            (op.swap()?, literal)
        }
        _ => return None,
    };
    let at = micros(literal)?;
    match op {
        Operator::Gt | Operator::GtEq => Some(Limit::AtLeast(at)),
        Operator::Lt | Operator::LtEq => Some(Limit::AtMost(at)),
        Operator::Eq => Some(Limit::Exactly(at)),
        _ => None,
    }
}

const fn micros(literal: &ScalarValue) -> Option<i64> {
    match literal {
        ScalarValue::TimestampSecond(Some(at), _) => at.checked_mul(1_000_000),
        ScalarValue::TimestampMillisecond(Some(at), _) => at.checked_mul(1_000),
        ScalarValue::TimestampMicrosecond(Some(at), _) => Some(*at),
        ScalarValue::TimestampNanosecond(Some(at), _) => Some(at.div_euclid(1_000)),
        _ => None,
    }
}

/// From one day to another, both among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// The days that filters leave, all of which hold.
    pub(super) fn of(column: &str, filters: &[Expr]) -> Self {
        let mut span = Self { first: i64::MIN, last: i64::MAX };
        for limit in filters.iter().filter_map(|filter| limit(column, filter)) {
            let (from, to) = match limit {
                Limit::AtLeast(at) => (at, i64::MAX),
                Limit::AtMost(at) => (i64::MIN, at),
                Limit::Exactly(at) => (at, at),
            };
            span.first = span.first.max(from.div_euclid(DAY_MICROS));
            span.last = span.last.min(to.div_euclid(DAY_MICROS));
        }
        span
    }

    /// Whether rows of a day are asked for.
    pub(super) const fn touches(self, day: Day) -> bool {
        self.first <= day.0 && day.0 <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::{col, lit};

    #[test]
    fn limits_of_the_column_leave_whole_days() {
        let at = |day: i64, micros: i64| {
            let micros = day * DAY_MICROS + micros;
            Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), None), None)
        };
        let filters = [
            col("opened_at").gt(at(10, 5)),
            at(12, 0).gt_eq(col("opened_at")),
            col("updated_at").lt(at(1, 0)),
            col("title").eq(lit("x")),
        ];
        let span = Span::of("opened_at", &filters);
        let days: Vec<i64> = (0..20).filter(|day| span.touches(Day(*day))).collect();
        assert_eq!(days, [10, 11, 12]);
        let none = Span::of("opened_at", &filters[2..]);
        assert!(none.touches(Day(-1)) && none.touches(Day(1_000_000)));
    }
}

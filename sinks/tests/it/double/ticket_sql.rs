//! TicketSQL, as far as a double has to understand it: comparisons, `AND`, `OR`, parentheses.
//!
//! What is not understood is an error: a query that nobody reads would find too much or too little.

/// A query.
#[derive(Debug)]
pub(crate) enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    Is(Comparison),
}

/// One comparison: `id > 3`, `CF.{Name} = 'value'`.
#[derive(Debug)]
pub(crate) struct Comparison {
    field: String,
    operator: &'static str,
    value: String,
}

const OPERATORS: [&str; 4] = ["!=", "=", ">", "<"];

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = words(text)?;
        rest.reverse();
        let query = any(&mut rest)?;
        match rest.pop() {
            None => Ok(query),
            Some(word) => Err(format!("expected the end, found {word}")),
        }
    }

    /// Whether something matches; `field` says what it is, or that there is no such field.
    pub(crate) fn matches(&self, field: &dyn Fn(&str) -> Option<String>) -> Result<bool, String> {
        match self {
            Self::All(parts) => {
                parts.iter().try_fold(true, |all, part| Ok(part.matches(field)? && all))
            }
            Self::Any(parts) => {
                parts.iter().try_fold(false, |any, part| Ok(part.matches(field)? || any))
            }
            Self::Is(is) => is.matches(field),
        }
    }
}

impl Comparison {
    fn matches(&self, field: &dyn Fn(&str) -> Option<String>) -> Result<bool, String> {
        let found = field(&self.field).ok_or(format!("Unknown field: {}", self.field))?;
        let numbers = (found.parse::<u64>(), self.value.parse::<u64>());
        match (self.operator, numbers) {
            ("=", _) => Ok(found == self.value),
            ("!=", _) => Ok(found != self.value),
            (">", (Ok(found), Ok(value))) => Ok(found > value),
            ("<", (Ok(found), Ok(value))) => Ok(found < value),
            (operator, _) => Err(format!("{operator} wants numbers")),
        }
    }
}

fn any(rest: &mut Vec<String>) -> Result<Query, String> {
    let mut parts = vec![all(rest)?];
    while rest.pop_if(|word| word == "OR").is_some() {
        parts.push(all(rest)?);
    }
    Ok(Query::Any(parts))
}

fn all(rest: &mut Vec<String>) -> Result<Query, String> {
    let mut parts = vec![one(rest)?];
    while rest.pop_if(|word| word == "AND").is_some() {
        parts.push(one(rest)?);
    }
    Ok(Query::All(parts))
}

fn one(rest: &mut Vec<String>) -> Result<Query, String> {
    let field = rest.pop().ok_or("Incomplete query")?;
    if field == "(" {
        let inner = any(rest)?;
        return match rest.pop().as_deref() {
            Some(")") => Ok(inner),
            _ => Err(String::from("Incomplete query, expected a close paren")),
        };
    }
    let operator = rest.pop().ok_or("Incomplete query, expected an operator")?;
    let operator = OPERATORS.into_iter().find(|known| *known == operator);
    let operator = operator.ok_or("expected an operator")?;
    let value = rest.pop().ok_or("Incomplete query, expected a value")?;
    let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    let bare = value.bytes().all(|byte| byte.is_ascii_digit()).then_some(value.as_str());
    let value = quoted.or(bare).ok_or(format!("expected a number or a quoted text: {value}"))?;
    Ok(Query::Is(Comparison { field, operator, value: value.to_owned() }))
}

/// Words, quoted texts with their quotes, parentheses.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' => 1,
            '\'' => 2 + rest[1..].find('\'').ok_or("a quote is open")?,
            // A custom field's name may hold blanks.
            'C' if rest.starts_with("CF.{") => 1 + rest.find('}').ok_or("a brace is open")?,
            _ => rest.find([' ', ')', '\'']).unwrap_or(rest.len()),
        };
        words.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Ok(words)
}

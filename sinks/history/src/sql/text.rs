//! A bound on a text before it is parsed. The parser tries what follows a word and a bracket twice,
//! once as a named argument, and what follows two brackets once as a query and once as a join or a
//! list. So each level of such brackets doubles its time, and nothing stops it.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::error::{SqlError, TOO_COMPLEX};

/// How many looks at a token the parser may take: sixteen levels, or fewer around much text.
const LOOKS_MAX: u64 = 1 << 18;

/// Words before a bracket that call nothing: what follows is looked at once.
const CALL_NOTHING: [Keyword; 9] = [
    Keyword::FROM,
    Keyword::JOIN,
    Keyword::LATERAL,
    Keyword::ON,
    Keyword::WHERE,
    Keyword::AND,
    Keyword::OR,
    Keyword::IN,
    Keyword::EXISTS,
];

/// Words that a query begins with.
const BEGIN_QUERIES: [Keyword; 4] =
    [Keyword::SELECT, Keyword::WITH, Keyword::VALUES, Keyword::TABLE];

/// Bounds how long a text can be parsed.
///
/// # Errors
/// Code 54001.
pub(super) fn check_text(sql: &str) -> Result<(), SqlError> {
    // What is no row of tokens is the parser's to tell.
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize() else { return Ok(()) };
    let before_query = before_queries(&tokens);
    let (mut after_word, mut after_bracket) = (false, false);
    // Of each open bracket: whether what is in it is looked at twice.
    let mut open = Vec::new();
    let (mut doubled, mut looks) = (0_u32, 0_u64);
    for (token, before_query) in tokens.iter().zip(before_query) {
        match token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket => {
                // One in a bracket and around a query may begin a join or list as well.
                let twice = after_word || after_bracket && before_query;
                open.push(twice);
                doubled += u32::from(twice);
            }
            Token::RParen | Token::RBracket => {
                doubled -= u32::from(open.pop() == Some(true));
            }
            _ => {}
        }
        after_word = matches!(token, Token::Word(word) if !CALL_NOTHING.contains(&word.keyword));
        after_bracket = matches!(token, Token::LParen);
        looks = looks.saturating_add(1_u64.checked_shl(doubled).unwrap_or(u64::MAX));
        if looks > LOOKS_MAX {
            let message = "functions and brackets of the statement are too deep in each other";
            return Err(SqlError::new(TOO_COMPLEX, message)
                .hint("Name inner parts in a subquery beside it, or in `WITH`."));
        }
    }
    Ok(())
}

/// Of each token: whether a query comes next, brackets put aside.
fn before_queries(tokens: &[Token]) -> Vec<bool> {
    let mut next = false;
    let mut before: Vec<bool> = tokens
        .iter()
        .rev()
        .map(|token| {
            let here = next;
            match token {
                Token::Whitespace(_) | Token::LParen => {}
                Token::Word(word) => next = BEGIN_QUERIES.contains(&word.keyword),
                _ => next = false,
            }
            here
        })
        .collect();
    before.reverse();
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_passes_and_what_doubles_the_time_again_and_again_does_not() {
        let calls =
            |levels: usize| format!("SELECT {}1{}", "f(".repeat(levels), ")".repeat(levels));
        assert_eq!(check_text(&calls(12)), Ok(()));
        assert!(check_text(&calls(20)).is_err());
        assert!(check_text(&calls(100)).is_err());
        let long = format!("SELECT f(g(x IN ({}1)))", "1,".repeat(10_000));
        assert_eq!(check_text(&long), Ok(()));
        let many = format!("SELECT {} 1", "f(g(h(1))),".repeat(2_000));
        assert_eq!(check_text(&many), Ok(()));
        let below = format!("SELECT * {} edges", "FROM (SELECT * ".repeat(30));
        assert_eq!(check_text(&below), Ok(()));
        for twice in
            ["SELECT * FROM ((", "SELECT * FROM t WHERE x IN ((", "TABLE x JOIN ( -- x\n( "]
        {
            let deep = |levels: usize| format!("{}SELECT 1", twice.repeat(levels));
            assert_eq!(check_text(&deep(10)), Ok(()), "{twice}");
            assert!(check_text(&deep(25)).is_err(), "{twice}");
        }
        assert_eq!(check_text(&format!("SELECT {}1", "(".repeat(40))), Ok(()));
        assert_eq!(check_text("SELECT )))) ]] ("), Ok(()));
        assert_eq!(check_text("SELECT 'open"), Ok(()));
    }
}

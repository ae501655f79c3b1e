//! A bound on a text before it is parsed. The parser tries what follows a word and a bracket twice,
//! once as a named argument, so each level of such brackets doubles its time, and nothing stops it.

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

/// Bounds how long a text can be parsed.
///
/// # Errors
/// Code 54001.
pub(super) fn check_text(sql: &str) -> Result<(), SqlError> {
    // What is no row of tokens is the parser's to tell.
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize() else { return Ok(()) };
    let mut after_word = false;
    // Of each open bracket: whether it follows a word.
    let mut open = Vec::new();
    let (mut doubled, mut looks) = (0_u32, 0_u64);
    for token in &tokens {
        match token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket => {
                open.push(after_word);
                doubled += u32::from(after_word);
            }
            Token::RParen | Token::RBracket => {
                doubled -= u32::from(open.pop() == Some(true));
            }
            _ => {}
        }
        after_word = matches!(token, Token::Word(word) if !CALL_NOTHING.contains(&word.keyword));
        looks = looks.saturating_add(1_u64.checked_shl(doubled).unwrap_or(u64::MAX));
        if looks > LOOKS_MAX {
            let message = "functions and brackets of the statement are too deep in each other";
            return Err(SqlError::new(TOO_COMPLEX, message)
                .hint("Name inner parts in a subquery beside it, or in `WITH`."));
        }
    }
    Ok(())
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
        assert_eq!(check_text("SELECT )))) ]] ("), Ok(()));
        assert_eq!(check_text("SELECT 'open"), Ok(()));
    }
}

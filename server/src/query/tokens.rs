//! The words, quoted texts and signs of a query, each with its place.

use super::QueryError;
use std::ops::Range;

#[derive(Debug)]
pub(super) struct Token {
    /// In bytes of the source.
    pub(super) place: Range<usize>,
    pub(super) kind: TokenKind,
}

#[derive(Debug, PartialEq)]
pub(super) enum TokenKind {
    Word(String),
    Quoted(String),
    Sign,
}

impl Token {
    pub(super) fn is_word(&self, text: &str) -> bool {
        self.kind == TokenKind::Word(text.into())
    }
}

pub(super) fn tokens(source: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut rest = source.char_indices().peekable();
    while let Some(&(start, first)) = rest.peek() {
        rest.next();
        let end =
            |rest: &mut std::iter::Peekable<std::str::CharIndices>| rest.peek().map_or(source.len(), |&(at, _)| at);
        let kind = match first {
            _ if first.is_whitespace() => continue,
            '(' | ')' | ',' | '=' | '~' => TokenKind::Sign,
            '<' | '>' | '!' => {
                rest.next_if(|&(_, c)| c == '=');
                TokenKind::Sign
            }
            '"' | '\'' => {
                let mut text = String::new();
                loop {
                    match rest.next() {
                        Some((_, c)) if c == first => break TokenKind::Quoted(text),
                        Some((_, '\\')) => text.extend(rest.next().map(|(_, c)| c)),
                        Some((_, c)) => text.push(c),
                        None => {
                            let expected = format!("a closing {first}");
                            return Err(at(source, start..source.len(), expected));
                        }
                    }
                }
            }
            _ => {
                let inside = |c: char| !c.is_whitespace() && !"()=!<>~,\"'".contains(c);
                while rest.next_if(|&(_, c)| inside(c)).is_some() {}
                TokenKind::Word(source[start..end(&mut rest)].into())
            }
        };
        tokens.push(Token { place: start..end(&mut rest), kind });
    }
    Ok(tokens)
}

/// An error at a place of the source, in bytes.
pub(super) fn at(source: &str, place: Range<usize>, expected: impl Into<String>) -> QueryError {
    let found = match &source[place.clone()] {
        "" => "the end".into(),
        text => format!("`{}`", text.chars().take(60).collect::<String>()),
    };
    let position = source[..place.start].chars().count();
    QueryError { position, length: source[place].chars().count(), expected: expected.into(), found }
}

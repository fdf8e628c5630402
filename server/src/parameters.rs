//! The parameters of an address: each once, and none that nobody would look at. What is passed over in silence is a slip of
//! the pen that shows another answer than was meant.
//!
//! What an address takes is what `/openapi.json` says that it takes.

use crate::error::{Error, wants_html};
use crate::fields::{field, nearest_of};
use crate::openapi;
use axum::extract::{MatchedPath, Query, Request};
use axum::middleware::Next;
use axum::response::Response;
use trainer::spec::SpecError;

/// The pairs of an address.
pub(crate) type Pairs = Vec<(String, String)>;

/// A parameter that an address takes.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: String,
    /// Whether it may be there again and again, as a form sends the boxes that are ticked.
    pub(crate) repeats: bool,
}

/// The page of a run keeps in its address what it shows, which only its script knows.
const KEEPS_ITS_OWN: &str = "/runs/{id}";

/// Middleware: refuses what the address doesn't take. Addresses that no document describes are those of pages alone.
pub(crate) async fn check(request: Request, next: Next) -> Result<Response, Error> {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if let Some(known) = route.and_then(|route| openapi::parameters(request.method(), route))
        && !(route == Some(KEEPS_ITS_OWN) && wants_html(request.headers()))
        && let Ok(Query(pairs)) = Query::<Pairs>::try_from_uri(request.uri())
    {
        each(&pairs, known)?;
    }
    Ok(next.run(request).await)
}

fn each(pairs: &Pairs, known: &[Parameter]) -> Result<(), Error> {
    let names = || known.iter().map(|parameter| parameter.name.as_str());
    for (at, (name, value)) in pairs.iter().enumerate() {
        let refused = |expected: String| Err(Error::Address(SpecError::new(name, value.as_str().into(), expected)));
        match known.iter().find(|parameter| parameter.name == *name) {
            None => {
                // Whoever asks for runs by a field of theirs means the query.
                let asked = names().any(|known| known == "query").then(|| field(name)).flatten();
                let meant = asked.map(|field| format!("query={} = …", field.name));
                let meant = meant.or_else(|| nearest_of(name, names()).map(String::from));
                let meant = meant.map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
                let all = names().collect::<Vec<_>>().join(", ");
                return refused(if all.is_empty() { "no parameters".into() } else { format!("one of {all}{meant}") });
            }
            Some(parameter) if !parameter.repeats && pairs[..at].iter().any(|(other, _)| other == name) => {
                return refused(format!("`{name}` once"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The values of `names`, in their order.
pub(crate) fn read<const N: usize>(pairs: Pairs, names: [&str; N]) -> [Option<String>; N] {
    let mut values = [const { None }; N];
    for (name, value) in pairs {
        if let Some(at) = names.iter().position(|known| *known == name) {
            values[at] = Some(value);
        }
    }
    values
}

/// A flag: `true`, or `false` where nothing is said.
///
/// # Errors
/// It is neither.
pub(crate) fn flag(name: &str, value: Option<&str>) -> Result<bool, Error> {
    match value {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(SpecError::new(name, other.into(), "true or false").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_would_look_at_is_refused_and_what_was_meant_is_said() {
        let known = [("query", false), ("limit", false), ("by", true)];
        let known = known.map(|(name, repeats)| Parameter { name: name.into(), repeats });
        let refused = |names: &[&str]| {
            let pairs = names.iter().map(|name| (name.to_string(), "x".into())).collect();
            each(&pairs, &known).err().map(|error| error.to_string())
        };
        assert_eq!(refused(&["by", "query", "by", "limit"]), None);
        let ends = |names: &[&str], end: &str| {
            let said = refused(names).unwrap();
            assert!(said.ends_with(end), "{said}");
        };
        ends(&["quary"], "one of query, limit, by: did you mean `query`?");
        ends(&["by", "status"], ": did you mean `query=status = …`?");
        ends(&["foo"], "expected one of query, limit, by");
        ends(&["limit", "limit"], "expected `limit` once");
        assert!(each(&vec![("a".into(), String::new())], &[]).unwrap_err().to_string().ends_with("no parameters"));
    }
}

//! A list as a table for other programs.

use crate::error::Error;
use crate::fields::{self, Field, USUAL_COLUMNS, Value, field};
use crate::state::Summary;
use std::sync::Arc;

/// Columns of a table at most.
const MOST_COLUMNS: usize = 100;

/// The fields of a list of names joined by commas; the usual ones where it is empty.
///
/// # Errors
/// A name that is no field's.
pub fn columns(text: Option<&str>) -> Result<Vec<&'static Field>, Error> {
    let named = |name: &str| {
        field(name).ok_or_else(|| {
            let guess = fields::nearest(name).unwrap_or("name");
            Error::parameter(
                "columns",
                name,
                format!("fields like `{guess}`, joined by commas (GET /runs/fields has them all)"),
            )
        })
    };
    let names = text.unwrap_or_default().split(',').filter(|name| !name.is_empty()).collect::<Vec<_>>();
    if names.len() > MOST_COLUMNS {
        return Err(Error::parameter("columns", &names.len().to_string(), format!("at most {MOST_COLUMNS} fields")));
    }
    if names.is_empty() { USUAL_COLUMNS } else { names.as_slice() }.iter().map(|name| named(name)).collect()
}

/// The runs as a table of the chosen fields.
pub fn csv(columns: &[&Field], runs: &[Arc<Summary>]) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    runs.iter().map(|run| line(columns.iter().map(|field| cell(&field.value(run))).collect())).collect()
}

/// The head of such a table.
pub fn csv_head(columns: &[&Field]) -> String {
    columns.iter().map(|field| &*field.name).collect::<Vec<_>>().join(",") + "\n"
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::None => return String::new(),
        Value::Number(number) => return number.to_string(),
        Value::Flag(flag) => return flag.to_string(),
        Value::Time(time_ms) => return crate::text::iso(*time_ms),
        Value::Text(text) => text.to_string(),
        Value::Tags(tags) => tags.join(" "),
    };
    // A spreadsheet would take a text that begins like this for a formula; static/js/csv.js does the same.
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::tests::runs;

    #[test]
    fn csv_says_what_a_name_holds() {
        let mut run = (*runs()[1]).clone();
        run.name = "a \"b\",\nc".into();
        run.tags = vec!["x".into(), "y".into()];
        let columns = columns(Some("name,seed,tags,accuracy,created,reason")).unwrap();
        assert_eq!(csv_head(&columns), "name,seed,tags,test_accuracy,created,reason\n");
        let text = csv(&columns, &[Arc::new(run)]);
        let formula = Summary { name: "=1+1".into(), ..(*runs()[1]).clone() };
        assert!(csv(&columns, &[Arc::new(formula)]).starts_with("'=1+1,"), "no spreadsheet computes it");
        assert_eq!(text, "\"a \"\"b\"\",\nc\",0,x y,0.14285714285714285,1970-01-01T00:00:00Z,\n");
    }
}

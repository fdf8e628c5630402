//! What people write on a run: its name, tags, notes, and whether it is archived. Each edit is an event in the run's log.

use crate::api::{Found, read_request};
use crate::error::Error;
use crate::state::Summary;
use axum::Json;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use trainer::event::{Edit, RunEvent};
use trainer::spec::{SpecError, field};

/// Tags of a run at most.
pub(crate) const MOST_TAGS: usize = 20;
/// Characters of a tag at most.
pub(crate) const TAG_CHARS: usize = 40;
/// Characters of the notes at most.
pub(crate) const NOTES_CHARS: usize = 4000;

/// `PATCH /runs/{id}`
pub(crate) async fn patch(Found(run): Found, headers: HeaderMap, body: Bytes) -> Result<Response, Error> {
    let edit = changes(read(read_request(&headers, &body)?)?, &run.summary());
    if edit != Edit::default() {
        let edited = run.clone();
        tokio::task::spawn_blocking(move || edited.amend(RunEvent::Edited(edit))).await??;
    }
    Ok(Json(&*run.summary()).into_response())
}

/// Reads an edit.
fn read(request: Map<String, Value>) -> Result<Edit, SpecError> {
    let mut edit = Edit::default();
    for (name, value) in request {
        match name.as_str() {
            "name" => {
                if let Some(field) = field("name") {
                    field.check(&value)?;
                }
                edit.name = value.as_str().map(|name| name.trim().into());
            }
            "tags" => edit.tags = Some(tags(&value)?),
            "notes" => {
                let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
                let notes = value.as_str().filter(|notes| notes.chars().count() <= NOTES_CHARS && !notes.contains(odd));
                let expected = format!("text of at most {NOTES_CHARS} characters without control characters");
                edit.notes =
                    Some(notes.ok_or_else(|| SpecError::new("notes", short(&value), expected))?.trim_end().into());
            }
            "archived" => {
                edit.archived =
                    Some(value.as_bool().ok_or_else(|| SpecError::new("archived", short(&value), "true or false"))?);
            }
            _ => return Err(SpecError::new(name, short(&value), "one of name, tags, notes, archived")),
        }
    }
    Ok(edit)
}

/// Tags in the order given, each once whatever its case.
fn tags(value: &Value) -> Result<Vec<String>, SpecError> {
    let fits = |tag: &str| {
        (1..=TAG_CHARS).contains(&tag.chars().count()) && !tag.contains(|c: char| c.is_control() || c == ',')
    };
    let list = value.as_array().filter(|list| list.len() <= MOST_TAGS);
    let list =
        list.and_then(|list| list.iter().map(|tag| tag.as_str().map(str::trim).filter(|tag| fits(tag))).collect());
    let list: Vec<&str> = list.ok_or_else(|| {
        let expected =
            format!("at most {MOST_TAGS} tags of 1 to {TAG_CHARS} characters without commas or control characters");
        SpecError::new("tags", short(value), expected)
    })?;
    let mut tags = Vec::<String>::new();
    for tag in list {
        if !tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase()) {
            tags.push(tag.into());
        }
    }
    Ok(tags)
}

/// A value for an error message, which nobody reads to the end of a page.
fn short(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= 200 { value.clone() } else { text.chars().take(200).chain(['…']).collect::<String>().into() }
}

/// What of an edit changes anything, so that a log doesn't grow by saying what it says already.
fn changes(edit: Edit, run: &Summary) -> Edit {
    Edit {
        name: edit.name.filter(|name| *name != run.name),
        tags: edit.tags.filter(|tags| *tags != run.tags),
        notes: edit.notes.filter(|notes| *notes != run.notes),
        archived: edit.archived.filter(|&archived| archived != run.archived),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edit(request: Value) -> Result<Edit, SpecError> {
        read(request.as_object().unwrap().clone())
    }

    #[test]
    fn tags_are_trimmed_and_each_there_once() {
        let edit = edit(json!({"tags": [" paper ", "Paper", "übung"], "notes": "a\n b \n"})).unwrap();
        assert_eq!(edit.tags.unwrap(), ["paper", "übung"]);
        assert_eq!(edit.notes.unwrap(), "a\n b");
    }

    #[test]
    fn what_is_too_much_is_told_by_its_field() {
        for (field, request) in [
            ("name", json!({"name": ""})),
            ("name", json!({"name": "x".repeat(121)})),
            ("name", json!({"name": null})),
            ("tags", json!({"tags": "paper"})),
            ("tags", json!({"tags": ["a,b"]})),
            ("tags", json!({"tags": [""]})),
            ("tags", json!({"tags": ["x".repeat(41)]})),
            ("tags", json!({"tags": vec!["x"; 21]})),
            ("notes", json!({"notes": "x".repeat(4001)})),
            ("notes", json!({"notes": "a\u{1b}[31m"})),
            ("archived", json!({"archived": "yes"})),
            ("status", json!({"status": "FINISHED"})),
        ] {
            let error = edit(request).unwrap_err();
            assert_eq!(error.field, field);
            assert!(error.value.to_string().len() < 300);
        }
    }
}

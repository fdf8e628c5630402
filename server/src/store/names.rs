//! The two kinds of names that lead to a file, both had by parsing only.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Names a run: a UUID of version 7, so that ids sort by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Uuid);

impl RunId {
    /// An id that no run has yet, larger than all before.
    pub fn fresh() -> RunId {
        RunId(Uuid::now_v7())
    }
}

/// A text that names no run.
#[derive(Debug, thiserror::Error)]
#[error("not a run id")]
pub struct NoRunId;

impl FromStr for RunId {
    type Err = NoRunId;

    fn from_str(text: &str) -> Result<RunId, NoRunId> {
        let id = Uuid::try_parse(text).map(RunId).map_err(|_| NoRunId)?;
        // The parser takes braces, capitals and missing hyphens too; a run has one address.
        if id.to_string() == text { Ok(id) } else { Err(NoRunId) }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl JsonSchema for RunId {
    fn schema_name() -> Cow<'static, str> {
        "RunId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "uuid", "description": "A UUID in lower case, with hyphens."})
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RunId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Names a file of a run: a relative path of plain parts joined by `/`, none of them hidden.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArtifactName(pub(super) String);

/// A text that names no file of a run.
#[derive(Debug, thiserror::Error)]
#[error("not the name of an artifact")]
pub struct NoArtifactName;

impl FromStr for ArtifactName {
    type Err = NoArtifactName;

    fn from_str(text: &str) -> Result<ArtifactName, NoArtifactName> {
        // A leading dot is `.`, `..`, or one of our own temporary files; `\` and `:` mean something on Windows.
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
        let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
        let fits = text.len() <= 200 && !text.contains(odd) && text.split('/').all(plain);
        if fits { Ok(ArtifactName(text.into())) } else { Err(NoArtifactName) }
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ArtifactName {
    /// The last part.
    pub fn file_name(&self) -> &str {
        self.parts().1
    }

    /// The way to the folder that it is in, and the last part.
    pub(super) fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_names_are_artifacts() {
        for good in ["run.json", "embeddings/test-0001.npy", "a b/ü.csv"] {
            assert!(good.parse::<ArtifactName>().is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", "a\\b", "C:x", "a\0b", ".lock", "a/.t"]
        {
            assert!(bad.parse::<ArtifactName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = RunId::fresh().to_string();
        assert!(id.parse::<RunId>().is_ok());
        for bad in [id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}"), "..".into(), String::new()] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }
}

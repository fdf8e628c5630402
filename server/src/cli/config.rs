//! `centerscope config`: the settings in force and where each comes from. And the file that may hold them.
//!
//! A setting of the file becomes the default of its flag, so that it is checked and told of like any other value, and the
//! environment and the command line go first.

use crate::config::Config;
use anyhow::{Context, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml::{Table, Value};

pub(super) const NAME: &str = "config";

/// What is said but not shown.
const SECRETS: [&str; 2] = ["token", "read-token"];

pub(super) fn command() -> Command {
    Config::augment_args(Command::new(NAME)).about("Show the settings of the server that are in force, and whence")
}

/// The settings of a file, by the names of their flags.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    settings: BTreeMap<String, Vec<String>>,
}

impl File {
    /// The file that the command line or the environment names, if any.
    ///
    /// # Errors
    /// It can't be read, or it holds something that is no setting.
    pub(super) fn of(matches: &ArgMatches) -> anyhow::Result<Option<File>> {
        let path = matches.try_get_one::<PathBuf>("config").ok().flatten();
        path.map(|path| File::read(path)).transpose()
    }

    fn read(path: &Path) -> anyhow::Result<File> {
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("can't read the settings in {name}"))?;
        let table = text.parse::<Table>().with_context(|| format!("{name} is no TOML"))?;
        let known = flags().filter_map(|arg| arg.get_long().map(str::to_owned)).filter(|flag| flag != "config");
        let known = known.collect::<Vec<_>>();
        let mut settings = BTreeMap::new();
        for (key, value) in table {
            if !known.contains(&key) {
                bail!("{name}: there is no setting `{key}`, only {}", known.join(", "));
            }
            let values =
                texts(&value).with_context(|| format!("{name}: {key} takes a text, a number, true or false"))?;
            settings.insert(key, values);
        }
        Ok(File { path: path.into(), settings })
    }

    /// Makes the settings the defaults of `command`'s flags.
    pub(super) fn apply(&self, command: Command) -> Command {
        self.settings.iter().fold(command, |command, (flag, values)| {
            command.mut_args(|arg| if arg.get_long() == Some(flag) { arg.default_values(values.clone()) } else { arg })
        })
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(vec![value.to_string()]),
        Value::Array(values) => values.iter().map(texts).collect::<Option<Vec<_>>>().map(|values| values.concat()),
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

/// Every flag of the server.
fn flags() -> impl Iterator<Item = Arg> {
    let command = Config::augment_args(Command::new(NAME));
    command.get_arguments().cloned().collect::<Vec<_>>().into_iter()
}

pub(super) fn run(matches: &ArgMatches, file: Option<&File>) -> anyhow::Result<ExitCode> {
    let told = flags().map(|arg| line(&arg, matches, file)).collect::<String>();
    print!("# The settings in force, as a file for --config\n{told}");
    Ok(ExitCode::SUCCESS)
}

/// One setting: `port = 8080  # default`.
fn line(arg: &Arg, matches: &ArgMatches, file: Option<&File>) -> String {
    let (id, flag) = (arg.get_id().as_str(), arg.get_long().unwrap_or_default());
    let of_file = file.filter(|file| file.settings.contains_key(flag));
    let whence = match (matches.value_source(id), of_file) {
        (Some(ValueSource::CommandLine), _) => format!("--{flag}"),
        (Some(ValueSource::EnvVariable), _) => arg.get_env().unwrap_or_default().to_string_lossy().into_owned(),
        (_, Some(file)) => file.path.display().to_string(),
        _ => "default".into(),
    };
    let values = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned());
    let values = match arg.get_action() {
        // Whatever word the environment has for it.
        ArgAction::SetTrue => vec![matches.get_flag(id).to_string()],
        _ => values.map(written).collect(),
    };
    let many = arg.get_num_args().is_some_and(|count| count.max_values() > 1) || arg.get_value_delimiter().is_some();
    let mut line = String::new();
    // Writing to a string can't fail. A line that is no setting is a comment, so that the whole stays a file of settings.
    let _ = match values.as_slice() {
        [] if many => writeln!(line, "{flag} = []  # {whence}"),
        [] => writeln!(line, "# {flag} is not set"),
        _ if SECRETS.contains(&flag) => writeln!(line, "# {flag} is set and not shown  # {whence}"),
        _ if flag == "config" => writeln!(line, "# {flag} = {}  # {whence}", values.join(", ")),
        values if many => writeln!(line, "{flag} = [{}]  # {whence}", values.join(", ")),
        values => writeln!(line, "{flag} = {}  # {whence}", values.join(", ")),
    };
    line
}

/// A value as TOML: a number or a truth as it is, all else as text.
fn written(text: String) -> String {
    match text.as_str() {
        "true" | "false" => text,
        number if number.parse::<u64>().is_ok() => text,
        _ => Value::String(text).to_string(),
    }
}

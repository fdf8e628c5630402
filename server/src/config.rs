//! The settings of `serve`, each a flag, an environment variable, and a line of a file (`cli/config.rs`).

use crate::limits::Patience;
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use trainer::data::DataOptions;

/// Where to listen, where runs and data are, and how many train at once.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address or name to listen on; anything but this machine opens the server to the network and demands a token
    #[arg(long, env = "CENTERSCOPE_HOST", default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "CENTERSCOPE_PORT", default_value_t = 8080)]
    pub port: u16,
    /// Folder of the runs, made if it isn't there
    #[arg(long, env = "CENTERSCOPE_RUNS_DIR", default_value = "runs", value_name = "DIR")]
    pub runs_dir: PathBuf,
    /// Runs that train at once; the others wait
    #[arg(long, env = "CENTERSCOPE_JOBS", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Another host name to answer to, such as a proxy's; may be given again
    #[arg(long, env = "CENTERSCOPE_ALLOW_HOST", value_delimiter = ',', value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Token that opens everything; made and printed where --host demands one and none is given
    #[arg(long, env = "CENTERSCOPE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Token that lets others look but not change anything
    #[arg(long, env = "CENTERSCOPE_READ_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub read_token: Option<String>,
    /// Live streams at once; more are turned away
    #[arg(long, env = "CENTERSCOPE_WATCHERS", default_value_t = 2000, value_parser = clap::value_parser!(u16).range(1..))]
    pub watchers: u16,
    /// How the log on standard error is written
    #[arg(long, env = "CENTERSCOPE_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// File that holds settings like these, in TOML; the environment and the command line go first
    #[arg(long, env = "CENTERSCOPE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Go on with the runs that ended only because the server did
    #[arg(long, env = "CENTERSCOPE_RESUME_INTERRUPTED", value_parser = FalseyValueParser::new())]
    pub resume_interrupted: bool,
    /// Where the images come from.
    #[command(flatten)]
    pub data: DataArgs,
    /// How long it waits for the other end of a connection; no setting but a test's.
    #[arg(skip)]
    pub patience: Patience,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Where the images come from.
#[derive(Args, Clone, Debug, Default)]
pub struct DataArgs {
    /// Folder with the four MNIST files, plain or .gz; nothing else is tried then
    #[arg(long, env = "CENTERSCOPE_DATA", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Never use the network
    #[arg(long, env = "CENTERSCOPE_OFFLINE", value_parser = FalseyValueParser::new())]
    pub offline: bool,
}

impl From<&DataArgs> for DataOptions {
    fn from(args: &DataArgs) -> DataOptions {
        DataOptions { data_dir: args.data_dir.clone(), offline: args.offline }
    }
}

impl Config {
    /// A server for a test: on a free port of this machine, with its runs in `runs_dir`, without the network.
    pub fn for_testing(runs_dir: &Path) -> Config {
        Config {
            host: "127.0.0.1".into(),
            port: 0,
            runs_dir: runs_dir.into(),
            jobs: 3,
            allow_host: Vec::new(),
            token: None,
            read_token: None,
            watchers: 2000,
            log_format: LogFormat::Text,
            config: None,
            resume_interrupted: false,
            data: DataArgs { data_dir: None, offline: true },
            patience: Patience::default(),
        }
    }
}

//! The settings of `serve`, each a flag and an environment variable.

use clap::Args;
use clap::builder::FalseyValueParser;
use std::path::{Path, PathBuf};
use trainer::data::DataOptions;

/// Where to listen, where runs and data are, and how many train at once.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address or name to listen on; anything but this machine opens the server to the network, which has no log-in
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
    /// Where the images come from.
    #[command(flatten)]
    pub data: DataArgs,
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
            data: DataArgs { data_dir: None, offline: true },
        }
    }
}

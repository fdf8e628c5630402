//! `centerscope train`: one run without a server, with the same artifacts.

use crate::config::DataArgs;
use crate::datasets::Datasets;
use crate::recorder;
use crate::request::{self, Plan};
use crate::runs::{Bookmark, RecordError, Run};
use crate::state::{LogLine, Status};
use crate::store::{RunFolder, RunId};
use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use trainer::event::RunEvent;
use trainer::spec::FIELDS;

pub(super) const NAME: &str = "train";

pub(super) fn command() -> Command {
    let out = Arg::new("out").long("out").value_name("DIR").required(true).value_parser(value_parser!(PathBuf));
    let command = Command::new(NAME).arg(out.help("Folder for the artifacts: empty, or not there yet"));
    let command = DataArgs::augment_args(command).about("Train one run without a server, with the same artifacts");
    // From the table of fields, so that a new field has its flag by itself.
    command.args(FIELDS.iter().map(|field| {
        Arg::new(field.name)
            .long(field.name.replace('_', "-"))
            .help(format!("{} Takes {}", field.help, field.expected()))
            .value_name("VALUE")
            .allow_hyphen_values(true)
            .help_heading("The run")
    }))
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let given = FIELDS.iter().filter_map(|f| Some((f.name.to_string(), matches.get_one::<String>(f.name)?.clone())));
    let mut request = request::from_text(given);
    if !["variant", "network", "distance"].iter().any(|part| request.contains_key(*part)) {
        request.insert("variant".into(), "v1.0".into());
    }
    let Plan { mut orders, .. } = request::plan(request)?;
    if orders.len() > 1 {
        bail!("this asks for {} runs: give each field one value, or start a sweep with the server", orders.len());
    }
    let order = orders.pop().context("nothing to train")?;
    let data = DataArgs::from_arg_matches(matches)?;
    let out = matches.get_one::<PathBuf>("out").context("--out is missing")?;
    let run = match Run::create(RunId::fresh(), RunFolder::at(out.clone()), order.scheduled()) {
        Err(RecordError::Disk(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{} is not an empty folder: choose another --out, or empty it", out.display());
        }
        run => Arc::new(run.with_context(|| format!("can't use {} for the artifacts", out.display()))?),
    };

    let runtime = Runtime::new().context("can't start the async runtime")?;
    let training = run.clone();
    let datasets = Datasets::new((&data).into());
    let work = move || recorder::carry_out(&training, &move |run, emit| recorder::train_run(run, &datasets, emit));
    runtime.block_on(async {
        let work = tokio::task::spawn_blocking(work);
        show(&run).await?;
        work.await.context("the recorder broke down")
    })?;

    let summary = run.summary();
    let reason = summary.reason.as_deref().unwrap_or_default();
    match summary.status {
        Status::Finished => {
            let accuracy = crate::text::percent(summary.test_accuracy);
            println!("{}: test accuracy {accuracy}, artifacts in {}", summary.name, out.display());
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            if summary.started_ms.is_none() {
                // Nothing was trained: what lies there would only be in the way of the next try.
                let _ = run.folder.discard();
            }
            bail!("{}: {reason}", summary.name)
        }
    }
}

/// Draws the progress until the run is over; Ctrl-C stops the run.
async fn show(run: &Arc<Run>) -> anyhow::Result<()> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = "{elapsed_precise} {bar:40} {percent:>3} % · {msg}";
    bar.set_style(ProgressStyle::with_template(style).context("the progress bar's template")?);
    let mut bell = run.bell();
    let mut stop = Box::pin(super::stop_signal()?);
    let mut stopping = false;
    let mut mark = Bookmark::default();
    loop {
        bell.mark_unchanged();
        let told = run.lines_after(mark, usize::MAX).await?;
        mark = told.next;
        for line in &told.lines {
            draw(&bar, &serde_json::from_str(line)?);
        }
        if told.over {
            bar.finish_and_clear();
            return Ok(());
        }
        tokio::select! {
            _ = bell.changed() => {}
            () = &mut stop, if !stopping => {
                stopping = true;
                run.ask_to_stop("stopped by hand");
            }
        }
    }
}

fn draw(bar: &ProgressBar, line: &LogLine) {
    match &line.event {
        RunEvent::Scheduled { spec, .. } => bar.set_length(u64::from(spec.epochs) * 1000),
        RunEvent::Preparing { message } => bar.set_message(message.clone()),
        RunEvent::Started(start) => bar.set_message(format!("{}, {}", start.data.name, start.device)),
        RunEvent::Progress(p) => {
            let share = p.step as f64 / p.steps.max(1) as f64;
            bar.set_position(((f64::from(p.epoch) - 1.0 + share) * 1000.0) as u64);
            let (loss, speed) = (crate::text::number(Some(p.loss.total)), crate::text::speed(Some(p.images_per_s)));
            bar.set_message(format!("epoch {}, loss {loss}, {speed}", p.epoch));
        }
        RunEvent::Epoch(report) => {
            let metric = |name: &str| report.metrics.get(name).copied();
            let loss = crate::text::number(metric("train_loss"));
            let accuracy = crate::text::percent(metric("test_accuracy"));
            // Through the bar where there is a terminal, plainly where there is none.
            let told = format!("epoch {}: training loss {loss}, test accuracy {accuracy}", report.epoch);
            match bar.is_hidden() {
                true => println!("{told}"),
                false => bar.println(told),
            }
        }
        RunEvent::Resumed { .. }
        | RunEvent::Edited(_)
        | RunEvent::Deleted
        | RunEvent::Restored
        | RunEvent::Finished
        | RunEvent::Failed { .. }
        | RunEvent::Killed { .. }
        | RunEvent::Interrupted { .. } => {}
    }
}

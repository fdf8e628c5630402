//! A run's own fields: what it says of itself, beside its spec and its metrics.

use super::{Field, Kind, Source, Value, number, simple};
use crate::runs::now_ms;
use crate::state::{Status, Summary};
use trainer::spec::{Distance, Network, Variant};

fn time<'a>(time_ms: Option<u64>) -> Value<'a> {
    time_ms.map_or(Value::None, Value::Time)
}

fn text(text: Option<&str>) -> Value<'_> {
    text.filter(|text| !text.is_empty()).map_or(Value::None, |text| Value::Text(text.into()))
}

/// Seconds from the start of training to its end, or until now.
fn duration(run: &Summary) -> Value<'_> {
    let until = if run.status.is_over() { run.ended_ms } else { Some(now_ms()) };
    let spent = run.started_ms.zip(until).map(|(from, until)| until.saturating_sub(from) as f64 / 1000.0);
    number(spent)
}

fn count<'a>(n: Option<usize>) -> Value<'a> {
    number(n.map(|n| n as f64))
}

pub(super) fn own() -> Vec<Field> {
    let own = |name: &'static str,
               path: &str,
               label: &'static str,
               kind,
               help: &'static str,
               read: fn(&Summary) -> Value<'_>| Field {
        path: Some(path.into()),
        ..simple(name, label, kind, help, Source::Own(read))
    };
    let words = |field: Field, values| Field { values, ..field };
    let or = |field: Field, aliases| Field { aliases, ..field };
    let measured = |field: Field, unit, higher| Field { unit, higher_is_better: Some(higher), ..field };
    use Kind::{Curve, Flag, Number, Tags, Text, Time, Word};
    vec![
        words(
            own("status", "status", "Status", Word, "Where the run stands.", |r| text(Some(r.status.word()))),
            &Status::WORDS,
        ),
        own("name", "name", "Name", Text, "Its name for people.", |r| text(Some(&r.name))),
        words(
            own("variant", "variant", "Variant", Word, "The named combination of network and distance.", |r| {
                text(r.variant.map(Variant::word))
            }),
            Variant::WORDS,
        ),
        words(
            own("network", "network", "Network", Word, "Depth of the network.", |r| text(Some(r.network.word()))),
            Network::WORDS,
        ),
        words(
            or(
                own("distance", "distance", "Loss", Word, "Distance of the center loss.", |r| {
                    text(Some(r.distance.word()))
                }),
                &["loss"],
            ),
            Distance::WORDS,
        ),
        own("data", "data_name", "Data set", Text, "The images it saw.", |r| text(r.data_name.as_deref())),
        own("seed", "seed", "Seed", Number, "Decides initial weights, centers and image order.", |r| {
            Value::Number(r.seed as f64)
        }),
        own("epoch", "epoch", "Epochs done", Number, "Epochs done so far.", |r| Value::Number(r.epoch.into())),
        measured(
            or(
                own(
                    "best_test_accuracy",
                    "best_test_accuracy",
                    "Best accuracy",
                    Number,
                    "Best test accuracy of all epochs.",
                    |r| number(r.best_test_accuracy),
                ),
                &["best_accuracy"],
            ),
            "",
            true,
        ),
        measured(
            or(
                own("test_accuracy", "test_accuracy", "Accuracy", Number, "Test accuracy after the last epoch.", |r| {
                    number(r.test_accuracy)
                }),
                &["accuracy"],
            ),
            "",
            true,
        ),
        own(
            "accuracy_curve",
            "curves.test_accuracy",
            "Accuracy curve",
            Curve,
            "Test accuracy, epoch by epoch.",
            |_| Value::None,
        ),
        measured(
            own("train_loss", "train_loss", "Training loss", Number, "Of the last epoch, or of the last steps.", |r| {
                number(r.train_loss)
            }),
            "nats",
            false,
        ),
        own("loss_curve", "curves.train_loss", "Loss curve", Curve, "Training loss, epoch by epoch.", |_| Value::None),
        measured(
            own("images_per_s", "images_per_s", "Speed", Number, "Training images a second.", |r| {
                number(r.images_per_s)
            }),
            "images/s",
            true,
        ),
        Field {
            unit: "s",
            ..simple(
                "duration",
                "Duration",
                Number,
                "From the start of training to its end, or until now.",
                Source::Own(duration),
            )
        },
        or(
            own("created", "created_ms", "Created", Time, "When it was accepted.", |r| Value::Time(r.created_ms)),
            &["created_ms"],
        ),
        or(
            own("started", "started_ms", "Started", Time, "When training began.", |r| time(r.started_ms)),
            &["started_ms"],
        ),
        or(own("ended", "ended_ms", "Ended", Time, "When it ended.", |r| time(r.ended_ms)), &["ended_ms"]),
        or(
            own("tags", "tags", "Tags", Tags, "Words to find it by.", |r| match r.tags.as_slice() {
                [] => Value::None,
                tags => Value::Tags(tags),
            }),
            &["tag"],
        ),
        own("notes", "notes", "Notes", Text, "What somebody noted about it.", |r| text(Some(&r.notes))),
        own("archived", "archived", "Archived", Flag, "Whether lists leave it out.", |r| Value::Flag(r.archived)),
        own("reason", "reason", "Reason", Text, "Why it ended, unless it finished.", |r| text(r.reason.as_deref())),
        own("device", "device", "Device", Text, "The device in use.", |r| text(r.device.as_deref())),
        own("precision_used", "precision", "Precision in use", Text, "What its device computed in.", |r| {
            r.precision.map_or(Value::None, |precision| Value::Text(precision.to_string().into()))
        }),
        own("parameters", "parameters", "Parameters", Number, "Trainable numbers of the network.", |r| {
            count(r.parameters)
        }),
        own("steps", "steps", "Steps an epoch", Number, "Steps of one epoch.", |r| count(Some(r.steps))),
        own("threads", "threads", "Threads", Number, "Threads that computed; the numbers don't depend on them.", |r| {
            count(r.threads)
        }),
        own("host", "host", "Host", Text, "The machine.", |r| text(r.host.as_deref())),
        own("version", "version", "Version", Text, "Version of the program.", |r| text(r.version.as_deref())),
        own(
            "commit",
            "commit",
            "Commit",
            Text,
            "Commit it was built from; `+changes`: with sources that the commit doesn't hold.",
            |r| text(r.commit.as_deref()),
        ),
        own(
            "data_digest",
            "data_digest",
            "Digest of the data",
            Text,
            "SHA-256 over the pixels and labels that it saw.",
            |r| text(r.data_digest.as_deref()),
        ),
        own("forked_from", "fork.run", "Forked from", Text, "The run it goes on from, by its id.", |r| {
            text(r.fork.as_ref().map(|fork| &*fork.run))
        }),
        own(
            "fork_epoch",
            "fork.epoch",
            "Forked after epoch",
            Number,
            "The epoch of that run that it goes on from.",
            |r| number(r.fork.as_ref().map(|fork| fork.epoch.into())),
        ),
        own("comparison", "comparison", "Comparison", Text, "The comparison it belongs to.", |r| {
            text(r.comparison.as_deref())
        }),
        own("sweep", "sweep", "Sweep", Text, "The sweep it belongs to, by its id.", |r| text(r.sweep.as_deref())),
        own("id", "id", "Id", Text, "Its id.", |r| Value::Text(r.id.to_string().into())),
    ]
}

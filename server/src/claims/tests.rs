//! Verdicts, pairs and what is offered.

use super::*;
use crate::groups::tests::state;
use crate::state::RunState;
use crate::store::RunId;
use trainer::event::Fork;
use trainer::spec::Distance;

fn reading(value: f64, reached: bool) -> Reading {
    Reading { run: RunId::fresh(), value, reached }
}

fn verdict_of(differences: &[f64]) -> Verdict {
    verdict(Paired::of(differences).as_ref(), Direction::Lower)
}

#[test]
fn both_tests_have_to_agree() {
    assert_eq!(verdict_of(&[-1.0, -2.0, -1.0, -2.0, -1.0]), Verdict::Supported);
    assert_eq!(verdict_of(&[1.0, 2.0, 1.0, 2.0, 1.0]), Verdict::Contradicted);
    assert_eq!(verdict_of(&[-1.0, -2.0, 1.0, -2.0, -1.0]), Verdict::Undecided);
    assert_eq!(verdict_of(&[-1.0, -2.0, -1.0, -2.0]), Verdict::TooFewPairs);
    assert_eq!(verdict_of(&[]), Verdict::TooFewPairs);
    assert_eq!(verdict_of(&[-1.0; 5]), Verdict::Supported, "all alike: the signs alone speak");
    assert_eq!(verdict_of(&[0.0; 5]), Verdict::Undecided);
    // One sign throughout, but one difference so large that the mean is uncertain.
    assert_eq!(verdict_of(&[-1.0, -1.0, -1.0, -1.0, -40.0]), Verdict::Undecided);
}

#[test]
fn a_threshold_that_one_side_never_reached_still_says_who_was_first() {
    assert_eq!(pair(1, reading(4.0, true), reading(9.0, false)).difference, Some(-5.0));
    assert_eq!(pair(1, reading(9.0, false), reading(4.0, true)).difference, Some(5.0));
    assert_eq!(pair(1, reading(9.0, false), reading(9.0, false)).difference, None);
    // The other ended before this one got there: it might have been sooner.
    assert_eq!(pair(1, reading(7.0, true), reading(3.0, false)).difference, None);
}

/// A run of that distance and as many epochs as it has accuracies.
fn run(distance: Distance, accuracies: &[f64]) -> RunState {
    let mut run = state(1, 1.0, distance, accuracies, true);
    run.summary.spec.epochs = accuracies.len() as u32;
    run
}

/// What these runs, newest first, say of the first of the shipped claims.
fn tested(states: &[RunState]) -> Tested {
    let witnesses = states.iter().map(|state| Arc::new(state.summary.clone()));
    let witnesses = witnesses.filter(|run| is_witness(run, false)).collect::<Vec<_>>();
    test(Claim::presets().remove(0), &witnesses, &|_| panic!("the summary has the epoch")).unwrap()
}

fn pair_of(states: &[RunState]) -> (f64, bool, f64) {
    let tested = tested(states);
    let pair = &tested.findings[0].pairs[0];
    (pair.a.value, pair.a.reached, pair.b.value)
}

#[test]
fn a_run_that_ended_early_takes_nothing_from_one_that_got_there() {
    let long = run(Distance::Squared, &[0.5, 0.9, 0.97, 0.98]);
    let short = run(Distance::Squared, &[0.5, 0.9]);
    let other = run(Distance::Root, &[0.5, 0.98]);
    // Newest first.
    assert_eq!(pair_of(&[short.clone(), long.clone(), other.clone()]), (4.0, true, 2.0));
    assert_eq!(pair_of(&[long, short.clone(), other.clone()]), (4.0, true, 2.0));
    let longer = run(Distance::Squared, &[0.5, 0.9, 0.97]);
    assert_eq!(pair_of(&[short, longer, other]), (4.0, false, 2.0), "the one that saw more sets the bound");
}

#[test]
fn a_fork_is_no_witness_and_what_was_archived_is_none_either() {
    let whole = run(Distance::Squared, &[0.5, 0.9, 0.98]);
    let other = run(Distance::Root, &[0.5, 0.98]);
    let mut fork = run(Distance::Squared, &[0.98, 0.98, 0.98]);
    let mut archived = fork.clone();
    fork.summary.fork = Some(Fork { run: "parent".into(), epoch: 2, sha256: String::new(), data: None });
    archived.summary.archived = true;
    assert!(is_witness(&archived.summary, true), "unless it is asked for");
    assert_eq!(pair_of(&[fork.clone(), archived, whole, other.clone()]), (3.0, true, 2.0));
    assert!(tested(&[fork, other]).findings[0].pairs.is_empty(), "its first epochs had another run's settings");
}

#[test]
fn seeds_that_one_side_has_are_what_the_other_lacks() {
    let seeded = |seed, distance| RunState {
        summary: Summary { seed, ..run(distance, &[0.98]).summary },
        ..run(distance, &[0.98])
    };
    let squared = [1, 2, 3].map(|seed| seeded(seed, Distance::Squared));
    let root = [3, 4].map(|seed| seeded(seed, Distance::Root));
    let tested = tested(&[&squared[..], &root].concat());
    let Finding { pairs, a_lacks, b_lacks, missing_seeds, .. } = &tested.findings[0];
    assert_eq!(pairs.iter().map(|pair| pair.seed).collect::<Vec<_>>(), [3]);
    assert_eq!((&a_lacks[..], &b_lacks[..], &missing_seeds[..]), (&[4][..], &[1, 2][..], &[5][..]));
}

#[test]
fn old_pairs_count_however_many_runs_came_after_them() {
    let seeded = |seed, distance, accuracies: &[f64]| {
        let mut run = state(seed, 1.0, distance, accuracies, true);
        run.summary.spec.epochs = 3;
        run
    };
    let later = (100..500).map(|seed| seeded(seed, Distance::Root, &[0.5, 0.6, 0.7]));
    let pairs = (1..6).flat_map(|seed| {
        [seeded(seed, Distance::Squared, &[0.5, 0.98, 0.98]), seeded(seed, Distance::Root, &[0.5, 0.6, 0.7])]
    });
    let tested = tested(&later.chain(pairs).collect::<Vec<_>>());
    let finding = &tested.findings[0];
    assert_eq!((finding.pairs.len(), finding.bounds, finding.verdict), (5, 5, Verdict::Supported));
    let paired = finding.paired.unwrap();
    assert!((paired.p_lower - 1.0 / 32.0).abs() < 1e-12);
    assert_eq!(paired.differences.interval, None, "bounds make no interval");
}

#[test]
fn a_threshold_of_ones_own_is_read_in_the_logs_of_the_pairs_alone() {
    let states = [run(Distance::Squared, &[0.5, 0.6, 0.9]), run(Distance::Root, &[0.5, 0.4, 0.3]), {
        let mut unpaired = run(Distance::Squared, &[0.7]);
        unpaired.summary.seed = 9;
        unpaired
    }];
    let witnesses = states.iter().map(|state| Arc::new(state.summary.clone())).collect::<Vec<_>>();
    let read = std::cell::RefCell::new(Vec::new());
    let log = |id| {
        read.borrow_mut().push(id);
        states.iter().find(|state| state.summary.id == id).cloned().map(Course::from)
    };
    let claim = Claim { threshold: Some(0.6), ..Claim::presets().remove(0) };
    let tested = test(claim, &witnesses, &log).unwrap();
    let pair = &tested.findings[0].pairs[0];
    assert_eq!((pair.a.value, pair.b.value, pair.bound), (2.0, 4.0, true));
    assert_eq!(*read.borrow(), [states[0].summary.id], "who never got there says so in the summary");
}

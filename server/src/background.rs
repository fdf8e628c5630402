//! Training gives way: whoever looks at it, be it a browser on this machine, is answered first.
//!
//! Training takes all processors there are, and an epoch's end is when everybody wants one: the recorder to store, the server to
//! tell, the browser to draw. Each of them needs little and at once.

/// How much: a thread of training gets a third of what another one gets while both want the same processor, and all of it else.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// This thread, and those that it starts, give way from now on.
pub(crate) fn give_way() {
    // Elsewhere the whole process would. Where the system refuses, all share alike.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

/// The threads that all trainings share give way from their start.
pub(crate) fn let_training_give_way() {
    // Refused where they have begun already: in another server of this process.
    let _ = rayon::ThreadPoolBuilder::new().start_handler(|_| give_way()).build_global();
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;

    #[test]
    fn a_thread_gives_way_with_those_it_starts_and_no_other() {
        let own = getpriority_process(None).unwrap();
        let started = std::thread::spawn(|| {
            give_way();
            std::thread::spawn(|| getpriority_process(None).unwrap()).join().unwrap()
        });
        assert_eq!(started.join().unwrap(), (own + NICENESS).min(19));
        assert_eq!(getpriority_process(None).unwrap(), own);
    }
}

//! The program: everything is in the library, so that the tests can start the same server.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(unix)]
    quieten_candle();
    centerscope::cli::main()
}

/// candle's own threads wait in busy loops, which costs more than they bring where several runs share the cores; what
/// takes time in a step runs on rayon's threads. candle asks the environment alone, and a program can't change its own
/// safely: so it becomes itself anew in another one. That happens in place, within milliseconds.
#[cfg(unix)]
fn quieten_candle() {
    use std::os::unix::process::CommandExt;

    const THREADS: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(THREADS).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let mut args = std::env::args_os();
        let name = args.next().unwrap_or_else(|| program.clone().into());
        // Comes back only where it fails; then candle does as it likes.
        let _ = std::process::Command::new(program).arg0(name).args(args).env(THREADS, "1").exec();
    }
}

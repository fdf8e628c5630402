//! The program: everything is in the library, so that the tests can start the same server.

use std::process::ExitCode;

fn main() -> ExitCode {
    // candle's own threads wait in busy loops, which costs more than they bring where several runs share the cores.
    // What takes time in a step runs on rayon's threads.
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        // SAFETY: this is the first thing the program does; no other thread reads the environment yet.
        unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    }
    centerscope::cli::main()
}

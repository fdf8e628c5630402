//! The program: everything is in the library, so that the tests can start the same server.

use std::process::ExitCode;

fn main() -> ExitCode {
    centerscope::cli::main()
}

//! The `kerno` command: hands the arguments to the command line's code and its exit code to the system.

fn main() -> std::process::ExitCode {
    kerno::cli::main()
}
